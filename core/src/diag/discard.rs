//! Discard (RFC 863): what comes is forgotten. A datagram gets no answer.

use crate::session::{Over, Session, Wants};
use crate::time::Instant;

/// The discard session: takes every byte, says nothing, closes at the peer's FIN.
#[derive(Debug, Default)]
pub struct Discard {
    finished: bool,
}

impl Discard {
    /// A session that has seen nothing.
    pub const fn new() -> Self {
        Self { finished: false }
    }
}

impl<W: ?Sized> Session<W> for Discard {
    fn receive(&mut self, _: Instant, rx: &[u8], _: &mut W) -> usize {
        rx.len()
    }

    fn transmit(&mut self, _: Instant, _: &mut [u8], _: &mut W) -> usize {
        0
    }

    fn finished(&mut self, _: Instant, _: &mut W) {
        self.finished = true;
    }

    fn over(&mut self, _: Instant, _: Over, _: &mut W) {}

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn wants(&self) -> Wants {
        if self.finished {
            Wants::Close
        } else {
            Wants::Nothing
        }
    }
}
