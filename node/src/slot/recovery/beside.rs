//! What a slot tells its recovery, and asks of it.

use crate::gate::{Segment, is_after};
use crate::slot::{Phase, Slot};

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
        self.recovery.look_at_probe(self.sent.probes());
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
