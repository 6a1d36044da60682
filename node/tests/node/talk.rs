//! A conversation that the stranger leads, segment by segment.

use r2_core::limits::STATUS_WAITS;
use r2_sim::simulation::{Simulation, plan};
use r2_sim::stranger::{FIRST, Heard, Said, over_ipv6};
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;

/// The window that the stranger shows where a test says nothing else.
pub(super) const OPEN: u16 = 8192;

/// How long the status page waits for a peer that says nothing.
pub(super) const UNTIL_THE_PAGE: Duration = Duration::from_millis(STATUS_WAITS.as_millis());

/// A stranger's connection.
pub(super) struct Talk {
    pub(super) lab: Simulation,
    /// Behind the last of R2's bytes that the stranger acknowledges.
    pub(super) ack: u32,
    /// What the stranger's windows count, as a power of two.
    pub(super) window: u16,
    said: Said<'static>,
    ipv6: bool,
}

/// What one segment of the stranger's is; the rest is as it should be.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    /// Counted from the stranger's SYN: its first byte is 1.
    pub(super) seq: u32,
    pub(super) payload: &'a [u8],
    pub(super) control: TcpControl,
}

/// Bytes at `seq`.
pub(super) fn bytes(seq: u32, payload: &[u8]) -> Piece<'_> {
    let control = TcpControl::Psh;
    Piece {
        seq,
        payload,
        control,
    }
}

/// Bytes at `seq`, and FIN behind them.
pub(super) fn last(seq: u32, payload: &[u8]) -> Piece<'_> {
    let control = TcpControl::Fin;
    Piece {
        seq,
        payload,
        control,
    }
}

/// An acknowledgement and nothing else, at `seq`.
pub(super) fn bare(seq: u32) -> Piece<'static> {
    let control = TcpControl::None;
    Piece {
        seq,
        payload: b"",
        control,
    }
}

impl Talk {
    /// Connected to `port`, over either IP.
    pub(super) fn with(port: u16, ipv6: bool) -> Self {
        Self::in_lab(Simulation::new(&plan(1)), port, ipv6, None)
    }

    /// Connected to `port` over IPv4.
    pub(super) fn to(port: u16) -> Self {
        Self::with(port, false)
    }

    /// Connected in that simulation, with windows that count units of 2^`shift` bytes.
    pub(super) fn in_lab(lab: Simulation, port: u16, ipv6: bool, shift: Option<u8>) -> Self {
        let said = Said {
            from: 1000,
            to: port,
            control: TcpControl::Syn,
            seq: 0,
            ack: None,
            payload: b"",
        };
        let (ack, window) = (0, OPEN >> shift.unwrap_or(0));
        let mut talk = Self {
            lab,
            ack,
            window,
            said,
            ipv6,
        };
        let syn = said.frame_with(|tcp| tcp.window_scale = shift);
        talk.lab.put(talk.over(syn));
        talk.ack = talk.heard().pop().expect("R2 answers SYN").end();
        talk
    }

    fn over(&self, frame: Vec<u8>) -> Vec<u8> {
        if self.ipv6 { over_ipv6(&frame) } else { frame }
    }

    /// The frame of a piece.
    pub(super) fn frame(&self, piece: Piece<'_>) -> Vec<u8> {
        let Piece {
            seq,
            payload,
            control,
        } = piece;
        let said = Said {
            seq,
            payload,
            control,
            ack: Some(self.ack),
            ..self.said
        };
        self.over(said.frame_with(|tcp| tcp.window_len = self.window))
    }

    /// The stranger says these before R2 can do anything, and hears what comes back at once.
    pub(super) fn says<const N: usize>(&mut self, pieces: [Piece<'_>; N]) -> Vec<Heard> {
        let frames = pieces.map(|piece| self.frame(piece));
        self.lab.put_at_once(frames);
        self.heard()
    }

    /// The stranger, who is connected to the status page, says nothing until it comes; its first segments.
    pub(super) fn waits_for_the_page(&mut self) -> Vec<Heard> {
        self.says([bare(1)]);
        self.lab.pass(UNTIL_THE_PAGE);
        self.heard()
    }

    /// What R2 has sent since this was asked last.
    pub(super) fn heard(&mut self) -> Vec<Heard> {
        self.lab.heard()
    }
}

/// The bytes that segments carry.
pub(super) fn carried(heard: &[Heard]) -> Vec<u8> {
    heard.iter().flat_map(|segment| segment.payload.clone()).collect()
}

/// The text that segments carry.
pub(super) fn text(heard: &[Heard]) -> String {
    String::from_utf8(carried(heard)).expect("text")
}

/// What of the stranger's the last of these acknowledges, counted from its SYN.
pub(super) fn acknowledged(heard: &[Heard]) -> Option<u32> {
    heard.last().map(|segment| segment.ack.wrapping_sub(FIRST))
}
