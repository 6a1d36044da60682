//! Lines typed at a terminal, with what arrives meanwhile printed above them.

use std::borrow::Cow;
use std::cell::Cell;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use nix::errno::Errno;
use rustyline::completion::Completer;
use rustyline::config::{BellStyle, ColorMode};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Config, ExternalPrinter, Helper};

use super::keyboard::{Keyboard, Terminal, stand_in};

/// An editor of lines and the printers that go with it; `None` where the terminal is too simple for one, or the system
/// has no pseudoterminal.
pub(super) fn open<const PRINTERS: usize>() -> Option<(Editor, [Printer; PRINTERS])> {
    let config = Config::builder()
        .bracketed_paste(false)
        .bell_style(BellStyle::None)
        // It has none of ours; without it rustyline would not ask `Sent` how to show the line.
        .color_mode(ColorMode::Forced)
        .build();
    let mut editor = rustyline::Editor::with_config(config).ok()?;
    let between = Arc::new(Between::default());
    editor.set_helper(Some(Sent {
        between: between.clone(),
        accepted: Cell::new(false),
    }));
    let mut printer = || {
        let printer = Box::new(editor.create_external_printer().ok()?);
        let between = between.clone();
        Some(Printer { printer, between })
    };
    let mut again = printer()?;
    let printers = (0..PRINTERS).map(|_| printer()).collect::<Option<Vec<_>>>()?;
    let printers = printers.try_into().ok()?;
    let keyboard = Keyboard::open(true).ok()?;
    let terminal = keyboard.terminal();
    let typed = stand_in().ok()?;
    r2_threads::spawn("keyboard", move || {
        keyboard.carry_to(typed, || again.print(DRAW_AGAIN));
    })
    .ok()?;
    let editor = Editor {
        lines: editor,
        between,
        terminal,
    };
    Some((editor, printers))
}

/// The keyboard.
pub(super) struct Editor {
    lines: rustyline::Editor<Sent, DefaultHistory>,
    between: Arc<Between>,
    terminal: Terminal,
}

impl Editor {
    /// The terminal, to be given back.
    pub(super) fn terminal(&self) -> Terminal {
        self.terminal.clone()
    }

    /// Passes on every typed line until Ctrl-D, or Ctrl-C: that ends the server, as it does without an editor.
    pub(super) fn read_lines(&mut self, type_in: impl FnMut(&[u8]) -> bool) {
        self.pass_on(type_in);
        self.between.end();
    }

    fn pass_on(&mut self, mut type_in: impl FnMut(&[u8]) -> bool) {
        loop {
            match self.lines.readline("") {
                Ok(mut line) => {
                    // The history is a convenience; without it everything else works.
                    let _ = self.lines.add_history_entry(&line);
                    line.push('\n');
                    if !type_in(line.as_bytes()) {
                        return;
                    }
                }
                Err(ReadlineError::Interrupted) => {
                    self.terminal.leave();
                    let _ = signal_hook::low_level::raise(signal_hook::consts::SIGINT);
                    return;
                }
                Err(ReadlineError::Signal(_)) => {}
                Err(error) if is_end(&error) => return,
                Err(error) => {
                    log::warn!("the terminal: {error}");
                    return;
                }
            }
        }
    }
}

/// Ctrl-D, or a terminal that is gone: nobody carries keys any more.
fn is_end(error: &ReadlineError) -> bool {
    match error {
        ReadlineError::Eof | ReadlineError::Errno(Errno::EIO) => true,
        ReadlineError::Io(error) => error.raw_os_error() == Some(Errno::EIO as i32),
        _ => false,
    }
}

/// The screen above the line that is being typed.
pub(super) struct Printer {
    printer: Box<dyn ExternalPrinter + Send>,
    between: Arc<Between>,
}

impl Printer {
    /// Prints whole lines.
    pub(super) fn print(&mut self, lines: &[u8]) -> io::Result<()> {
        self.between.wait_for_end();
        let text = String::from_utf8_lossy(lines).into_owned();
        self.printer.print(text).map_err(io::Error::other)
    }
}

/// The time between a line that is sent and the next one: rustyline would print right behind the former.
#[derive(Default)]
struct Between {
    is_now: Mutex<bool>,
    ended: Condvar,
}

impl Between {
    fn begin(&self) {
        *self.is_now.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn end(&self) {
        *self.is_now.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.ended.notify_all();
    }

    fn wait_for_end(&self) {
        let is_now = self.is_now.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.ended.wait_while(is_now, |is_now| *is_now));
    }
}

/// Takes a line off the screen when it is sent: it comes back with its label on.
struct Sent {
    between: Arc<Between>,
    accepted: Cell<bool>,
}

/// A line that is printed above the one being typed and takes no row: rustyline draws what is being typed again.
const DRAW_AGAIN: &[u8] = b"\x1b[A\n";

/// One row up: rustyline ends the line that it was told to show, and so comes back to the row where it began.
const UP: &str = "\u{1b}[A";

impl Highlighter for Sent {
    fn highlight<'l>(&self, line: &'l str, cursor: usize) -> Cow<'l, str> {
        // With the cursor before its end, an accepted line is shown once more with the cursor there.
        if self.accepted.get() && cursor == line.len() {
            UP.into()
        } else {
            line.into()
        }
    }

    /// Called before every `highlight`; always, because of the last one.
    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        let accepted = kind == CmdKind::ForcedRefresh;
        if accepted {
            self.between.begin();
        } else {
            self.between.end();
        }
        self.accepted.set(accepted);
        true
    }
}

impl Completer for Sent {
    type Candidate = String;
}

impl Hinter for Sent {
    type Hint = String;
}

impl Validator for Sent {}

impl Helper for Sent {}
