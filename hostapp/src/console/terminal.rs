//! Lines typed at a terminal, with what arrives meanwhile printed above them.

use std::io;

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor, ExternalPrinter};

/// Whether this process is in the foreground of its terminal: one in the background is stopped by the system when
/// it reads.
pub(super) fn is_ours() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
}

/// An editor of lines and the printer that goes with it; `None` where the terminal is too simple for one.
pub(super) fn editor() -> Option<(DefaultEditor, Box<dyn ExternalPrinter + Send>)> {
    let config = Config::builder().bracketed_paste(false).build();
    let mut editor = DefaultEditor::with_config(config).ok()?;
    let printer = editor.create_external_printer().ok()?;
    Some((editor, Box::new(printer)))
}

/// Passes on every typed line until Ctrl-D, or Ctrl-C: that ends the server, as it does without an editor.
pub(super) fn read_lines(editor: &mut DefaultEditor, mut type_in: impl FnMut(&[u8]) -> bool) {
    loop {
        match editor.readline("") {
            Ok(mut line) => {
                // The history is a convenience; without it everything else works.
                let _ = editor.add_history_entry(&line);
                line.push('\n');
                if !type_in(line.as_bytes()) {
                    return;
                }
            }
            Err(ReadlineError::Interrupted) => {
                let _ = signal_hook::low_level::raise(signal_hook::consts::SIGINT);
                return;
            }
            Err(ReadlineError::Signal(_)) => {}
            Err(ReadlineError::Eof) => return,
            Err(error) => {
                log::warn!("the terminal: {error}");
                return;
            }
        }
    }
}

/// Prints above the line that is being typed.
pub(super) fn print(printer: &mut Box<dyn ExternalPrinter + Send>, bytes: &[u8]) -> io::Result<()> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    printer.print(text).map_err(io::Error::other)
}

/// Gives the terminal its settings back: at the end of the server somebody may be in the middle of a line.
pub(super) struct Restore(Termios);

impl Restore {
    pub(super) fn save() -> Option<Self> {
        tcgetattr(io::stdin()).ok().map(Self)
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.0);
    }
}
