//! The memory of a node: all that it has it takes at its start. What else allocates while it is polled is the wire's.

use std::collections::VecDeque;

use allocation_counter::{measure, opt_out};
use r2_links::memory::{Arrived, Frame, Wire};
use smoltcp::phy::{Device, DeviceCapabilities, TxToken};
use smoltcp::time::Instant;

/// How many allocations `poll` makes, those of its device left out.
pub(super) fn allocations(poll: impl FnOnce()) -> u64 {
    measure(poll).count_total
}

/// R2's end of the wire, whose frames are not counted.
#[derive(Default)]
pub(super) struct Uncounted(pub(super) Wire);

impl Device for Uncounted {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, now: Instant) -> Option<(Arrived, Room<'_>)> {
        let (frame, _) = self.0.receive(now)?;
        Some((frame, Room(&mut self.0.leaving)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        Some(Room(&mut self.0.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.0.capabilities()
    }
}

/// Room for one frame.
pub(super) struct Room<'w>(&'w mut VecDeque<Frame>);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = Vec::new();
        opt_out(|| frame.resize(len, 0));
        let result = f(&mut frame);
        opt_out(|| self.0.push_back(frame));
        result
    }
}
