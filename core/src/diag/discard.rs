//! Discard (RFC 863): what comes is forgotten. A datagram gets no answer.

use crate::session::{Session, Wants};
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

    fn wants(&self) -> Wants {
        Wants::close_if(self.finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_taken_and_nothing_is_said() {
        let (mut discard, now) = (Discard::new(), Instant::default());
        assert_eq!(discard.receive(now, &[7; 5000], &mut ()), 5000);
        assert_eq!(discard.transmit(now, &mut [0; 9], &mut ()), 0);
        assert_eq!(Session::<()>::poll_at(&discard), None);
        assert_eq!(Session::<()>::wants(&discard), Wants::Nothing);
        Session::<()>::finished(&mut discard, now, &mut ());
        assert_eq!(Session::<()>::wants(&discard), Wants::Close);
    }
}
