//! A wire in memory: frames in two queues, an Ethernet device at either end, and frames on their way between.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// A frame on the wire.
pub type Frame = Vec<u8>;

/// The most that an end sends at once: Ethernet's 1,500 bytes and the header before them.
const MTU: usize = 1514;

/// One end of a wire: what has arrived, and what leaves.
#[derive(Default)]
pub struct Wire {
    /// Frames that this end has not looked at yet.
    pub arriving: VecDeque<Frame>,
    /// Frames that this end has sent, until somebody carries them away.
    pub leaving: VecDeque<Frame>,
}

impl Device for Wire {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived, Leaving<'_>)> {
        let frame = self.arriving.pop_front()?;
        Some((Arrived(frame), Leaving(&mut self.leaving)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        Some(Leaving(&mut self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

/// A frame that was taken off the wire.
pub struct Arrived(Frame);

impl phy::RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Room for one frame.
pub struct Leaving<'w>(&'w mut VecDeque<Frame>);

impl phy::TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}

/// Frames on their way: each arrives at its time, and those of one time in their order.
#[derive(Default)]
pub struct OnTheWay(BinaryHeap<Reverse<(Instant, u64, Frame)>>);

impl OnTheWay {
    /// Sends a frame that arrives at `at`, behind those of a smaller `order` that arrive then.
    pub fn send(&mut self, at: Instant, order: u64, frame: Frame) {
        self.0.push(Reverse((at, order, frame)));
    }

    /// The next frame that has arrived by now.
    pub fn arrived(&mut self, now: Instant) -> Option<Frame> {
        if self.next_at()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, _, frame))| frame)
    }

    /// When the next frame arrives.
    pub fn next_at(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, ..))| *at)
    }
}
