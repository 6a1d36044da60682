//! What smoltcp is told in a peer's name, in segments of the slot's own: FIN, and news that it would not take otherwise.

use r2_core::session::{Over, Session};
use r2_core::time::Instant;
use smoltcp::phy::Device;
use smoltcp::socket::tcp::State;

use super::{Slot, Turn};
use crate::gate::{BARE_MAX, Bare, Flow, Sent};
use crate::limits::SILLY_FOR;
use crate::wire::{Header, Inward};

impl Slot<'_> {
    /// Gives smoltcp the peer's FIN, in a segment of the slot's own, once every byte before it is there. It would leave FIN
    /// out where it asks whether a segment is in the window, forget one that overtakes bytes, and take bytes that stand
    /// behind it (RFC 9293, section 3.10.7.4).
    pub(super) fn take_fin<W, D: Device + ?Sized>(
        &mut self,
        session: &mut dyn Session<W>,
        turn: &mut Turn<'_, D, W>,
        now: Instant,
    ) {
        match self.bytes_behind_fin() {
            Some(0) => {}
            // They came before FIN did: one of the two is a lie.
            Some(1..) => return self.abort(session, Over::Reset, now, turn.world),
            _ => return,
        }
        let (Some(Flow { remote, local }), Some(fin)) = (self.flow, self.expected()) else {
            return;
        };
        self.hand_in(turn, &mut |sent| {
            let (ack, window) = sent.tell();
            Some(Bare::new(remote, local, fin, ack).with_window(window).with_fin())
        });
    }

    /// Gives smoltcp what the peer acknowledges, and its window, in a segment of the slot's own, where it threw those away
    /// that brought them, or was not shown all of the window; whether it did, so that there may be room for more to send.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn take_news<W, D: Device + ?Sized>(
        &mut self,
        turn: &mut Turn<'_, D, W>,
        now: Instant,
    ) -> bool {
        // In LAST-ACK smoltcp takes nothing but the end.
        let is_wanted = self.may_send() || (self.state() == State::LastAck && !self.sent.waits());
        if !is_wanted {
            return false;
        }
        let (Some(Flow { remote, local }), Some(next)) = (self.flow, self.expected()) else {
            return false;
        };
        let queued = self.queued();
        let in_time = self.hides_since + SILLY_FOR <= now;
        self.hand_in(turn, &mut |sent| {
            let (ack, window) = sent.take_news(queued, in_time)?;
            Some(Bare::new(remote, local, next, ack).with_window(window))
        })
    }

    /// Whether something may be left to be sent into the peer's window.
    pub(super) fn may_send(&self) -> bool {
        matches!(
            self.state(),
            State::Established | State::CloseWait | State::FinWait1 | State::Closing
        )
    }

    /// When some bytes are sent though the peer's window has room for few.
    pub(super) fn sends_a_little_at(&mut self) -> Option<Instant> {
        if !self.sent.hides_room || !self.may_send() {
            return None;
        }
        let queued = self.queued();
        self.sent.holds_back(queued).then(|| self.hides_since + SILLY_FOR)
    }

    /// Gives smoltcp the segment that `say` makes, if it makes one, in the peer's name, once there is room for an answer;
    /// whether it did.
    // Once on a board, whatever is said.
    #[cfg_attr(target_os = "none", inline(never))]
    fn hand_in<W, D: Device + ?Sized>(
        &mut self,
        turn: &mut Turn<'_, D, W>,
        say: &mut dyn FnMut(&mut Sent) -> Option<Bare>,
    ) -> bool {
        let Some(answer) = turn.device.transmit(turn.now) else {
            turn.tally.congested = true;
            return false;
        };
        let Some(segment) = say(&mut self.sent) else {
            return false;
        };
        let mut room = [0; BARE_MAX];
        let mut inward = Inward {
            received: Some(segment.write(&mut room, turn.capabilities)),
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
        true
    }
}
