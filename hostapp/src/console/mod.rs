//! [`Console`]: standard input and output as R2's side of the chat.
//!
//! A thread reads and a thread writes, so neither a terminal that was stopped nor a pipe that nobody empties can
//! hold the server up; on a terminal both share rustyline, which keeps the line being typed apart from what
//! arrives meanwhile. Log lines go there as well, as [`Notes`].

mod color;
mod keyboard;
mod notes;
mod ring;
mod terminal;

use std::convert::Infallible;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use embedded_io::{BufRead, ErrorType, ReadReady, WriteReady};
use r2_core::io::Connection;
use r2_core::session::Over;
use r2_threads::Wake;

use self::keyboard::{Keyboard, Terminal};
pub use self::notes::Notes;
use self::notes::Redirected;
use self::ring::Ring;
use crate::signals;

/// Bytes of typed lines that wait for the server: many of the longest.
const INPUT: usize = 16 * 1024;

/// Bytes of chat that wait for a slow reader; beyond them the chat room skips lines.
const OUTPUT: usize = 64 * 1024;

/// How long the end of the server waits for its last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Standard input and output. They outlive each other, and neither's end ends the connection.
///
/// Poll [`as_fd`](AsFd::as_fd) for readability: typed lines are there, or room for output came back. Then call
/// [`clear`](Self::clear) before looking for them.
pub struct Console {
    shared: Arc<Shared>,
    read: Box<[u8]>,
    start: usize,
    end: usize,
    over: Option<Over>,
    written: Receiver<()>,
    terminal: Option<Taken>,
}

/// A terminal that is edited. The last notes are written before it is what it was.
type Taken = (Option<Redirected>, Left);

/// A terminal that has its settings back when this is dropped.
struct Left(Terminal);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.leave();
    }
}

struct Shared {
    input: Ring,
    output: Ring,
    wake: Wake,
}

/// Where the chat is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// On standard output.
    Output,
    /// On standard error: something else goes to standard output.
    Error,
}

impl Console {
    /// Takes standard input and `screen` over: lines are edited where standard input and output are a terminal, and
    /// bytes pass as they are where not. In the background a terminal is neither read nor set.
    pub fn open(screen: Screen) -> io::Result<Self> {
        let on_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let terminal = if on_terminal && screen == Screen::Output {
            terminal::open()
        } else {
            None
        };
        let colors = color::wanted(screen);
        if let Some((mut editor, [mut chat, notes])) = terminal {
            let taken = (Redirected::to(notes)?, Left(editor.terminal()));
            return Self::start(
                move |shared| editor.read_lines(|line| shared.type_in(line)),
                move |bytes| chat.print(&color::paint(bytes, colors)),
                Some(taken),
            );
        }
        let mut input: Box<dyn Read + Send> = if io::stdin().is_terminal() {
            Box::new(Keyboard::open(false)?)
        } else {
            Box::new(io::stdin())
        };
        Self::start(
            move |shared| read_all(&mut input, |bytes| shared.type_in(bytes)),
            move |bytes| {
                let painted = color::paint(bytes, colors);
                match screen {
                    Screen::Output => {
                        io::stdout().write_all(&painted)?;
                        io::stdout().flush()
                    }
                    Screen::Error => io::stderr().write_all(&painted),
                }
            },
            None,
        )
    }

    fn start(
        read: impl FnOnce(&Shared) + Send + 'static,
        mut write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
        terminal: Option<Taken>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            input: Ring::new(INPUT),
            output: Ring::new(OUTPUT),
            wake: Wake::new()?,
        });
        let reader = shared.clone();
        r2_threads::spawn("console-in", move || {
            read(&reader);
            reader.input.end();
            reader.wake.wake();
        })?;
        let writer = shared.clone();
        let (done, written) = mpsc::sync_channel(1);
        r2_threads::spawn("console-out", move || {
            write_lines(&writer.output, &mut write, || writer.wake.wake());
            drop(done);
        })?;
        Ok(Self {
            shared,
            read: vec![0; INPUT].into_boxed_slice(),
            start: 0,
            end: 0,
            over: None,
            written,
            terminal,
        })
    }
}

impl Console {
    /// Lets a signal end the process as ever, but leave the terminal as it was.
    pub fn leave_on_signals(&self) -> io::Result<()> {
        match &self.terminal {
            Some((_, Left(terminal))) => {
                let terminal = terminal.clone();
                signals::end_after(move || terminal.leave())
            }
            None => Ok(()),
        }
    }

    /// Makes it unreadable until there is news again.
    pub fn clear(&self) {
        self.shared.wake.clear();
    }
}

impl Shared {
    /// Passes on what was typed; whether anybody listens.
    fn type_in(&self, bytes: &[u8]) -> bool {
        // In pieces, so that the server is woken before the ring is full and this thread waits.
        bytes.chunks(INPUT / 2).all(|piece| {
            self.wake.wake();
            let heard = self.input.put(piece);
            self.wake.wake();
            heard
        })
    }
}

fn read_all(from: &mut impl Read, mut type_in: impl FnMut(&[u8]) -> bool) {
    let mut bytes = [0; 4096];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return,
            Ok(read) => {
                if !type_in(&bytes[..read]) {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                log::warn!("standard input: {error}");
                return;
            }
        }
    }
}

/// Writes whole lines where they come whole, and calls `room_came` whenever the ring has more room.
fn write_lines(ring: &Ring, write: &mut impl FnMut(&[u8]) -> io::Result<()>, room_came: impl Fn()) {
    let mut bytes = vec![0; OUTPUT];
    let mut filled = 0;
    loop {
        let taken = ring.take(&mut bytes[filled..]);
        room_came();
        filled += taken;
        let whole = bytes[..filled]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let ready = if taken == 0 || whole == 0 && filled == bytes.len() {
            filled
        } else {
            whole
        };
        if ready > 0
            && let Err(error) = write(&bytes[..ready])
        {
            if error.kind() != ErrorKind::BrokenPipe {
                log::warn!("standard output: {error}");
            }
            ring.abandon();
            room_came();
            return;
        }
        if taken == 0 {
            return;
        }
        bytes.copy_within(ready..filled, 0);
        filled -= ready;
    }
}

/// Waits a moment for the last lines to be written, and leaves the terminal as it was.
impl Drop for Console {
    fn drop(&mut self) {
        self.shared.output.end();
        if self.written.recv_timeout(LAST_LINES) == Err(RecvTimeoutError::Timeout) {
            log::warn!("standard output takes no more: the last lines are lost");
        }
    }
}

impl AsFd for Console {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.wake.as_fd()
    }
}

impl ErrorType for Console {
    type Error = Infallible;
}

impl ReadReady for Console {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        if self.start == self.end {
            (self.start, self.end) = (0, self.shared.input.try_take(&mut self.read));
        }
        Ok(self.start < self.end || self.shared.input.is_over())
    }
}

impl embedded_io::Read for Console {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        let waiting = self.fill_buf()?;
        let taken = waiting.len().min(into.len());
        into[..taken].copy_from_slice(&waiting[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl BufRead for Console {
    fn fill_buf(&mut self) -> Result<&[u8], Infallible> {
        Ok(&self.read[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = (self.start + amount).min(self.end);
    }
}

impl WriteReady for Console {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.shared.output.room() > 0)
    }
}

impl embedded_io::Write for Console {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(self.shared.output.try_put(bytes))
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Connection for Console {
    fn finish(&mut self) -> Result<(), Infallible> {
        self.shared.output.end();
        self.over.get_or_insert(Over::Unknown);
        Ok(())
    }

    fn abort(&mut self) {
        self.over.get_or_insert(Over::Stopped);
    }

    fn ended(&mut self) -> Option<Over> {
        self.over
    }
}

#[cfg(test)]
mod tests;
