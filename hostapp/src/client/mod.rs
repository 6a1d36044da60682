//! The client commands: a session each, on a kernel socket.

mod chat;
mod drive;
mod files;
mod secret;

use std::fmt;
use std::process::ExitCode;

use crate::cli::Command;

/// Does a client command; what it returns is the exit status of the program.
pub fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Serve(_) => unreachable!("serving is no client command"),
        Command::Chat { host, name } => chat::run(host, &name),
        Command::Secret { host, strings } => secret::run(host, &strings.join(" ")),
        Command::Send { host, file, name } => files::send(host, &file, name),
        Command::Get { host, name, output } => files::get(host, &name, output),
        Command::Ls { host } => files::list(host),
        Command::Rm { host, name } => files::remove(host, &name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::from(trouble.status)
        }
    }
}

/// Why a command did not succeed: one line that says what happened and what to do.
#[derive(Debug)]
struct Trouble {
    status: u8,
    line: String,
}

impl Trouble {
    /// R2 refused, or the transfer failed.
    fn failed(line: impl Into<String>) -> Self {
        Self {
            status: 1,
            line: line.into(),
        }
    }

    /// The command makes no sense here, or R2 cannot be reached.
    fn usage(line: impl Into<String>) -> Self {
        Self {
            status: 2,
            line: line.into(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}
