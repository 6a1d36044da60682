//! [`Notes`]: what is said beside the chat, without breaking the line that is being typed.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ring::Ring;
use super::terminal::Printer;
use super::{LAST_LINES, OUTPUT, write_lines};

/// Where notes go while a terminal is edited; the log is one for the whole program, so this is.
static REDIRECTED: Mutex<Option<Arc<Ring>>> = Mutex::new(None);

fn redirected() -> MutexGuard<'static, Option<Arc<Ring>>> {
    REDIRECTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Standard error, for whole lines: while lines are edited on the terminal that it is, they appear above the line
/// being typed. It never waits then: notes for which a stopped terminal has no room are lost.
pub struct Notes;

impl Write for Notes {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        match &*redirected() {
            Some(ring) => {
                if ring.room() >= lines.len() {
                    ring.try_put(lines);
                }
                Ok(lines.len())
            }
            None => io::stderr().write(lines),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Ends, when it is dropped, with the last note written and standard error as it was.
pub(super) struct Redirected {
    written: Receiver<()>,
}

impl Redirected {
    /// Lets `printer` print the notes; `None` where standard error is no terminal.
    pub(super) fn to(mut printer: Printer) -> io::Result<Option<Self>> {
        if !io::stderr().is_terminal() {
            return Ok(None);
        }
        let ring = Arc::new(Ring::new(OUTPUT));
        let notes = ring.clone();
        let (done, written) = mpsc::sync_channel(1);
        r2_threads::spawn("console-notes", move || {
            write_lines(&notes, &mut |lines| printer.print(lines), || ());
            drop(done);
        })?;
        *redirected() = Some(ring);
        Ok(Some(Self { written }))
    }
}

impl Drop for Redirected {
    fn drop(&mut self) {
        if let Some(ring) = redirected().take() {
            ring.end();
            // Should the terminal be stopped, there is nothing to tell and nobody to tell it to.
            let _ = self.written.recv_timeout(LAST_LINES);
        }
    }
}
