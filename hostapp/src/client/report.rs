//! What a client command tells its user.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::Trouble;
use crate::stdio::say;

/// How much is told, and in which form.
#[derive(Clone, Copy)]
pub(super) struct Report {
    /// Only errors.
    pub(super) quiet: bool,
    /// The result on standard output, as a line of JSON.
    pub(super) json: bool,
}

impl Report {
    /// Tells the result: `line` for people, and `json` for scripts that asked for it.
    pub(super) fn result(self, line: impl fmt::Display, json: &Value) -> Result<(), Trouble> {
        if self.json {
            print(format_args!("{json}\n"))?;
        }
        self.tell(line);
        Ok(())
    }

    /// Tells on standard error what has happened.
    pub(super) fn tell(self, line: impl fmt::Display) {
        if !self.quiet {
            say(line);
        }
    }

    /// Begins to show how far a transfer of `length` bytes has come: on standard error, where that is a terminal
    /// that can show it.
    pub(super) fn progress(self, name: &str, length: u64) -> Progress {
        let progress = self.progress_of(name, Some(BAR));
        progress.of(length);
        progress.bar.enable_steady_tick(REDRAWN);
        progress
    }

    /// The same for what takes no time but that in which R2 hashes.
    pub(super) fn hashing(self, name: &str) -> Progress {
        self.progress_of(name, None)
    }

    fn progress_of(self, name: &str, transfer: Option<&'static str>) -> Progress {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let target = if self.quiet || dumb {
            ProgressDrawTarget::hidden()
        } else {
            // It hides itself where standard error is no terminal.
            ProgressDrawTarget::stderr()
        };
        let progress = Progress {
            bar: ProgressBar::with_draw_target(None, target).with_prefix(name.to_owned()),
            transfer,
            length: Cell::new(0),
            hashing: Cell::new(false),
        };
        progress.looks_as(transfer.unwrap_or(HASHING));
        progress
    }
}

/// Name, bar, bytes of bytes, rate, time left.
const BAR: &str = "{prefix} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left";

/// Name, bar, how far R2 is.
const HASHING: &str = "{prefix}: R2 is hashing [{wide_bar}] {percent} %";

/// How often the bar is drawn though nothing has come: a transfer that stands still shows where.
const REDRAWN: Duration = Duration::from_millis(250);

/// Prints on standard output, for whoever reads it.
pub(super) fn print(text: fmt::Arguments<'_>) -> Result<(), Trouble> {
    io::stdout()
        .write_fmt(text)
        .map_err(|error| Trouble::failed(format!("standard output: {error}; what was asked is done")))
}

/// A bar that leaves the screen when it is dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    /// How it looks while bytes are transferred; `None` where none are.
    transfer: Option<&'static str>,
    /// Bytes of the transfer.
    length: Cell<u64>,
    /// It shows how far R2 is with hashing.
    hashing: Cell<bool>,
}

impl Progress {
    fn looks_as(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }

    /// R2 has hashed so much in percent; `None` where it does not, or no longer.
    pub(super) fn hashing(&self, percent: Option<u8>) {
        let was = self.hashing.replace(percent.is_some());
        match percent {
            Some(percent) => {
                if !was {
                    self.bar.reset();
                    self.looks_as(HASHING);
                    self.bar.set_length(100);
                }
                self.bar.set_position(percent.into());
            }
            None if was => match self.transfer {
                Some(transfer) => {
                    self.bar.reset();
                    self.looks_as(transfer);
                    self.bar.set_length(self.length.get());
                }
                None => self.bar.finish_and_clear(),
            },
            None => {}
        }
    }

    /// Does what writes to the screen that the bar is on.
    pub(super) fn hidden_while<T>(&self, writes: impl FnOnce() -> T) -> T {
        self.bar.suspend(writes)
    }

    /// So many bytes are there. The first of them may be of an earlier attempt: rate and time are those of the rest.
    pub(super) fn reached(&self, bytes: u64) {
        if self.hashing.get() {
            return;
        }
        if self.bar.position() == 0 && bytes > 0 {
            self.bar.set_position(bytes);
            self.bar.reset_eta();
        } else {
            self.bar.set_position(bytes);
        }
    }

    /// Now the length is known.
    pub(super) fn of(&self, length: u64) {
        self.length.set(length);
        self.bar.set_length(length);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
