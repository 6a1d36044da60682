//! Lines out of a stream of bytes, in bounded memory.

use heapless::Vec;

use crate::bug::OrBug;

/// Collects one line at a time, of at most `N` bytes without its ending (`\n` or `\r\n`; the `\r` counts while it
/// is not known to be part of the ending).
#[derive(Debug, Default)]
pub struct LineReader<const N: usize> {
    bytes: Vec<u8, N>,
    too_long: bool,
}

/// A line that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// All of it, without its ending.
    Whole(&'a [u8]),
    /// It was longer than the reader holds: only this front of it was kept.
    TooLong(&'a [u8]),
}

impl<const N: usize> LineReader<N> {
    /// A reader at the beginning of a line.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            too_long: false,
        }
    }

    /// Takes the front of `rx`, up to the end of the line at most. Returns how many bytes that was and whether
    /// the line is complete: then [`line`](Self::line) is it, until [`clear`](Self::clear) begins the next.
    pub fn take(&mut self, rx: &[u8]) -> (usize, bool) {
        let (text, ending) = match rx.iter().position(|&byte| byte == b'\n') {
            Some(at) => (rx.get(..at).or_bug("it was found in it"), 1),
            None => (rx, 0),
        };
        let (fits, rest) = text.split_at(text.len().min(N.saturating_sub(self.bytes.len())));
        self.bytes
            .extend_from_slice(fits)
            .or_bug("it is no longer than the room that is left");
        self.too_long |= !rest.is_empty();
        (text.len() + ending, ending > 0)
    }

    /// Whether nothing of a line has come yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What has come of the line.
    pub fn line(&self) -> Line<'_> {
        if self.too_long {
            return Line::TooLong(&self.bytes);
        }
        Line::Whole(self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes))
    }

    /// Begins the next line.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.too_long = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_endings_end_a_line_at_any_split() {
        for split in 1..=9 {
            let mut reader = LineReader::<8>::new();
            let mut lines = std::vec::Vec::new();
            for mut piece in b"one\ntwo\r\n\nfour".chunks(split) {
                while !piece.is_empty() {
                    let (taken, complete) = reader.take(piece);
                    assert_ne!(taken, 0, "it never ends");
                    piece = &piece[taken..];
                    if complete {
                        lines.push(std::format!("{:?}", reader.line()));
                        reader.clear();
                    }
                }
            }
            let whole = |text: &[u8]| std::format!("{:?}", Line::Whole(text));
            assert_eq!(lines, [whole(b"one"), whole(b"two"), whole(b"")]);
            assert_eq!(reader.line(), Line::Whole(b"four"));
        }
    }

    #[test]
    fn a_line_too_long_is_skipped_to_its_end() {
        let mut reader = LineReader::<4>::new();
        assert_eq!(reader.take(b"abcd"), (4, false));
        assert_eq!(reader.line(), Line::Whole(b"abcd"));
        assert_eq!(reader.take(b"efgh\nij"), (5, true));
        assert_eq!(reader.line(), Line::TooLong(b"abcd"));
        reader.clear();
        assert_eq!(reader.take(b"ij\n"), (3, true));
        assert_eq!(reader.line(), Line::Whole(b"ij"));
    }
}
