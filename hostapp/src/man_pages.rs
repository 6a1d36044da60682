//! `hostapp docs`: man pages and completions, made from the command line itself.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::{Generator, Shell};

use crate::cli::Cli;
use crate::stdio::say;

/// Writes the man pages, and the completions for bash, zsh and fish, into `folder`; what it returns is the exit
/// status of the program. It says only errors where `quiet`.
pub fn run(folder: &Path, quiet: bool) -> ExitCode {
    match write(folder) {
        Ok(()) => {
            let folder = folder.display();
            if !quiet {
                say(format_args!(
                    "Wrote man pages and completions into {folder}; try man -l {folder}/hostapp.1"
                ));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(format_args!(
                "hostapp: cannot write into {}: {error}; name another folder",
                folder.display()
            ));
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        // Not `generate_to`, which panics where the disk is full.
        let mut completions = Vec::new();
        clap_complete::generate(shell, &mut command, "hostapp", &mut completions);
        fs::write(folder.join(shell.file_name("hostapp")), completions)?;
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
