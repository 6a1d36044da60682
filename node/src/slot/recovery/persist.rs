//! The clock that probes a closed window. Every sweep doubles smoltcp's time-out, and by that it would begin: half a minute
//! after a few losses.

use smoltcp::phy::Device;

use super::sweep::AFTER_EVERY_TIME_OUT;
use super::{FIRST_TIME_OUT, LONGEST_TIME_OUT, Recovery};
use crate::slot::{Slot, Turn};
use crate::wire::{Header, Outward};

/// When a closed window is probed next, and how long after the last time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Persist {
    at: i64,
    pause: i64,
    /// A probe is under way.
    probes: bool,
    /// How many probes were not smoltcp's own idea.
    ours: u32,
}

impl Persist {
    /// A probe has left.
    fn has_probed(&mut self, now: i64) {
        self.probes = true;
        self.pause = self.pause.saturating_mul(2).min(LONGEST_TIME_OUT);
        self.at = now.saturating_add(self.pause);
    }
}

impl Recovery<'_> {
    /// Takes note of whether the peer's window is closed to something that is to be sent. The first probe comes after a
    /// time-out, each further one after twice the pause, answered or not (RFC 9293, section 3.8.6.1).
    fn look_at_window(&mut self, is_closed: bool) {
        if !is_closed {
            self.persist = None;
            return;
        }
        let pause = self.time_out().max(FIRST_TIME_OUT);
        self.persist.get_or_insert(Persist {
            at: self.now.saturating_add(pause),
            pause,
            probes: false,
            ours: 0,
        });
    }

    /// Takes note of whether a probe is under way, which may be smoltcp's own.
    pub(super) fn look_at_probe(&mut self, probes: bool) {
        let Some(persist) = &mut self.persist else { return };
        if probes && !persist.probes {
            persist.has_probed(self.now);
        }
        persist.probes = probes;
    }

    /// When a closed window is probed next, in microseconds.
    pub(super) fn persists_at(&self) -> Option<i64> {
        self.persist.map(|persist| persist.at)
    }
}

impl Slot<'_> {
    /// Probes a closed window when it is time. smoltcp keeps its clock for probes beside no other, so that a
    /// moment long after now brings the probe and nothing else.
    pub(in crate::slot) fn persist<W, D: Device + ?Sized>(&mut self, turn: &mut Turn<'_, D, W>) {
        let (_, window) = self.sent.heard();
        let is_closed = window == 0 && self.may_send() && self.queued() > 0;
        self.recovery.look_at_window(is_closed);
        self.recovery.look_at_probe(self.sent.probes());
        let now = self.recovery.now;
        let due = self.recovery.persist.as_mut();
        let Some(due) = due.filter(|persist| persist.at <= now) else {
            return;
        };
        let Some(token) = turn.device.transmit(turn.now) else {
            turn.tally.congested = true;
            return;
        };
        due.has_probed(now);
        // smoltcp counts its own pause, of at most so long, from the moment that it is shown.
        due.ours = due.ours.saturating_add(1);
        let later = turn.now + AFTER_EVERY_TIME_OUT * due.ours;
        let mut outward = Outward {
            token: Some(token),
            header: Header {
                ours: turn.ours,
                peer: self.peer,
                fill_checksum: turn.fill_checksum,
                sent: &mut self.sent,
            },
            frames_out: &mut turn.tally.frames_out,
            capabilities: turn.capabilities,
        };
        turn.interface.poll_egress(later, &mut outward, &mut self.sockets);
    }
}
