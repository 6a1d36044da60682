//! The host program.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
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
            let line = one_line(&error.to_string(), std::env::args().skip(1));
            say(format_args!("hostapp: {line}"));
            ExitCode::from(USAGE)
        }
    }
}

/// What clap's message says is wrong, and what it takes to be meant, on one line with where to read on.
fn one_line(message: &str, arguments: impl Iterator<Item = String>) -> String {
    let mut paragraphs = message.split("\n\n");
    let wrong = paragraphs.next().unwrap_or_default();
    let tips = paragraphs.map_while(|paragraph| paragraph.trim_start().strip_prefix("tip: "));
    let lines: Vec<_> = [wrong.strip_prefix("error: ").unwrap_or(wrong)]
        .into_iter()
        .chain(tips)
        .map(|lines| lines.split_whitespace().collect::<Vec<_>>().join(" "))
        .chain([format!("see {} --help", command_of(arguments))])
        .collect();
    lines.join("; ")
}

/// The command that `arguments` name, as far as there is such a one.
fn command_of(arguments: impl Iterator<Item = String>) -> String {
    let mut command = &Cli::command();
    let mut path = command.get_name().to_owned();
    for word in arguments.filter(|word| !word.starts_with('-')) {
        let Some(named) = command.find_subcommand(&word) else {
            break;
        };
        path = format!("{path} {word}");
        command = named;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_command_line_is_told_in_one_line_with_the_help_of_its_command() {
        for (wrong, told, help) in [
            ("ls", "HOST", "ls"),
            ("ls somewhere:port", "a port is a number", "ls"),
            ("serve --ip x", "--ip", "serve"),
            ("-v serve --max-file 10X", "as in 10M", "serve"),
            ("serv", "'serve'", ""),
            ("serve --stroe x", "a similar argument exists: '--store'", "serve"),
            ("lab nagel", "a similar subcommand exists: 'nagle'", "lab"),
            (
                "lab rtt --los 5",
                "a similar argument exists: '--loss'",
                "lab rtt",
            ),
        ] {
            let words: Vec<_> = wrong.split(' ').map(str::to_owned).collect();
            let parsed = Cli::try_parse_from(["hostapp".to_owned()].iter().chain(&words));
            let line = one_line(&parsed.unwrap_err().to_string(), words.into_iter());
            assert!(!line.contains('\n') && !line.starts_with("error"), "{line}");
            assert!(line.contains(told), "{line}");
            let help = format!("; see hostapp {help}").trim_end().to_owned() + " --help";
            assert!(line.ends_with(&help), "{line}");
        }
    }
}
