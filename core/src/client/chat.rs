//! A terminal on somebody's chat.

use crate::limits::{CLIENT_SHOW_MAX, NICK_MAX};
use crate::outbox::Outbox;
use crate::session::{Over, Session, Wants};
use crate::text::Cleaner;
use crate::time::Instant;

/// What became of a look at the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Typed {
    /// So many bytes were typed; 0 when none were yet, or there was no room for them.
    Bytes(usize),
    /// Nothing will be typed any more.
    End,
}

/// The terminal: the world of a [`Chat`] session. It never waits.
pub trait Terminal {
    /// Moves what was typed into the front of `into`, whole lines or not.
    fn typed(&mut self, into: &mut [u8]) -> Typed;

    /// Shows bytes from the front of `text` and returns how many; the rest is offered again. It is clean text and
    /// `\n`, but may be cut inside a character.
    fn show(&mut self, text: &[u8]) -> usize;
}

/// The chat client: what is typed goes out, what comes is shown, cleaned, so that no server drives the terminal.
///
/// At the end of what is typed it half-closes and goes on showing until the peer's FIN. When the terminal takes
/// nothing more, the peer's window closes. The driver calls `transmit` when something was typed, and `receive` or
/// `transmit` when the terminal takes bytes again.
pub struct Chat {
    /// What is sent before anything that is typed.
    hello: Outbox<{ "/nick ".len() + NICK_MAX + "\n".len() }>,
    typing_ended: bool,
    cleaner: Cleaner,
    shown: Outbox<CLIENT_SHOW_MAX>,
}

/// How many bytes may be taken at once: cleaned, each of them and of the three that the cleaner holds at most is
/// no longer than U+FFFD.
const TAKEN_AT_ONCE: usize = CLIENT_SHOW_MAX / '\u{FFFD}'.len_utf8() - 3;

impl Chat {
    /// A chat, under the name `nick` where one is given; `None` when that cannot be a name, as it is too long or
    /// has a line ending.
    pub fn new(nick: Option<&str>) -> Option<Self> {
        let mut hello = Outbox::new();
        if let Some(nick) = nick {
            if nick.len() > NICK_MAX || nick.contains('\n') {
                return None;
            }
            for part in ["/nick ", nick, "\n"] {
                hello.push(part.as_bytes());
            }
        }
        Some(Self {
            hello,
            typing_ended: false,
            cleaner: Cleaner::new(),
            shown: Outbox::new(),
        })
    }

    /// Whether everything that came was shown.
    pub fn is_shown(&self) -> bool {
        self.shown.is_empty()
    }

    /// Offers the terminal what waits for it; whether it took all.
    fn show<T: Terminal + ?Sized>(&mut self, terminal: &mut T) -> bool {
        while !self.shown.is_empty() {
            let shown = terminal.show(self.shown.waiting());
            if shown == 0 {
                return false;
            }
            self.shown.leave(shown);
        }
        true
    }

    fn clean(&mut self, bytes: &[u8]) {
        let Self { cleaner, shown, .. } = self;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_line) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            // Fits, all of it: TAKEN_AT_ONCE.
            cleaner.clean(text, |run| {
                shown.push(run.as_bytes());
            });
            if is_line {
                cleaner.finish(|run| {
                    shown.push(run.as_bytes());
                });
                shown.push(b"\n");
            }
        }
    }
}

impl<T: Terminal + ?Sized> Session<T> for Chat {
    fn receive(&mut self, _: Instant, rx: &[u8], terminal: &mut T) -> usize {
        let mut taken = 0;
        for piece in rx.chunks(TAKEN_AT_ONCE) {
            if !self.show(terminal) {
                return taken;
            }
            self.clean(piece);
            taken += piece.len();
        }
        self.show(terminal);
        taken
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], terminal: &mut T) -> usize {
        self.show(terminal);
        let filled = self.hello.drain_into(tx);
        let Some(room) = tx.get_mut(filled..).filter(|room| !room.is_empty()) else {
            return filled;
        };
        if self.typing_ended {
            return filled;
        }
        match terminal.typed(room) {
            Typed::Bytes(typed) => filled + typed.min(room.len()),
            Typed::End => {
                self.typing_ended = true;
                filled
            }
        }
    }

    fn finished(&mut self, _: Instant, terminal: &mut T) {
        if self.show(terminal) {
            let Self { cleaner, shown, .. } = self;
            cleaner.finish(|run| {
                shown.push(run.as_bytes());
            });
            self.show(terminal);
        }
        self.typing_ended = true;
    }

    fn over(&mut self, _: Instant, _: Over, terminal: &mut T) {
        self.show(terminal);
    }

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn wants(&self) -> Wants {
        if self.typing_ended && self.hello.is_empty() {
            Wants::Close
        } else {
            Wants::Nothing
        }
    }
}
