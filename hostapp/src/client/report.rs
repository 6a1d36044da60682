//! What a client command tells its user.

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
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let target = if self.quiet || dumb {
            ProgressDrawTarget::hidden()
        } else {
            // It hides itself where standard error is no terminal.
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(length), target).with_prefix(name.to_owned());
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(REDRAWN);
        Progress(bar)
    }
}

/// Name, bar, bytes of bytes, rate, time left.
const BAR: &str = "{prefix} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left";

/// How often the bar is drawn though nothing has come: a transfer that stands still shows where.
const REDRAWN: Duration = Duration::from_millis(250);

/// Prints on standard output, for whoever reads it.
pub(super) fn print(text: fmt::Arguments<'_>) -> Result<(), Trouble> {
    io::stdout()
        .write_fmt(text)
        .map_err(|error| Trouble::failed(format!("standard output: {error}; what was asked is done")))
}

/// A bar that leaves the screen when it is dropped.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// So many bytes are there. The first of them may be of an earlier attempt: rate and time are those of the rest.
    pub(super) fn reached(&self, bytes: u64) {
        if self.0.position() == 0 && bytes > 0 {
            self.0.set_position(bytes);
            self.0.reset_eta();
        } else {
            self.0.set_position(bytes);
        }
    }

    /// Now the length is known.
    pub(super) fn of(&self, length: u64) {
        self.0.set_length(length);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
