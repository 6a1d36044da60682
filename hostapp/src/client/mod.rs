//! The client commands: a session each, on a kernel socket.

mod chat;
mod drive;
mod drop;
mod files;
mod find;
mod report;
mod secret;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use r2_core::text::Cleaner;

use self::report::Report;
use crate::cli::Command;
use crate::stdio::say;

/// Does a client command, `quiet` but for errors where that is wanted; what it returns is the exit status of the
/// program.
pub fn run(command: Command, quiet: bool) -> ExitCode {
    let report = |json| Report { quiet, json };
    let done = match command {
        Command::Serve(_) | Command::Demo | Command::Lab { .. } | Command::Docs { .. } => {
            unreachable!("that is no client command")
        }
        Command::Chat { host, name } => chat::run(&host, &name, report(false)),
        Command::Secret { host, strings, json } => secret::run(&host, &strings.join(" "), json),
        Command::Drop { host, file, json } => drop::run(&host, &file, report(json)),
        Command::Send {
            host,
            file,
            name,
            json,
        } => files::send(&host, &file, name, report(json)),
        Command::Get {
            host,
            name,
            output,
            force,
            json,
        } => files::get(&host, &name, output, force, report(json)),
        Command::Find { seconds, json } => find::run(Duration::from_secs(seconds.into()), json),
        Command::Ls { host, json } => files::list(&host, report(json)),
        Command::Rm { host, name, json } => files::remove(&host, &name, report(json)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            say(&trouble);
            ExitCode::from(trouble.status)
        }
    }
}

/// What is said where what answered, or did not, is no R2: it has a service for `what`.
fn no_answer(server: SocketAddr, heard: &[u8], what: &str) -> Trouble {
    let did = match answered(heard) {
        None => "closed without an answer".to_owned(),
        Some(answer) => format!("answered {answer}, as R2 does not"),
    };
    Trouble::failed(format!(
        "{server} {did}: is R2 there, with its service for {what}?"
    ))
}

/// What somebody answered, in words that fit on a line; `None` where that is nothing.
fn answered(heard: &[u8]) -> Option<String> {
    /// What fits on the line.
    const SHOWN: usize = 60;
    let mut text = String::new();
    let mut cleaner = Cleaner::new();
    cleaner.clean(heard, |run| text.push_str(run));
    cleaner.finish(|run| text.push_str(run));
    let shown: String = text.chars().take(SHOWN).collect();
    let dots = if shown.len() < text.len() { "…" } else { "" };
    if heard.is_empty() {
        None
    } else if shown.is_empty() {
        Some("with what is no text".to_owned())
    } else {
        Some(format!("\"{shown}{dots}\""))
    }
}

/// What is said where a line does not end.
fn endless(server: SocketAddr, what: &str) -> Trouble {
    Trouble::failed(format!(
        "{server} answered with a line that does not end: is R2 there, with its service for {what}?"
    ))
}

/// Why a command did not succeed: one line that says what happened and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{line}")]
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
