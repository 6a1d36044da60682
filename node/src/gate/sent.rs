//! What a connection has sent, and into which window, as far as the gate must know.

use smoltcp::wire::{TcpOption, TcpPacket};

use super::Segment;
use crate::limits::SILLY_PART;

/// What the gate noted of the segments that the slot sent, and of the windows that it may send into.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// The highest sequence number sent, and one: SND.NXT.
    pub(crate) next: u32,
    /// The last acknowledgement.
    pub(crate) ack: u32,
    /// The first sequence number that smoltcp would cut off.
    right_edge: u32,
    /// The highest acknowledgement of the peer's: SND.UNA.
    acked: u32,
    /// The sequence number of the segment that showed the window (SND.WL1 of RFC 9293, section 3.3.1).
    window_seq: u32,
    /// The peer's window and the largest that it has shown, in units of its own.
    window: u16,
    largest: u16,
    /// Bytes of the longest segment that both sides take.
    mss: u16,
    /// FIN was sent: `next` lies behind it.
    fin: bool,
    shift: u8,
    peer_shift: u8,
    /// The last window came with SYN: smoltcp remembers it scaled though it was not (RFC 7323, section 2.2).
    unscaled: bool,
    /// How much of what lies before `next` is a probe of a closed window, which smoltcp does not count.
    probe: u8,
    /// The acknowledgement and the window that smoltcp was shown last.
    shown: (u32, u16),
    /// smoltcp may not know what was heard last: it throws segments away whose acknowledgement or window is news.
    pub(crate) has_news: bool,
    /// The window has room for something, and smoltcp was shown a closed one.
    pub(crate) hides_room: bool,
}

/// The longest segment of a peer that does not say (RFC 9293, section 3.7.1), and of one that says too little, as for
/// smoltcp.
const DEFAULT_MSS: u16 = 536;
const LEAST_MSS: u16 = 48;

impl Sent {
    pub(crate) fn new(peer_next: u32) -> Self {
        Self {
            ack: peer_next,
            right_edge: peer_next,
            mss: u16::MAX,
            ..Self::default()
        }
    }

    /// What a closed connection sends: an acknowledgement at `seq`.
    pub(crate) fn at(seq: u32) -> Self {
        Self {
            next: seq,
            ..Self::default()
        }
    }

    /// Notes what the peer's SYN says of its segments and windows.
    pub(crate) fn meet(&mut self, syn: &Segment<'_>) {
        let offer = Offer::read(syn.options());
        self.peer_shift = offer.shift.unwrap_or(0);
        if offer.shift.is_none() {
            // Both sides scale, or none (RFC 7323, section 2.2).
            self.shift = 0;
        }
        self.mss = self.mss.min(offer.mss.unwrap_or(DEFAULT_MSS)).max(LEAST_MSS);
        // Bytes that come with it smoltcp does not take.
        self.ack = syn.first();
        self.right_edge = syn.first();
    }

    /// Whether anything was sent that waits for its acknowledgement.
    pub(crate) fn waits(&self) -> bool {
        self.next != self.acked
    }

    /// Whether `ack` acknowledges something that was sent, and is no older than the largest window lets it be: whoever
    /// says it knows the connection (RFC 5961, section 5.2).
    pub(crate) fn knows(&self, ack: u32) -> bool {
        let oldest = self.acked.wrapping_sub(self.bytes(self.largest));
        ack.wrapping_sub(oldest) <= self.next.wrapping_sub(oldest)
    }

    /// Whether a newer acknowledgement than `ack` was heard.
    pub(crate) fn is_old(&self, ack: u32) -> bool {
        is_after(self.acked, ack)
    }

    /// Records the acknowledgement `ack` and the window of a segment; whether smoltcp takes them.
    ///
    /// smoltcp takes the window of every segment that it accepts; one that was overtaken on its way would close it, and
    /// nothing opens it again. A window holds if its segment acknowledges more than any before, or as much and stands
    /// behind them (RFC 9293, section 3.10.7.4). One that does neither may be bytes repeated: a window that grew holds,
    /// since no honest peer takes back what it has shown. An acknowledgement that is old is raised: smoltcp would throw
    /// the segment away, and its bytes may be new.
    pub(crate) fn hear(&mut self, segment: &Segment<'_>, ack: u32) -> bool {
        if self.is_old(ack) {
            return true;
        }
        if is_after(segment.seq, self.right_edge) {
            return false;
        }
        let window = if segment.syn {
            segment.window.wrapping_shr(self.peer_shift.into())
        } else {
            segment.window
        };
        let repeats = ack == self.acked && !is_after(segment.seq, self.window_seq);
        if !repeats || window >= self.window {
            (self.acked, self.window, self.window_seq) = (ack, window, segment.seq);
            self.largest = self.largest.max(window);
            if ack == self.next {
                self.probe = 0;
            }
        }
        true
    }

    /// The acknowledgement and the window that smoltcp must see in a segment that was heard, where they are others.
    ///
    /// smoltcp takes neither from a segment outside its window, not even where that is closed (RFC 9293, section
    /// 3.10.7.4, would have it take an acknowledgement there): then they are news.
    pub(crate) fn show(&mut self, segment: &Segment<'_>, ack: u32) -> Option<(u32, u16)> {
        let heard = self.look_at_room();
        let place = segment.seq.wrapping_sub(self.ack);
        if place < self.right_edge.wrapping_sub(self.ack) || (place == 0 && segment.payload() == 0) {
            self.shown = heard;
        } else {
            self.has_news = true;
        }
        let differs = self.is_old(ack) || (heard.1 != segment.window && !segment.syn);
        differs.then_some(heard)
    }

    /// The acknowledgement that was heard last, and the window that smoltcp may see.
    pub(crate) fn heard(&self) -> (u32, u16) {
        (self.acked, self.open_window())
    }

    /// The same, noting whether the window has room that is not shown.
    fn look_at_room(&mut self) -> (u32, u16) {
        let heard = self.heard();
        self.hides_room = heard.1 != self.window && self.room() > 0;
        heard
    }

    /// The acknowledgement and the window that smoltcp is to see with FIN.
    pub(crate) fn tell(&mut self) -> (u32, u16) {
        self.has_news = false;
        self.shown = self.look_at_room();
        self.shown
    }

    /// The acknowledgement and the window that smoltcp has not seen, if there are any. `queued` bytes are not
    /// acknowledged. A small window is shown as it is where it has room for all that is left to be sent, or where that has
    /// waited long enough, `in_time` (RFC 9293, section 3.8.6.2.1).
    pub(crate) fn take_news(&mut self, queued: usize, in_time: bool) -> Option<(u32, u16)> {
        let mut news = self.look_at_room();
        let left = self.left(queued);
        if self.hides_room && left > 0 && (left <= self.room() || in_time) {
            (news.1, self.hides_room) = (self.window, false);
        }
        self.has_news = false;
        let is_news = news != self.shown;
        self.shown = news;
        is_news.then_some(news)
    }

    /// Whether some of `queued` bytes wait for a window that is too small for them.
    pub(crate) fn holds_back(&self, queued: usize) -> bool {
        self.hides_room && self.left(queued) > 0
    }

    /// How many of `queued` bytes that are not acknowledged were not sent.
    fn left(&self, queued: usize) -> u32 {
        u32::try_from(queued)
            .unwrap_or(u32::MAX)
            .saturating_sub(self.flies())
    }

    /// How many bytes more the peer's window has room for.
    fn room(&self) -> u32 {
        self.bytes(self.window).saturating_sub(self.flies())
    }

    /// The window that smoltcp may see: never one whose edge lies before what was sent. smoltcp would stop the timer of
    /// that, or repeat nothing of it (RFC 9293, section 3.8.6: what was sent before a window shrank is repeated). Nor one
    /// with room for very little more: smoltcp would fill it with one tiny segment after the other (section 3.8.6.2.1,
    /// MUST-38). It is probed as a closed one is. Where nothing is left to be sent, FIN included, no window matters, but
    /// smoltcp would probe a closed one without a pause.
    fn open_window(&self) -> u16 {
        if self.fin && !self.waits() {
            return self.window.max(1);
        }
        let (flies, room) = (self.flies(), self.room());
        if room > 0 && room >= self.bytes(self.largest) / SILLY_PART {
            return self.window;
        }
        let nearly_a_unit = self.bytes(1).saturating_sub(1);
        let units = flies
            .saturating_add(nearly_a_unit)
            .wrapping_shr(self.peer_shift.into());
        u16::try_from(units).unwrap_or(u16::MAX)
    }

    /// The bytes of a window that stands in a header.
    fn bytes(&self, window: u16) -> u32 {
        u32::from(window).wrapping_shl(self.peer_shift.into())
    }

    /// How much was sent and is not acknowledged, probes of a closed window left out.
    fn flies(&self) -> u32 {
        let flies = self.next.wrapping_sub(self.acked);
        flies.saturating_sub(self.probe.into())
    }

    /// Whether a probe of a closed window is under way.
    #[cfg(feature = "recovery")]
    pub(crate) fn probes(&self) -> bool {
        self.probe > 0
    }

    /// What was sent and is not acknowledged: from the first sequence number to behind the last, a probe of a closed window
    /// left out.
    #[cfg(feature = "recovery")]
    pub(crate) fn under_way(&self) -> (u32, u32) {
        (self.acked, self.acked.wrapping_add(self.flies()))
    }

    /// Bytes of the longest segment that both sides take.
    #[cfg(feature = "recovery")]
    pub(crate) fn mss(&self) -> u16 {
        self.mss
    }

    /// Whether a segment would tell the peer of an acknowledgement or a window that no segment before it has.
    #[cfg(feature = "recovery")]
    pub(crate) fn has_news(&self, tcp: &TcpPacket<&[u8]>) -> bool {
        let ack = tcp.ack_number().0.cast_unsigned();
        let window = u32::from(tcp.window_len()).wrapping_shl(self.shift.into());
        (ack, ack.wrapping_add(window)) != (self.ack, self.right_edge)
    }

    /// Whether nothing can hold up a FIN behind `queued` bytes that are not acknowledged: they have left, or the window
    /// has room for them, and they are no more than one segment.
    pub(crate) fn may_end_behind(&self, queued: usize) -> bool {
        let flies = self.next.wrapping_sub(self.acked) as usize;
        queued <= self.mss.into() && (queued <= usize::from(self.window) || queued <= flies)
    }

    /// Whether FIN was sent, and `ack` acknowledges all before it.
    pub(crate) fn lacks_only_fin(&self, ack: u32) -> bool {
        self.fin && ack.wrapping_add(1) == self.next
    }

    /// Whether FIN was sent.
    pub(crate) fn has_fin(&self) -> bool {
        self.fin
    }

    /// Whether the peer's window is closed, so that one byte is a probe.
    pub(crate) fn window_is_closed(&self) -> bool {
        self.window == 0
    }

    /// Notes a segment on its way out; the sequence number and the window that the peer sees in it.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a segment is shorter than 2^32 bytes"
    )]
    pub(crate) fn pass(&mut self, tcp: &TcpPacket<&[u8]>) -> (u32, u16) {
        let (seq, len) = (tcp.seq_number().0.cast_unsigned(), tcp.segment_len() as u32);
        self.note(tcp, seq, len);
        // After a time-out smoltcp does not know how much it has sent, and it never counts a probe: <SEQ=SND.NXT> of
        // RFC 9293, section 3.10.7.4. An RST without an acknowledgement answers one that came.
        let is_rewound = len == 0 && tcp.ack() && self.waits() && is_after(self.next, seq);
        // smoltcp rounds windows down to units of 2^shift bytes, each by itself: an edge may lie up to a unit nearer than
        // the one before, and what was sent in between is cut off and costs a time-out. A unit less is never too much.
        let is_rounded = self.shift > 0 && !tcp.syn();
        let window = tcp.window_len().saturating_sub(is_rounded.into());
        (if is_rewound { self.next } else { seq }, window)
    }

    /// Notes a segment that covers `len` sequence numbers from `seq`.
    ///
    /// Keep-alives and window probes carry a window that smoltcp does not remember; they are one byte that was sent
    /// before, or one byte into a closed window.
    fn note(&mut self, tcp: &TcpPacket<&[u8]>, seq: u32, len: u32) {
        if tcp.rst() {
            // Its number may be one that a segment acknowledged, whoever sent that.
            return;
        }
        let end = seq.wrapping_add(len);
        if tcp.syn() {
            let offer = Offer::read(tcp.options());
            self.shift = offer.shift.unwrap_or(0);
            self.mss = self.mss.min(offer.mss.unwrap_or(u16::MAX));
            (self.next, self.acked) = (end, seq);
        }
        let fresh = is_after(end, self.next);
        let is_one_byte = tcp.payload().len() == 1;
        let is_first = fresh && !self.waits();
        let probes =
            is_one_byte && self.open_window() == 0 && seq == self.acked && (is_first || self.probe > 0);
        let keeps_alive = is_one_byte && len == 1 && !fresh;
        if !probes && !keeps_alive {
            self.ack = tcp.ack_number().0.cast_unsigned();
            let shift = if tcp.syn() { 0 } else { self.shift };
            self.right_edge = self
                .ack
                .wrapping_add(u32::from(tcp.window_len()).wrapping_shl(shift.into()));
            self.unscaled = tcp.syn();
        }
        self.fin |= tcp.fin();
        if probes {
            self.probe = if tcp.fin() { 2 } else { 1 };
        } else if len > 0 && !is_after(self.next, end) {
            self.probe = 0;
        }
        if fresh {
            self.next = end;
        }
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
pub(crate) fn is_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// What a SYN says in its options.
#[derive(Default)]
struct Offer {
    shift: Option<u8>,
    mss: Option<u16>,
}

impl Offer {
    fn read(mut options: &[u8]) -> Self {
        let mut offer = Self::default();
        while !options.is_empty() {
            let Ok((rest, option)) = TcpOption::parse(options) else {
                break;
            };
            match option {
                TcpOption::WindowScale(shift) => offer.shift = Some(shift.min(14)),
                // 0 is what smoltcp takes for silence.
                TcpOption::MaxSegmentSize(mss) if mss > 0 => offer.mss = Some(mss),
                TcpOption::EndOfList => break,
                _ => {}
            }
            options = rest;
        }
        offer
    }
}
