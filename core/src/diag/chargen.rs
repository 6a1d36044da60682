//! Chargen (RFC 864): a rotating pattern, for ever.

use crate::bug::OrBug;
use crate::limits::CHARGEN_DATAGRAM_MAX;
use crate::session::{Session, Wants};
use crate::time::Instant;

/// How many characters ASCII can print, space among them.
const PRINTABLE: usize = 95;
/// How many of them stand in a line.
const LINE: usize = 72;
/// A line and its CRLF.
const WHOLE_LINE: usize = LINE + 2;
/// After so many bytes the pattern comes round.
const PERIOD: usize = PRINTABLE * WHOLE_LINE;

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
    /// How much of the pattern has left since it came round.
    position: usize,
}

impl Chargen {
    /// A session that begins with the first line.
    pub const fn new() -> Self {
        Self { position: 0 }
    }

    /// Fills `tx` with what comes next of the pattern.
    fn fill(&mut self, tx: &mut [u8]) {
        let (once, behind) = tx
            .split_at_mut_checked(tx.len().min(PERIOD))
            .or_bug("a front of it");
        self.fill_lines(once);
        // Copying the pattern costs a tenth of making it.
        for again in behind.chunks_mut(PERIOD) {
            copy(again, once);
        }
        self.advance(behind.len() % PERIOD);
    }

    fn fill_lines(&mut self, mut tx: &mut [u8]) {
        while !tx.is_empty() {
            let (line, column) = (self.position / WHOLE_LINE, self.position % WHOLE_LINE);
            let characters = RING.get(line..line.saturating_add(LINE)).unwrap_or_default();
            let waiting = characters.get(column..).unwrap_or_default();
            let ending = b"\r\n".get(column.saturating_sub(LINE)..).unwrap_or_default();
            for piece in [waiting, ending] {
                let length = piece.len().min(tx.len());
                let (front, behind) = tx
                    .split_at_mut_checked(length)
                    .or_bug("no more than there is room");
                copy(front, piece);
                self.advance(length);
                tx = behind;
            }
        }
    }

    /// Goes on by less than a period.
    const fn advance(&mut self, length: usize) {
        self.position = self.position.saturating_add(length) % PERIOD;
    }
}

/// Copies as much as both have.
fn copy(to: &mut [u8], from: &[u8]) {
    let length = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..length), from.get(..length)) {
        to.copy_from_slice(from);
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
    fn what_the_peer_says_is_ignored_and_so_is_its_fin() {
        let (mut chargen, now) = (Chargen::new(), Instant::default());
        assert_eq!(chargen.receive(now, b"hello", &mut ()), 5);
        Session::<()>::finished(&mut chargen, now, &mut ());
        assert_eq!(Session::<()>::wants(&chargen), Wants::Nothing);
        assert_eq!(Session::<()>::poll_at(&chargen), None);
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
        const WHOLE: usize = 74 * 95 * 4;
        let mut whole = std::vec![0; WHOLE];
        pattern(&mut whole);
        for size in (1..200).chain([7029, 7030, 7031, 14_000]) {
            let (mut chargen, mut out) = (Chargen::new(), std::vec![0; WHOLE]);
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
