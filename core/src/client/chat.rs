//! A terminal on somebody's chat.

use crate::bug::OrBug;
use crate::limits::{CLIENT_LINE_MAX, CLIENT_SHOW_MAX, LABEL_MAX, NICK_MAX};
use crate::line::{Line, LineReader};
use crate::outbox::Outbox;
use crate::session::{Over, Session, Wants};
use crate::text::Cleaner;
use crate::time::Instant;

use heapless::Vec;

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
    naming: Naming,
    /// What has come of a line that may be about the name.
    about_name: LineReader<ABOUT_NAME_MAX>,
    /// Bytes of the line that comes.
    line: usize,
    first: First,
    /// The first that has come, as much as there is room for.
    heard: Vec<u8, HEARD_MAX>,
}

/// What became of the name that was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// None was, or it is this one's now.
    Done,
    Asked,
    Taken,
}

/// The longest line about a name: who is called what now.
const ABOUT_NAME_MAX: usize = "* ".len() + LABEL_MAX + " is now ".len() + NICK_MAX;

/// What R2 says where it is another's, and within the line where it is not.
const TAKEN: &[u8] = b"* name taken";
const RENAMED: &[u8] = b" is now ";

/// What is kept of what came first: to be shown to the user where that is no R2, and the first two lines of a status page.
const HEARD_MAX: usize = 128;

/// The beginning of the first line, which is `* `, or a label and `: `, where an R2 answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    /// So many bytes of a label have come.
    Label(usize),
    /// The space has to follow.
    Mark,
    /// It is R2.
    Known,
    /// It is R2's status page, which is over.
    Page,
    Foreign,
}

impl First {
    const fn next(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Label(0), b'*') | (Self::Label(1..), b':') => Self::Mark,
            (Self::Label(length @ 0..LABEL_MAX), b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-') => {
                Self::Label(length.saturating_add(1))
            }
            (Self::Mark, b' ') | (Self::Known, _) => Self::Known,
            _ => Self::Foreign,
        }
    }
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
            line: 0,
            naming: if nick.is_some() {
                Naming::Asked
            } else {
                Naming::Done
            },
            about_name: LineReader::new(),
            first: First::Label(0),
            heard: Vec::new(),
        })
    }

    /// Whether more than [`CLIENT_LINE_MAX`] bytes have come without a line ending: that is no chat, and need not end. The
    /// connection is given up.
    pub const fn is_too_long(&self) -> bool {
        self.line > CLIENT_LINE_MAX
    }

    /// What answered, where that is no chat of R2's: the beginning of its first line, empty where it closed without a word
    /// while more could be typed. The connection is given up.
    pub fn stranger(&self) -> Option<&[u8]> {
        (self.first == First::Foreign).then(|| {
            let mut lines = self.heard.split(|byte| *byte == b'\n');
            lines.next().unwrap_or_default()
        })
    }

    /// Whether the name that was asked for is another's. The connection is given up.
    pub fn is_name_taken(&self) -> bool {
        self.naming == Naming::Taken
    }

    /// Listens for the answer to the name. It comes before that to whatever is typed, and peers' lines have labels.
    fn listen_for_name(&mut self, mut bytes: &[u8]) {
        while self.naming == Naming::Asked && !bytes.is_empty() {
            let (taken, is_whole) = self.about_name.take(bytes);
            bytes = bytes.get(taken..).unwrap_or_default();
            if !is_whole {
                return;
            }
            if let Line::Whole(line) = self.about_name.line() {
                let is_renamed = || line.windows(RENAMED.len()).any(|part| part == RENAMED);
                if line == TAKEN {
                    self.naming = Naming::Taken;
                } else if line.starts_with(b"* ") && is_renamed() {
                    self.naming = Naming::Done;
                }
            }
            self.about_name.clear();
        }
    }

    /// Whether what came, and ended, was R2's status page and no chat.
    pub fn is_status_page(&self) -> bool {
        self.first == First::Page
    }

    /// Whether what came first are the first lines of a status page. Two peers may have such names, so that it counts only
    /// where R2 then closes.
    fn begins_like_a_page(&self) -> bool {
        let mut lines = self.heard.split(|byte| *byte == b'\n');
        ["version: ", "board: "]
            .into_iter()
            .all(|key| lines.next().is_some_and(|line| line.starts_with(key.as_bytes())))
    }

    /// Listens to the beginning of the first line. Returns how many bytes that took.
    fn listen(&mut self, rx: &[u8]) -> usize {
        let mut taken = 0_usize;
        for byte in rx {
            if self.first == First::Known {
                break;
            }
            // What does not fit is not shown.
            let _ = self.heard.push(*byte);
            if self.first != First::Foreign {
                self.first = self.first.next(*byte);
            }
            taken = taken.saturating_add(1);
        }
        taken
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
        self.listen_for_name(bytes);
        let Self { cleaner, shown, .. } = self;
        // Fits, all of it: TAKEN_AT_ONCE.
        let mut show = |run: &str| {
            shown.push(run.as_bytes());
        };
        let mut lines = bytes.split(|byte| *byte == b'\n');
        cleaner.clean(lines.next().unwrap_or_default(), &mut show);
        for line in lines {
            cleaner.finish(&mut show);
            show("\n");
            cleaner.clean(line, &mut show);
        }
    }
}

impl<T: Terminal + ?Sized> Session<T> for Chat {
    fn receive(&mut self, _: Instant, rx: &[u8], terminal: &mut T) -> usize {
        let mut taken = 0_usize;
        if self.first != First::Known {
            taken = self.listen(rx);
            if self.first != First::Known {
                return taken;
            }
            let heard = self.heard.clone();
            self.line = heard.len();
            self.clean(&heard);
        }
        let rx = rx.get(taken..).unwrap_or_default();
        for piece in rx.chunks(TAKEN_AT_ONCE) {
            if !self.show(terminal) {
                return taken;
            }
            if self.is_too_long() {
                return taken;
            }
            self.line = match piece.iter().rposition(|byte| *byte == b'\n') {
                Some(end) => piece.len().saturating_sub(end.saturating_add(1)),
                None => self.line.saturating_add(piece.len()),
            };
            let room = self.heard.capacity().saturating_sub(self.heard.len());
            let kept = piece.get(..room).unwrap_or(piece);
            self.heard
                .extend_from_slice(kept)
                .or_bug("there is room for so much");
            self.clean(piece);
            taken = taken.saturating_add(piece.len());
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
            Typed::Bytes(typed) => filled.saturating_add(typed.min(room.len())),
            Typed::End => {
                self.typing_ended = true;
                filled
            }
        }
    }

    fn finished(&mut self, _: Instant, terminal: &mut T) {
        let is_mute = self.first == First::Label(0);
        if self.first != First::Known && !(is_mute && self.typing_ended) {
            self.first = First::Foreign;
        } else if self.begins_like_a_page() {
            self.first = First::Page;
        }
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

    fn wants(&self) -> Wants {
        if self.is_too_long() || self.first == First::Foreign {
            Wants::Abort
        } else if self.is_name_taken() || self.typing_ended && self.hello.is_empty() {
            Wants::Close
        } else {
            Wants::Nothing
        }
    }
}

#[cfg(test)]
mod tests;
