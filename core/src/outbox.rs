//! Bytes that a session has placed and its connection has not yet taken.

use core::fmt;

use heapless::{Vec, VecView};

use crate::bug::OrBug;
use crate::bytes;

/// Up to `N` bytes on their way out, in order.
///
/// A session writes a whole answer, then the driver's room decides how many calls it takes to leave.
#[derive(Debug, Default)]
pub struct Outbox<const N: usize> {
    sent: usize,
    len: usize,
    /// As long as the outbox ever was. A vector takes bytes one by one, a slice all at once: so it grows once, and is
    /// copied into from then on.
    bytes: Vec<u8, N>,
}

impl<const N: usize> Outbox<N> {
    /// An empty outbox.
    pub const fn new() -> Self {
        Self {
            sent: 0,
            len: 0,
            bytes: Vec::new(),
        }
    }

    /// Whether every byte has left.
    pub fn is_empty(&self) -> bool {
        self.sent == self.len
    }

    /// How many more bytes fit.
    pub fn room(&self) -> usize {
        let taken = if self.is_empty() { 0 } else { self.len };
        N.saturating_sub(taken)
    }

    /// Places the front of `bytes`, as much as fits, and returns how many that is; 0 when full.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        if self.is_empty() {
            self.clear();
        }
        let placed = append(&mut self.bytes, self.len, bytes);
        self.len = self.len.saturating_add(placed);
        placed
    }

    /// The bytes that have not left, the oldest first.
    pub fn waiting(&self) -> &[u8] {
        self.bytes
            .get(self.sent..self.len)
            .or_bug("no more is sent than there is")
    }

    /// The oldest `count` bytes, or as many as there are, have left.
    pub fn leave(&mut self, count: usize) {
        self.sent = self.len.min(self.sent.saturating_add(count));
    }

    /// Moves the oldest bytes into the front of `tx` and returns how many; 0 when empty or `tx` is.
    pub fn drain_into(&mut self, tx: &mut [u8]) -> usize {
        let taken = bytes::copy(tx, self.waiting());
        self.leave(taken);
        taken
    }

    /// Forgets what has not left.
    pub fn clear(&mut self) {
        (self.sent, self.len) = (0, 0);
    }
}

/// `write!` places the whole text or, when it does not fit, an unspecified front of it and an error: sessions
/// write only where a compile-time bound says that it fits.
impl<const N: usize> fmt::Write for Outbox<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.push(text.as_bytes()) == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// Puts the front of `bytes` behind the first `len` of `to`, as much as fits, and returns how many. The same code for
/// every size of outbox.
fn append(to: &mut VecView<u8>, len: usize, bytes: &[u8]) -> usize {
    let end = len.saturating_add(bytes.len()).min(to.capacity());
    if end > to.len() {
        to.resize_default(end).or_bug("it is no longer than its capacity");
    }
    bytes::copy(to.get_mut(len..).unwrap_or_default(), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;

    #[test]
    fn bytes_leave_in_order_whatever_the_room() {
        let mut outbox = Outbox::<8>::new();
        assert_eq!(outbox.push(b"abcdefghij"), 8);
        assert_eq!(outbox.room(), 0);
        let mut tx = [0; 3];
        assert_eq!(outbox.drain_into(&mut tx), 3);
        assert_eq!(&tx, b"abc");
        assert_eq!(outbox.push(b"x"), 0, "room comes back only when all has left");
        assert_eq!(outbox.drain_into(&mut [0; 16]), 5);
        assert!(outbox.is_empty());
        assert_eq!(outbox.push(b"x"), 1);
    }

    #[test]
    fn text_that_does_not_fit_is_an_error() {
        let mut outbox = Outbox::<4>::new();
        assert!(write!(outbox, "{}", 1234).is_ok());
        assert!(write!(outbox, "5").is_err());
    }
}
