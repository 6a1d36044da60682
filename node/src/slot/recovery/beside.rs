//! What a slot tells its recovery, and asks of it.

use smoltcp::phy::Device;

use crate::gate::{BARE_MAX, Bare, Flow, Segment, is_after};
use crate::slot::{Phase, Slot, Turn};
use crate::wire::{Header, Inward};

impl Slot<'_> {
    /// Hears the acknowledgement of a segment that is believed, to which the slot has listened; `before` is what smoltcp was
    /// shown last.
    pub(in crate::slot) fn recover_by(&mut self, segment: &Segment<'_>, before: (u32, u16)) {
        let after = self.sent.heard();
        // A keep-alive stands before what is expected. Duplicates while FIN alone is under way say nothing of it.
        let is_bare = segment.payload() == 0
            && !segment.fin
            && !is_after(self.sent.ack, segment.seq)
            && before == after
            && !self.sent.lacks_only_fin(after.0);
        self.recovery.hear(after.0, segment.options(), is_bare);
    }

    /// Looks at whether smoltcp has taken an acknowledgement which says more than `acked` did, when `queued` bytes waited for
    /// it. It takes none from a segment outside its window, as one with bytes is while that is closed (RFC 9293, section
    /// 3.10.7.4).
    pub(in crate::slot) fn look_at_queue(&mut self, acked: u32, queued: usize) {
        let (now_acked, _) = self.sent.heard();
        let is_same = self.queued() == queued && queued > 0;
        self.recovery.untaken |= is_after(now_acked, acked) && is_same && self.phase != Phase::Opening;
    }

    /// How many bytes are not acknowledged, sent or not.
    pub(in crate::slot) fn queued(&mut self) -> usize {
        self.with_socket(|socket| socket.send_queue()).unwrap_or(0)
    }

    /// Gives smoltcp an acknowledgement that it has not taken, in a segment of the slot's own.
    pub(in crate::slot) fn hand_in_acknowledgement<W, D: Device + ?Sized>(
        &mut self,
        turn: &mut Turn<'_, D, W>,
    ) {
        if !self.recovery.untaken {
            return;
        }
        let (Some(Flow { remote, local }), Some(seq)) = (self.flow, self.expected()) else {
            return;
        };
        let Some(answer) = turn.device.transmit(turn.now) else {
            turn.tally.congested = true;
            return;
        };
        self.recovery.untaken = false;
        let (ack, window) = self.sent.heard();
        let mut room = [0; BARE_MAX];
        let bare = Bare::new(remote, local, seq, ack).with_window(window);
        let mut inward = Inward {
            received: Some(bare.write(&mut room, turn.capabilities)),
            answer: Some(answer),
            header: Some(Header {
                ours: turn.ours,
                peer: self.peer,
                fill_checksum: turn.fill_checksum,
                sent: &mut self.sent,
            }),
            frames_out: &mut turn.tally.frames_out,
            capabilities: turn.capabilities,
        };
        turn.interface
            .poll_ingress_single(turn.now, &mut inward, &mut self.sockets);
        self.behind(false);
    }

    /// Whether the segment that was heard last only repeats what smoltcp knows. It would count it, and repeat one segment.
    pub(in crate::slot) fn heard_twice(&self) -> bool {
        self.recovery.repeats
    }

    /// Notes what has left since the last time.
    pub(in crate::slot) fn note_what_left(&mut self) {
        let (acked, end) = self.sent.under_way();
        if self.phase == Phase::Opening {
            self.recovery.syn_left();
        } else if end != acked {
            self.recovery.left(acked, end, self.sent.mss());
        }
    }

    /// Looks at the clocks of what is under way.
    pub(in crate::slot) fn look_for_losses(&mut self, now: smoltcp::time::Instant) {
        self.recovery.look_at(now);
        self.recovery.look_at_clocks();
    }

    /// When something under way is next to be looked at.
    pub(in crate::slot) fn recovers_at(&self) -> Option<smoltcp::time::Instant> {
        self.recovery.next_at().map(smoltcp::time::Instant::from_micros)
    }
}
