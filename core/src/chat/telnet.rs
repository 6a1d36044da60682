//! Lines of a terminal: what telnet (RFC 854) puts between them is taken out.

use crate::limits::TELNET_SUBNEGOTIATION_MAX;

const IAC: u8 = 255;
const SB: u8 = 250;
const SE: u8 = 240;
/// End of file, the lowest command (RFC 1184): a byte below it behind IAC is none.
const LOWEST_COMMAND: u8 = 236;

/// How far the bytes of a terminal have come. UTF-8 never has the byte with which telnet's commands begin.
#[derive(Clone, Copy, Default)]
pub(super) struct Telnet {
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// A CR has ended a line: an LF directly behind it belongs to it.
    Return,
    /// IAC has come.
    Command,
    /// IAC and WILL, WONT, DO or DONT: the option follows.
    Option,
    /// IAC SB: so many bytes of a subnegotiation have come (RFC 855).
    Subnegotiation(usize),
    /// The same, and IAC.
    SubnegotiationCommand(usize),
}

/// What stands at the front of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'b> {
    /// Text of the line.
    Text(&'b [u8]),
    /// The end of the line: LF, CR LF, or a CR alone.
    LineEnd,
    /// Nothing of the line.
    Nothing,
}

impl Telnet {
    pub(super) const fn new() -> Self {
        Self { state: State::Text }
    }

    /// Takes the first piece off `rest`, at least one byte of it or of what was held; `rest` must not be empty.
    pub(super) fn take<'b>(&mut self, rest: &mut &'b [u8]) -> Piece<'b> {
        let bytes = *rest;
        let Some((first, behind)) = bytes.split_first() else {
            return Piece::Nothing;
        };
        let (state, piece, behind) = match (self.state, *first) {
            // The LF of a CR LF, and the last byte of a command.
            (State::Return, b'\n')
            | (State::Command, LOWEST_COMMAND..=249)
            | (State::Option, _)
            | (State::SubnegotiationCommand(_), SE) => (State::Text, Piece::Nothing, behind),
            (State::Text, b'\n') => (State::Text, Piece::LineEnd, behind),
            (State::Text | State::Return, b'\r') => (State::Return, Piece::LineEnd, behind),
            (State::Text | State::Return, IAC) => (State::Command, Piece::Nothing, behind),
            (State::Text | State::Return, _) => {
                let is_text = |byte: &u8| !matches!(*byte, b'\n' | b'\r' | IAC);
                let length = bytes.iter().take_while(|byte| is_text(byte)).count();
                let (text, behind) = bytes.split_at_checked(length).unwrap_or_default();
                (State::Text, Piece::Text(text), behind)
            }
            (State::Command, IAC) => (State::Text, Piece::Text(&[IAC]), behind),
            (State::Command, SB) => (State::Subnegotiation(0), Piece::Nothing, behind),
            (State::Command, 251..=254) => (State::Option, Piece::Nothing, behind),
            // No telnet: an invalid byte, and text.
            (State::Command, _) => (State::Text, Piece::Text(&[IAC]), bytes),
            (State::Subnegotiation(TELNET_SUBNEGOTIATION_MAX), _) => (State::Text, Piece::Nothing, bytes),
            (State::Subnegotiation(length), IAC) => {
                (State::SubnegotiationCommand(length), Piece::Nothing, behind)
            }
            (State::Subnegotiation(length), _) | (State::SubnegotiationCommand(length), IAC) => (
                State::Subnegotiation(length.saturating_add(1)),
                Piece::Nothing,
                behind,
            ),
            // A subnegotiation without its end.
            (State::SubnegotiationCommand(_), _) => (State::Command, Piece::Nothing, bytes),
        };
        (self.state, *rest) = (state, behind);
        piece
    }

    /// The bytes have ended: what is held of them is text.
    pub(super) fn finish(&mut self) -> &'static [u8] {
        match core::mem::take(&mut self.state) {
            State::Command => &[IAC],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// The lines of `said`, which must be the same in pieces of any size; the last one is what has no end.
    fn lines(said: &[u8]) -> Vec<Vec<u8>> {
        let at = |size: usize| {
            let (mut telnet, mut lines) = (Telnet::new(), std::vec![Vec::new()]);
            for mut piece in said.chunks(size) {
                let mut steps = 0;
                while !piece.is_empty() {
                    match telnet.take(&mut piece) {
                        Piece::Text(text) => lines.last_mut().unwrap().extend_from_slice(text),
                        Piece::LineEnd => lines.push(Vec::new()),
                        Piece::Nothing => {}
                    }
                    steps += 1;
                    assert!(steps < 10_000, "it never ends");
                }
            }
            lines.last_mut().unwrap().extend_from_slice(telnet.finish());
            lines
        };
        let whole = at(said.len().max(1));
        for size in 1..said.len().min(30) {
            assert_eq!(at(size), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn every_ending_ends_a_line_once() {
        assert_eq!(
            lines(b"one\ntwo\r\nthree\rfour"),
            [&b"one"[..], b"two", b"three", b"four"]
        );
        assert_eq!(lines(b"\r\r\n\n\r"), [b"", b"", b"", b"", b""]);
        // What a terminal of telnet sends for CR alone (RFC 854): its NUL is a control character like others.
        assert_eq!(lines(b"one\r\0two"), [&b"one"[..], b"\0two"]);
        assert_eq!(lines(b"one\r\xFF\xF1\ntwo"), [&b"one"[..], b"", b"two"]);
    }

    #[test]
    fn commands_of_telnet_are_skipped() {
        // What Linux's telnet says first: DO SUPPRESS-GO-AHEAD, WILL TERMINAL-TYPE, NAWS, …
        assert_eq!(
            lines(b"\xFF\xFD\x03\xFF\xFB\x18\xFF\xFB\x1Fhi\r\n"),
            [&b"hi"[..], b""]
        );
        // A window of 10 rows and 255 columns: bytes that look like LF and IAC.
        assert_eq!(lines(b"a\xFF\xFA\x1F\0\xFF\xFF\0\x0A\xFF\xF0b"), [b"ab"]);
        assert_eq!(lines(b"a\xFF\xF1b\xFF\xF9c\xFF\xECd\xFF\xFE\nx"), [b"abcdx"]);
        assert_eq!(lines(b"a\xFF\xFFb"), [b"a\xFFb"]);
    }

    #[test]
    fn what_is_no_telnet_is_text() {
        assert_eq!(lines(b"a\xFFb\xFF\nc\xFF"), [&b"a\xFFb\xFF"[..], b"c\xFF"]);
        assert_eq!(lines(b"\xFF\xFA\x01a\xFF\xFB\x01b\n"), [&b"b"[..], b""]);
        let endless = [&b"\xFF\xFA"[..], &[b'x'; TELNET_SUBNEGOTIATION_MAX], b"hi\n"].concat();
        assert_eq!(lines(&endless), [&b"hi"[..], b""]);
    }
}
