//! Echo (RFC 862): what comes goes back.

use crate::bytes;
use crate::limits::ECHO_BUFFER;
use crate::outbox::Outbox;
use crate::session::{Session, Wants};
use crate::time::Instant;

/// The echo session: sends every byte back, and closes when the last one behind the peer's FIN has left.
#[derive(Debug, Default)]
pub struct Echo {
    outbox: Outbox<ECHO_BUFFER>,
    finished: bool,
}

impl Echo {
    /// A session that has seen nothing.
    pub const fn new() -> Self {
        Self {
            outbox: Outbox::new(),
            finished: false,
        }
    }
}

impl<W: ?Sized> Session<W> for Echo {
    fn receive(&mut self, _: Instant, rx: &[u8], _: &mut W) -> usize {
        self.outbox.push(rx)
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], _: &mut W) -> usize {
        self.outbox.drain_into(tx)
    }

    fn finished(&mut self, _: Instant, _: &mut W) {
        self.finished = true;
    }

    fn wants(&self) -> Wants {
        Wants::close_if(self.finished && self.outbox.is_empty())
    }
}

/// Answers one UDP datagram with itself, also when it is empty. Returns the length of the answer in the front of
/// `out`; `None` when `out` is too small.
pub fn answer(datagram: &[u8], out: &mut [u8]) -> Option<usize> {
    (datagram.len() <= out.len()).then(|| bytes::copy(out, datagram))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_comes_back_whole_or_not_at_all() {
        let mut out = [0; 4];
        assert_eq!(answer(b"ping", &mut out), Some(4));
        assert_eq!(&out, b"ping");
        assert_eq!(answer(b"", &mut out), Some(0));
        assert_eq!(answer(b"pings", &mut out), None);
    }

    #[test]
    fn what_has_no_room_is_not_taken() {
        let mut echo = Echo::new();
        let now = Instant::default();
        let sent = [7; ECHO_BUFFER + 1];
        assert_eq!(echo.receive(now, &sent, &mut ()), ECHO_BUFFER);
        assert_eq!(echo.receive(now, &sent, &mut ()), 0);
        Session::<()>::finished(&mut echo, now, &mut ());
        assert_eq!(Session::<()>::wants(&echo), Wants::Nothing);
        assert_eq!(Session::<()>::poll_at(&echo), None);
        assert_eq!(echo.transmit(now, &mut [0; 4096], &mut ()), ECHO_BUFFER);
        assert_eq!(Session::<()>::wants(&echo), Wants::Close);
    }
}
