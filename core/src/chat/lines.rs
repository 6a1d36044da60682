//! The last lines of the room, in one ring of bytes.

use crate::bug::OrBug;
use crate::bytes;
use crate::limits::CHAT_OUT_MAX;

/// The bytes in front of each line: its length, as a little-endian u16.
const HEADER: usize = 2;

const _: () = assert!(CHAT_OUT_MAX <= u16::MAX as usize);

/// A place between two lines, counted since the room began, so that it stays true when the ring moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    byte: u64,
    /// How many lines stand before it.
    pub(super) line: u64,
}

impl Place {
    /// Before the first line.
    pub(super) const START: Self = Self { byte: 0, line: 0 };

    fn after(self, length: usize) -> Self {
        Self {
            byte: self
                .byte
                .saturating_add(HEADER as u64)
                .saturating_add(length as u64),
            line: self.line.saturating_add(1),
        }
    }
}

/// The length of the line that `parts` are together.
pub(super) fn length_of(parts: &[&str]) -> usize {
    parts
        .iter()
        .fold(0, |length, part| length.saturating_add(part.len()))
}

/// What a reader at some place finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// The line at that place, in two pieces because the ring may wrap inside it, and the place behind it.
    Line([&'a [u8]; 2], Place),
    /// So many lines from that place on are gone; reading goes on at this place.
    Gone(u64, Place),
    /// The place is the end.
    End,
}

/// The last lines, ready to send with their endings.
pub(super) struct Lines<'a> {
    ring: &'a mut [u8],
    oldest: Place,
    end: Place,
}

impl<'a> Lines<'a> {
    /// No lines, in a `ring` of at least [`CHAT_RING_MIN`](crate::limits::CHAT_RING_MIN) bytes.
    pub(super) fn new(ring: &'a mut [u8]) -> Self {
        Self {
            ring,
            oldest: Place::START,
            end: Place::START,
        }
    }

    /// The place behind the last line.
    pub(super) fn end(&self) -> Place {
        self.end
    }

    /// Adds the line that `parts` are together, at most [`CHAT_OUT_MAX`] bytes, in place of the oldest ones.
    pub(super) fn push(&mut self, parts: &[&str]) {
        let length = length_of(parts);
        debug_assert!(length <= CHAT_OUT_MAX, "a line of the room has a bound");
        let end = self.end.after(length);
        while end.byte.saturating_sub(self.oldest.byte) > self.ring.len() as u64 && self.oldest != self.end {
            self.oldest = self.oldest.after(self.length_at(self.oldest));
        }
        let header = u16::try_from(length)
            .or_bug("a line has at most CHAT_OUT_MAX bytes")
            .to_le_bytes();
        let mut at = self.end.byte;
        for part in core::iter::once(&header[..]).chain(parts.iter().map(|part| part.as_bytes())) {
            self.write(at, part);
            at = at.saturating_add(part.len() as u64);
        }
        self.end = end;
    }

    /// What stands at `place`, for a reader that stops at `end`.
    pub(super) fn at(&self, place: Place, end: Place) -> Found<'_> {
        if place.line >= end.line {
            return Found::End;
        }
        if place.line < self.oldest.line {
            let resume = if end.line < self.oldest.line {
                end
            } else {
                self.oldest
            };
            return Found::Gone(resume.line.saturating_sub(place.line), resume);
        }
        let length = self.length_at(place);
        Found::Line(
            self.read(place.byte.saturating_add(HEADER as u64), length),
            place.after(length),
        )
    }

    fn length_at(&self, place: Place) -> usize {
        let mut header = [0; HEADER];
        let [first, second] = self.read(place.byte, HEADER);
        let copied = bytes::copy(&mut header, first);
        bytes::copy(
            header
                .get_mut(copied..)
                .or_bug("no more is copied than there is room"),
            second,
        );
        u16::from_le_bytes(header).into()
    }

    fn offset(&self, at: u64) -> usize {
        let length = self.ring.len() as u64;
        at.checked_rem(length)
            .and_then(|offset| usize::try_from(offset).ok())
            .unwrap_or_default()
    }

    fn read(&self, at: u64, length: usize) -> [&[u8]; 2] {
        let (front, back) = self
            .ring
            .split_at_checked(self.offset(at))
            .or_bug("an offset is in the ring");
        let first = back.get(..length).unwrap_or(back);
        let second = front
            .get(..length.saturating_sub(first.len()))
            .unwrap_or_default();
        [first, second]
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        let offset = self.offset(at);
        let (front, back) = self
            .ring
            .split_at_mut_checked(offset)
            .or_bug("an offset is in the ring");
        let copied = bytes::copy(back, bytes);
        bytes::copy(
            front,
            bytes.get(copied..).or_bug("no more is copied than there is"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CHAT_RING_MIN;
    use std::format;
    use std::string::String;

    fn text(found: &Found<'_>) -> String {
        match found {
            Found::Line(pieces, _) => String::from_utf8(pieces.concat()).unwrap(),
            Found::Gone(lines, _) => format!("-{lines}"),
            Found::End => String::from("end"),
        }
    }

    #[test]
    fn a_reader_that_keeps_up_sees_every_line_however_the_ring_wraps() {
        let mut ring = [0; 23];
        let mut lines = Lines::new(&mut ring);
        let mut place = lines.end();
        for number in 0..1000 {
            let line = format!("line {number}");
            lines.push(&[&line, "\n"]);
            let Found::Line(pieces, next) = lines.at(place, lines.end()) else {
                panic!("line {number} is missing");
            };
            assert_eq!(pieces.concat(), format!("{line}\n").into_bytes());
            place = next;
            assert_eq!(lines.at(place, lines.end()), Found::End);
        }
    }

    #[test]
    fn a_reader_that_lags_learns_how_many_lines_it_missed() {
        let mut ring = [0; 12];
        let mut lines = Lines::new(&mut ring);
        let start = lines.end();
        for line in ["aa", "bb", "cc", "dd", "ee"] {
            lines.push(&[line]);
        }
        let Found::Gone(2, resume) = lines.at(start, lines.end()) else {
            panic!("two of five lines are gone");
        };
        assert_eq!(text(&lines.at(resume, lines.end())), "cc");
    }

    #[test]
    fn the_smallest_ring_holds_four_of_the_longest_lines() {
        let mut ring = [0; CHAT_RING_MIN];
        let mut lines = Lines::new(&mut ring);
        let start = lines.end();
        let longest = "x".repeat(CHAT_OUT_MAX);
        for _ in 0..4 {
            lines.push(&[&longest]);
        }
        assert_eq!(text(&lines.at(start, lines.end())), longest);
        lines.push(&[&longest]);
        assert_eq!(text(&lines.at(start, lines.end())), "-1");
    }

    #[test]
    fn lines_behind_the_readers_end_are_not_missed() {
        let mut ring = [0; 8];
        let mut lines = Lines::new(&mut ring);
        let start = lines.end();
        lines.push(&["aa"]);
        let end = lines.end();
        for line in ["bb", "cc", "dd"] {
            lines.push(&[line]);
        }
        assert_eq!(lines.at(start, end), Found::Gone(1, end));
        assert_eq!(lines.at(end, end), Found::End);
    }
}
