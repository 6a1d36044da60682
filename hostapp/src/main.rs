//! The host program.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use hostapp::cli::Cli;
use hostapp::stdio::say;

/// The exit status of a command line that cannot be understood.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => hostapp::run(cli),
        // Help and version were asked for, or nothing at all was.
        Err(answer)
            if !answer.use_stderr()
                || answer.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            answer.exit()
        }
        Err(error) => {
            say(format_args!("hostapp: {}", one_line(&error.to_string())));
            ExitCode::from(USAGE)
        }
    }
}

/// The first paragraph of clap's message, which says what is wrong, on one line with where to read on.
fn one_line(message: &str) -> String {
    let paragraph = message.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = paragraph.split_whitespace().collect();
    let wrong = words.join(" ");
    format!(
        "{}; see hostapp --help",
        wrong.strip_prefix("error: ").unwrap_or(&wrong)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_command_line_is_told_in_one_line() {
        for wrong in [
            &["hostapp", "ls"][..],
            &["hostapp", "ls", "somewhere:port"],
            &["hostapp", "serve", "--ip", "x"],
        ] {
            let line = one_line(&Cli::try_parse_from(wrong).unwrap_err().to_string());
            assert!(!line.contains('\n') && !line.starts_with("error"), "{line}");
            assert!(line.ends_with("; see hostapp --help"), "{line}");
        }
    }
}
