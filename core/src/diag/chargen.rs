//! Chargen (RFC 864): a rotating pattern, for ever.

use crate::limits::CHARGEN_DATAGRAM_MAX;
use crate::session::{Over, Session, Wants};
use crate::time::Instant;

/// How many characters ASCII can print, space among them.
const PRINTABLE: usize = 95;
/// How many of them stand in a line.
const LINE: usize = 72;

/// The printable characters in a ring, unrolled so that every line is one piece of it. The first line of RFC 864's
/// example begins with `!`.
const RING: [u8; PRINTABLE + LINE] = ring();

const fn ring() -> [u8; PRINTABLE + LINE] {
    let mut ring = [0; PRINTABLE + LINE];
    let mut byte = b'!';
    let mut rest: &mut [u8] = &mut ring;
    while let Some((first, behind)) = rest.split_first_mut() {
        *first = byte;
        byte = if byte == b'~' { b' ' } else { byte + 1 };
        rest = behind;
    }
    ring
}

/// The chargen session: lines of 72 characters and CRLF, as fast as there is room. It ignores what the peer sends,
/// and its FIN.
#[derive(Debug, Default)]
pub struct Chargen {
    /// Where in the ring the line under way begins.
    line: usize,
    /// How much of that line and its ending has left.
    column: usize,
}

impl Chargen {
    /// A session that begins with the first line.
    pub const fn new() -> Self {
        Self { line: 0, column: 0 }
    }

    /// Fills `tx` with what comes next of the pattern.
    fn fill(&mut self, mut tx: &mut [u8]) {
        while !tx.is_empty() {
            let characters = RING
                .get(self.line..self.line.saturating_add(LINE))
                .unwrap_or_default();
            let waiting = characters.get(self.column..).unwrap_or_default();
            let ending = b"\r\n"
                .get(self.column.saturating_sub(LINE)..)
                .unwrap_or_default();
            for piece in [waiting, ending] {
                let length = piece.len().min(tx.len());
                let (front, behind) = tx.split_at_mut_checked(length).unwrap_or_default();
                for (to, from) in front.iter_mut().zip(piece) {
                    *to = *from;
                }
                self.column = self.column.saturating_add(length);
                tx = behind;
            }
            if self.column == LINE + 2 {
                self.column = 0;
                self.line = if self.line < PRINTABLE - 1 {
                    self.line + 1
                } else {
                    0
                };
            }
        }
    }
}

impl<W: ?Sized> Session<W> for Chargen {
    fn receive(&mut self, _: Instant, rx: &[u8], _: &mut W) -> usize {
        rx.len()
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], _: &mut W) -> usize {
        self.fill(tx);
        tx.len()
    }

    fn finished(&mut self, _: Instant, _: &mut W) {}

    fn over(&mut self, _: Instant, _: Over, _: &mut W) {}

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn wants(&self) -> Wants {
        Wants::Nothing
    }
}

/// Answers any UDP datagram with one of the pattern: [`CHARGEN_DATAGRAM_MAX`] bytes, or as many as `out` has.
/// Returns how many.
pub fn answer(out: &mut [u8]) -> usize {
    let length = out.len().min(CHARGEN_DATAGRAM_MAX);
    Chargen::new().fill(out.get_mut(..length).unwrap_or_default());
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(out: &mut [u8]) {
        let mut chargen = Chargen::new();
        assert_eq!(chargen.transmit(Instant::default(), out, &mut ()), out.len());
    }

    #[test]
    fn the_pattern_is_that_of_the_rfc() {
        let mut out = [0; 148];
        pattern(&mut out);
        let text = core::str::from_utf8(&out).unwrap();
        assert_eq!(
            text,
            "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh\r\n\
             \"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghi\r\n"
        );
    }

    #[test]
    fn the_pattern_comes_round_after_95_lines() {
        let mut out = [0; 74 * 97];
        pattern(&mut out);
        let mut lines = out.chunks(74);
        let first = lines.next();
        assert_eq!(lines.nth(93).map(|line| &line[..2]), Some(&b" !"[..]));
        assert_eq!(lines.next(), first);
    }

    #[test]
    fn the_pattern_goes_on_whatever_the_room() {
        let mut whole = [0; 74 * 96];
        pattern(&mut whole);
        for size in 1..200 {
            let (mut chargen, mut out) = (Chargen::new(), [0; 74 * 96]);
            for room in out.chunks_mut(size) {
                chargen.transmit(Instant::default(), room, &mut ());
            }
            assert_eq!(out, whole, "room of {size}");
        }
    }

    #[test]
    fn a_datagram_has_at_most_512_bytes() {
        assert_eq!(answer(&mut [0; 1000]), CHARGEN_DATAGRAM_MAX);
        assert_eq!(answer(&mut [0; 100]), 100);
    }
}
