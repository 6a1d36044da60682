//! A terminal on somebody's chat.

use crate::limits::{CLIENT_LINE_MAX, CLIENT_SHOW_MAX, LABEL_MAX, NICK_MAX};
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
    /// Bytes of the line that comes.
    line: usize,
    first: First,
    /// What has come while it was not known who answers.
    heard: Vec<u8, HEARD_MAX>,
}

/// What is kept of somebody who is no R2, to be shown to the user.
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
            let heard = core::mem::take(&mut self.heard);
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
        } else if self.typing_ended && self.hello.is_empty() {
            Wants::Close
        } else {
            Wants::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    /// The front of a line of R2's.
    const R2: &[u8] = b"R2: ";

    const NOW: Instant = Instant::from_millis(0);

    #[derive(Default)]
    struct Screen {
        keys: Vec<u8>,
        keys_end: bool,
        shown: Vec<u8>,
        /// How many bytes it takes before it is slow.
        takes: usize,
    }

    impl Terminal for Screen {
        fn typed(&mut self, into: &mut [u8]) -> Typed {
            if self.keys.is_empty() && self.keys_end {
                return Typed::End;
            }
            let count = self.keys.len().min(into.len());
            for (to, from) in into.iter_mut().zip(self.keys.drain(..count)) {
                *to = from;
            }
            Typed::Bytes(count)
        }

        fn show(&mut self, text: &[u8]) -> usize {
            let count = text.len().min(self.takes);
            self.takes -= count;
            self.shown.extend_from_slice(&text[..count]);
            count
        }
    }

    fn sent(chat: &mut Chat, screen: &mut Screen) -> String {
        let mut sent = Vec::new();
        let mut tx = [0; 5];
        loop {
            let filled = chat.transmit(NOW, &mut tx, screen);
            if filled == 0 {
                return String::from_utf8(sent).unwrap();
            }
            sent.extend_from_slice(&tx[..filled]);
            assert!(sent.len() < 1000, "it never ends");
        }
    }

    #[test]
    fn the_name_goes_first_then_what_is_typed_then_fin_and_it_still_shows() {
        let mut chat = Chat::new(Some("Bob")).unwrap();
        let mut screen = Screen {
            keys: b"hello\n".to_vec(),
            takes: 100,
            ..Screen::default()
        };
        assert_eq!(sent(&mut chat, &mut screen), "/nick Bob\nhello\n");
        assert_eq!(Session::<Screen>::wants(&chat), Wants::Nothing);
        screen.keys_end = true;
        assert_eq!(sent(&mut chat, &mut screen), "");
        assert_eq!(Session::<Screen>::wants(&chat), Wants::Close);
        chat.receive(NOW, b"R2: bye\r\n", &mut screen);
        assert_eq!(screen.shown, b"R2: bye\n");
        assert_eq!(Session::<Screen>::poll_at(&chat), None);
    }

    #[test]
    fn a_server_does_not_drive_the_terminal() {
        let mut chat = Chat::new(None).unwrap();
        let mut screen = Screen {
            takes: 100,
            ..Screen::default()
        };
        for piece in [
            &b"R2: \x1B]0;x\x07a\xF0\x9F"[..],
            b"\x98\x80\xE2\x80\xAE\n\xC3\nb\xC3",
        ] {
            assert_eq!(chat.receive(NOW, piece, &mut screen), piece.len());
        }
        chat.finished(NOW, &mut screen);
        let shown = String::from_utf8(screen.shown).unwrap();
        assert_eq!(shown, "R2: ]0;xa😀\n\u{FFFD}\nb\u{FFFD}");
    }

    #[test]
    fn a_slow_terminal_closes_the_window_and_loses_nothing() {
        let mut chat = Chat::new(None).unwrap();
        let mut screen = Screen {
            takes: R2.len(),
            ..Screen::default()
        };
        chat.receive(NOW, R2, &mut screen);
        screen = Screen::default();
        // The worst that cleaning makes longer.
        let sent = [0xFF; 5000];
        let mut rest = &sent[..];
        for _ in 0..1000 {
            let taken = chat.receive(NOW, rest, &mut screen);
            assert!(taken < TAKEN_AT_ONCE + 1, "took more than it can hold");
            assert!(!chat.is_shown(), "the terminal took nothing");
            rest = &rest[taken..];
            screen.takes = 97;
            chat.transmit(NOW, &mut [], &mut screen);
            screen.takes = 0;
            if rest.is_empty() {
                break;
            }
        }
        assert!(rest.is_empty(), "it never ends");
        screen.takes = usize::MAX;
        chat.over(NOW, Over::Delivered, &mut screen);
        assert!(chat.is_shown());
        assert_eq!(String::from_utf8(screen.shown).unwrap(), "\u{FFFD}".repeat(5000));
    }

    #[test]
    fn a_line_without_an_end_ends_the_chat_and_many_lines_do_not() {
        let mut screen = Screen {
            takes: usize::MAX,
            ..Screen::default()
        };
        for (piece, ends) in [(&b"\0\0\0\0"[..], true), (b"xxx\xF0", true), (b"xx\nx", false)] {
            let mut chat = Chat::new(None).unwrap();
            assert_eq!(chat.receive(NOW, R2, &mut screen), 4);
            for _ in 1..CLIENT_LINE_MAX / 4 {
                assert_eq!(chat.receive(NOW, piece, &mut screen), 4);
            }
            assert!(!chat.is_too_long(), "it just fits");
            chat.receive(NOW, piece, &mut screen);
            assert_eq!(chat.is_too_long(), ends, "{piece:?}");
            assert_eq!(Session::<Screen>::wants(&chat) == Wants::Abort, ends);
        }
    }

    #[test]
    fn who_begins_with_no_line_of_r2_s_is_a_stranger() {
        let heard = |said: &[u8], piece: usize, closes: bool, keys_end: bool| {
            let mut chat = Chat::new(None).unwrap();
            let mut screen = Screen {
                takes: usize::MAX,
                keys_end,
                ..Screen::default()
            };
            sent(&mut chat, &mut screen);
            for piece in said.chunks(piece) {
                chat.receive(NOW, piece, &mut screen);
            }
            if closes {
                chat.finished(NOW, &mut screen);
            }
            let stranger = chat.stranger().map(<[u8]>::to_vec);
            assert_eq!(
                stranger.is_some(),
                Session::<Screen>::wants(&chat) == Wants::Abort
            );
            assert!(
                stranger.is_none() || screen.shown.is_empty(),
                "nothing of it is shown"
            );
            (stranger, screen.shown)
        };
        for said in [
            &b"* KALI-2 joined\n"[..],
            b"R2: \n",
            b"abcdefghijklmnop-65535: x\n",
            b"_-: SSH-2.0",
        ] {
            for piece in [1, 2, 99] {
                assert_eq!(heard(said, piece, false, false), (None, said.to_vec()));
            }
        }
        for said in [
            &b"SSH-2.0-OpenSSH_9.2\r"[..],
            b"ERROR bad-request",
            b"*x",
            b":x",
            b"R2:x",
            b"abcdefghijklmnop-655350: x",
            b"\0",
            b"\xFF",
            b"hi",
        ] {
            for ends in [false, true] {
                let lines = [said, b"\nmore\n"].concat();
                assert_eq!(
                    heard(&lines, 99, false, ends).0.as_deref(),
                    Some(said),
                    "{said:?}"
                );
            }
            // Whatever it was to become.
            assert!(heard(said, 1, true, false).0.is_some(), "{said:?}");
        }
        assert_eq!(heard(b"", 1, true, false).0.as_deref(), Some(&b""[..]));
        assert_eq!(heard(b"", 1, true, true).0, None, "it had nothing to say");
        assert_eq!(heard(&[b'.'; 999], 999, false, true).0.unwrap().len(), HEARD_MAX);
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        assert!(Chat::new(Some("a\nb")).is_none());
        assert!(Chat::new(Some("abcdefghijklmnopq")).is_none());
        let mut longest = Chat::new(Some("abcdefghijklmnop")).unwrap();
        assert_eq!(
            sent(&mut longest, &mut Screen::default()),
            "/nick abcdefghijklmnop\n"
        );
    }
}
