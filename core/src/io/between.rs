//! Bytes between a session and a connection.

use crate::bug::OrBug;

/// Up to `N` bytes that one of the two has handed over and the other has not taken yet.
pub(super) struct Between<const N: usize> {
    bytes: [u8; N],
    start: usize,
    end: usize,
}

impl<const N: usize> Between<N> {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; N],
            start: 0,
            end: 0,
        }
    }

    /// The bytes that were not taken, the oldest first.
    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes
            .get(self.start..self.end)
            .or_bug("it begins before its end")
    }

    /// The oldest `count` bytes were taken.
    pub(super) fn leave(&mut self, count: usize) {
        self.start = self.end.min(self.start.saturating_add(count));
    }

    /// Where more bytes go; empty when there is no room before those that wait are taken.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        self.bytes.get_mut(self.end..).or_bug("it ends in the array")
    }

    /// The front of the [`room`](Self::room), `count` bytes, was filled.
    pub(super) fn fill(&mut self, count: usize) {
        self.end = N.min(self.end.saturating_add(count));
    }
}
