//! `hostapp docs`: man pages and completions, made from the command line itself.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;

/// Writes the man pages, and the completions for bash, zsh and fish, into `folder`; what it returns is the exit
/// status of the program.
pub fn run(folder: &Path) -> ExitCode {
    match write(folder) {
        Ok(()) => {
            let folder = folder.display();
            eprintln!("Wrote man pages and completions into {folder}; try man -l {folder}/hostapp.1");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!(
                "hostapp: cannot write into {}: {error}; name another folder",
                folder.display()
            );
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "hostapp", folder)?;
    }
    clap_mangen::generate_to(command, folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_every_shell_its_completions() {
        let folder = tempfile::TempDir::new().unwrap();
        write(folder.path()).unwrap();
        let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(text("hostapp.1").contains("hostapp\\-send(1)"));
        for command in Cli::command().get_subcommands() {
            let page = text(&format!("hostapp-{}.1", command.get_name()));
            assert!(page.contains(".SH SYNOPSIS"), "{page}");
        }
        for completions in ["hostapp.bash", "_hostapp", "hostapp.fish"] {
            assert!(text(completions).contains("secret"), "{completions}");
        }
    }
}
