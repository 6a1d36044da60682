//! No connection rests while R2 owes its peer something: bytes, SYN or FIN that are not acknowledged are sent again, and
//! bytes and FIN that have come are acknowledged.

use std::ops::Range;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
};

/// The least time-out is a second; it doubles, and it stays so while nothing that was sent once is acknowledged.
const AT_FIRST: Duration = Duration::from_secs(10);

/// A time-out is at most so many times as long as the last one, or as what was measured between a byte and its
/// acknowledgement (RFC 6298, section 2).
const GROWTH: u32 = 3;

/// An acknowledgement waits a hundredth of a second for company; a peer that gets none repeats what it sent after a
/// second at the earliest.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_millis(500);

/// What R2 has sent on a connection, and what of it its peer has acknowledged.
pub(super) struct Watch {
    /// Behind the last of it; `None` where there is no connection.
    end: Option<u32>,
    acked: u32,
    /// The window that R2 shows: what lies outside it is not taken, nor what that acknowledges.
    window: Range<u32>,
    /// When the first byte that is not acknowledged was sent last, or became the first.
    since: Instant,
    /// The longest time between two of these, or one and an acknowledgement.
    longest: Duration,
    /// Behind what has come of the peer's stream without a gap.
    came: u32,
    /// When the first of it came that R2 has not acknowledged.
    came_at: Option<Instant>,
    /// The largest window of the peer's: an acknowledgement that is older than that is nobody's.
    largest: u16,
}

struct Segment {
    seq: u32,
    end: u32,
    ack: Option<u32>,
    window: u16,
    syn: bool,
    rst: bool,
}

impl Watch {
    /// Of no connection yet.
    pub(super) fn new() -> Self {
        Self {
            end: None,
            acked: 0,
            window: 0..0,
            since: Instant::ZERO,
            longest: Duration::ZERO,
            came: 0,
            came_at: None,
            largest: 0,
        }
    }

    /// R2 sends `frame` to the peer.
    pub(super) fn sent(&mut self, frame: &[u8], now: Instant) {
        let Some(Segment {
            seq,
            end,
            ack,
            window,
            syn,
            rst,
        }) = segment(frame)
        else {
            return;
        };
        if let Some(ack) = ack {
            if syn {
                self.came = ack;
            }
            if !is_after(self.came, ack) {
                self.came_at = None;
            }
            self.window = ack..ack.wrapping_add(window.into());
        }
        if rst {
            self.end = None;
        } else if syn && (self.end.is_none() || self.acked != seq) {
            (self.end, self.acked, self.since) = (Some(end), seq, now);
        }
        let Some(all) = self.end.filter(|_| end != seq) else {
            return;
        };
        if all == self.acked {
            self.since = now;
        }
        if is_after(end, all) {
            self.end = Some(end);
        }
        if !is_after(seq, self.acked) && is_after(end, self.acked) {
            self.longest = self.longest.max(now - self.since);
            self.since = now;
        }
    }

    /// R2 receives `frame` from the peer.
    pub(super) fn received(&mut self, frame: &[u8], now: Instant) {
        let Some(Segment {
            seq,
            end: behind,
            ack,
            window,
            rst,
            ..
        }) = segment(frame)
        else {
            return;
        };
        let Range { start, end } = self.window;
        let is_taken = if behind == seq {
            !is_after(start, seq) && !is_after(seq, end)
        } else {
            is_after(end, seq) && is_after(behind, start)
        };
        if !is_taken && !rst {
            return;
        }
        let Some(end) = self.end else { return };
        let oldest = self.acked.wrapping_sub(self.largest.into());
        let is_known = ack.is_some_and(|ack| !is_after(oldest, ack) && !is_after(ack, end));
        let goes_on = !is_after(seq, self.came) && is_after(behind, self.came);
        if is_known && goes_on && !is_after(behind, self.window.end) {
            self.came = behind;
            self.came_at = self.came_at.or(Some(now));
        }
        if is_known {
            self.largest = self.largest.max(window);
        }
        if rst {
            self.end = None;
        } else if let Some(ack) = ack.filter(|ack| is_after(*ack, self.acked) && !is_after(*ack, end)) {
            self.longest = self.longest.max(now - self.since);
            (self.acked, self.since) = (ack, now);
        }
    }

    /// Whether nothing has happened for too long.
    pub(super) fn rests(&self, now: Instant) -> bool {
        let is_unacknowledged = self.came_at.is_some_and(|at| now - at > ACKNOWLEDGED_WITHIN);
        if self.end.is_some() && is_unacknowledged {
            return true;
        }
        let is_owed = self.end.is_some_and(|end| end != self.acked);
        is_owed && now - self.since > AT_FIRST + self.longest * GROWTH
    }
}

fn is_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// The TCP segment in a frame, if there is one that is whole.
fn segment(frame: &[u8]) -> Option<Segment> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    let (payload, from, to): (_, IpAddress, IpAddress) = match ethernet.ethertype() {
        EthernetProtocol::Ipv4 => {
            let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
            let is_right = ip.verify_checksum() && ip.next_header() == IpProtocol::Tcp;
            (
                is_right.then(|| ip.payload())?,
                ip.src_addr().into(),
                ip.dst_addr().into(),
            )
        }
        EthernetProtocol::Ipv6 => {
            let ip = Ipv6Packet::new_checked(ethernet.payload()).ok()?;
            let is_right = ip.next_header() == IpProtocol::Tcp;
            (
                is_right.then(|| ip.payload())?,
                ip.src_addr().into(),
                ip.dst_addr().into(),
            )
        }
        _ => return None,
    };
    let tcp = TcpPacket::new_checked(payload).ok()?;
    tcp.verify_checksum(&from, &to).then(|| Segment {
        seq: tcp.seq_number().0.cast_unsigned(),
        end: (tcp.seq_number() + tcp.segment_len()).0.cast_unsigned(),
        ack: tcp.ack().then(|| tcp.ack_number().0.cast_unsigned()),
        window: tcp.window_len(),
        syn: tcp.syn(),
        rst: tcp.rst(),
    })
}
