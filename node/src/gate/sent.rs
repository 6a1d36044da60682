//! What a connection has sent, and into which window, as far as the gate must know.

use smoltcp::wire::{TcpOption, TcpPacket};

use super::Segment;

/// What the gate noted of the segments that the slot sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// The highest sequence number sent, and one.
    pub(crate) next: u32,
    /// The last acknowledgement.
    pub(crate) ack: u32,
    /// The first sequence number that smoltcp would cut off.
    right_edge: u32,
    /// FIN was sent: `next` lies behind it.
    fin: bool,
    shift: u8,
    /// The last window came with SYN: smoltcp remembers it scaled though it was not (RFC 7323, section 2.2).
    unscaled: bool,
    /// The highest acknowledgement of the peer's.
    acked: u32,
    /// The peer's window, in units of its own, and the sequence number of the segment that showed it (SND.WL1 of
    /// RFC 9293, section 3.3.1).
    window: u16,
    window_seq: u32,
}

impl Sent {
    pub(crate) fn new(peer_next: u32) -> Self {
        Self {
            ack: peer_next,
            right_edge: peer_next,
            ..Self::default()
        }
    }

    /// The peer has answered our SYN: what it says is expected behind its own.
    pub(crate) fn answered(&mut self, segment: &Segment<'_>) {
        self.ack = segment.end();
        self.right_edge = segment.end();
    }

    /// Hears the window of a segment. If it is an older one than was heard: that, which smoltcp is to see in the segment.
    ///
    /// smoltcp takes the window of every segment that it accepts; one that was overtaken on its way would close it, and
    /// nothing opens it again. A window holds if its segment acknowledges more than any before, or as much and stands
    /// behind them (RFC 9293, section 3.10.7.4). One that does neither may be bytes repeated: a window that grew holds,
    /// since no honest peer takes back what it has shown.
    pub(crate) fn hear(&mut self, segment: &Segment<'_>) -> Option<u16> {
        let ack = segment.ack?;
        let repeats = ack == self.acked;
        // smoltcp takes no window from these.
        let is_known = repeats || (is_after(ack, self.acked) && !is_after(ack, self.next));
        if !is_known || is_after(segment.seq, self.right_edge) {
            return None;
        }
        if repeats && segment.window < self.window && !is_after(segment.seq, self.window_seq) {
            return Some(self.window);
        }
        (self.acked, self.window, self.window_seq) = (ack, segment.window, segment.seq);
        None
    }

    /// Whether `queued` bytes that are not acknowledged have left, or may leave: the peer's window is at least that large.
    pub(crate) fn has_room_for(&self, queued: usize) -> bool {
        queued <= usize::from(self.window) || queued <= self.next.wrapping_sub(self.acked) as usize
    }

    /// Whether a segment acknowledges all that there was to be sent, FIN included.
    pub(crate) fn is_acknowledged_by(&self, segment: &Segment<'_>) -> bool {
        self.fin && segment.ack == Some(self.next)
    }

    /// Whether a segment acknowledges what was never sent. smoltcp believes that of what waits in its buffer, and of a FIN
    /// that stands behind.
    pub(crate) fn is_yet_to_reach(&self, segment: &Segment<'_>) -> bool {
        segment.ack.is_some_and(|ack| is_after(ack, self.next))
    }

    /// Whether the peer's window is closed, so that one byte is a probe.
    pub(crate) fn window_is_closed(&self) -> bool {
        self.window == 0
    }

    /// Notes a segment on its way out.
    ///
    /// Keep-alives and window probes carry a window that smoltcp does not remember; they are one byte that was
    /// sent before, or one byte into a closed window.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a segment is shorter than 2^32 bytes"
    )]
    pub(crate) fn note(&mut self, tcp: &TcpPacket<&[u8]>) {
        let seq = tcp.seq_number().0.cast_unsigned();
        let end = seq.wrapping_add(tcp.segment_len() as u32);
        if tcp.syn() {
            self.shift = window_scale(tcp.options()).unwrap_or(0);
            (self.next, self.acked) = (end, seq);
        }
        let fresh = is_after(end, self.next);
        let one_byte = tcp.segment_len() == 1 && !tcp.syn() && !tcp.fin();
        if !one_byte || (fresh && !self.window_is_closed()) {
            self.ack = tcp.ack_number().0.cast_unsigned();
            let shift = if tcp.syn() { 0 } else { self.shift };
            self.right_edge = self
                .ack
                .wrapping_add(u32::from(tcp.window_len()).wrapping_shl(shift.into()));
            self.unscaled = tcp.syn();
        }
        self.fin |= tcp.fin();
        if fresh {
            self.next = end;
        }
    }

    /// The window that the peer is shown for one of smoltcp's.
    ///
    /// smoltcp rounds windows down to units of 2^shift bytes, each by itself: an edge may lie up to a unit nearer than
    /// the one before, and what was sent in between is cut off and costs a time-out. A unit less is never too much.
    pub(crate) fn shown(&self, tcp: &TcpPacket<&[u8]>) -> u16 {
        let is_rounded = self.shift > 0 && !tcp.syn();
        tcp.window_len().saturating_sub(is_rounded.into())
    }

    /// Whether smoltcp would cut the segment at the window's edge and still accept its FIN, or accept bytes for
    /// which it has no room. A FIN that is all of the segment behind the edge takes no room, and none of its bytes
    /// is lost: a peer that was told a window of so many bytes may send it again and again.
    pub(crate) fn overruns(&self, segment: &Segment<'_>) -> bool {
        let last_byte = segment.end().wrapping_sub(segment.fin.into());
        (segment.fin || self.unscaled) && is_after(last_byte, self.right_edge)
    }

    /// Whether the segment begins inside the window, or just before it as a keep-alive does.
    pub(crate) fn expects(&self, segment: &Segment<'_>) -> bool {
        !is_after(self.ack.wrapping_sub(1), segment.seq) && !is_after(segment.seq, self.right_edge)
    }
}

/// Whether sequence number `a` comes after `b` (RFC 9293, section 3.4).
fn is_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

fn window_scale(mut options: &[u8]) -> Option<u8> {
    while !options.is_empty() {
        let (rest, option) = TcpOption::parse(options).ok()?;
        match option {
            TcpOption::WindowScale(shift) => return Some(shift.min(14)),
            TcpOption::EndOfList => return None,
            _ => options = rest,
        }
    }
    None
}
