//! A virtual Ethernet wire: frames in memory, in a queue for each direction.

use smoltcp::phy::{self, Checksum, ChecksumCapabilities, DeviceCapabilities, Medium};

/// Ethernet's header: destination, source, type.
pub(super) const ETHERNET_HEADER: usize = 14;

/// The largest IP packet on the wire: what IPv4 can say. Nothing has to be cut on the way between two ends of memory,
/// and the cost of a segment does not depend on its length.
pub(super) const MTU: usize = 65_535;

/// Frames in one direction: two windows of a bulk transfer in segments of the largest size, and many small ones.
const FRAMES: usize = 64;

/// Room for a frame.
const FRAME: usize = ETHERNET_HEADER + MTU;

/// What is true of the wire at both ends. It never damages a frame, so there is no checksum over data: whoever records
/// frames adds it.
pub(super) fn capabilities() -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = FRAME;
    let mut checksum = ChecksumCapabilities::ignored();
    checksum.ipv4 = Checksum::Tx;
    checksum.icmpv4 = Checksum::Tx;
    capabilities.checksum = checksum;
    capabilities
}

/// One direction of the wire: frames in the order in which they were sent. Its memory is taken when it is made.
pub(super) struct Lane {
    frames: Box<[u8]>,
    lengths: [usize; FRAMES],
    first: usize,
    len: usize,
    /// Where a frame is written for which there is no room.
    lost: Box<[u8]>,
}

impl Lane {
    pub(super) fn new() -> Self {
        // Filled with something else than zero, so that the memory is taken now.
        Self {
            frames: vec![1; FRAMES * FRAME].into_boxed_slice(),
            lengths: [0; FRAMES],
            first: 0,
            len: 0,
            lost: vec![1; FRAME].into_boxed_slice(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn has_room(&self) -> bool {
        self.len < FRAMES
    }

    /// The frame that was sent first.
    pub(super) fn front(&self) -> Option<&[u8]> {
        let at = self.first * FRAME;
        (self.len > 0).then(|| &self.frames[at..at + self.lengths[self.first]])
    }

    /// The same, to be changed.
    pub(super) fn front_mut(&mut self) -> Option<&mut [u8]> {
        let at = self.first * FRAME;
        (self.len > 0).then(|| &mut self.frames[at..at + self.lengths[self.first]])
    }

    /// Lets go of the frame that was sent first.
    pub(super) fn pop(&mut self) {
        if self.len > 0 {
            self.first = (self.first + 1) % FRAMES;
            self.len -= 1;
        }
    }

    /// Sends a frame of `length` bytes, written by `fill`. It is lost when there is no room, or it is larger than the
    /// wire allows.
    pub(super) fn push<R>(&mut self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        if length > FRAME {
            return fill(&mut vec![0; length]);
        }
        if !self.has_room() {
            return fill(&mut self.lost[..length]);
        }
        let place = (self.first + self.len) % FRAMES;
        let at = place * FRAME;
        self.lengths[place] = length;
        self.len += 1;
        fill(&mut self.frames[at..at + length])
    }
}

/// A frame that has arrived: it leaves the wire when it is looked at.
pub struct LaneRx<'w>(pub(super) &'w mut Lane);

impl phy::RxToken for LaneRx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, use_frame: F) -> R {
        let result = use_frame(self.0.front().unwrap_or_default());
        self.0.pop();
        result
    }
}

/// Room for a frame to send.
pub struct LaneTx<'w>(pub(super) &'w mut Lane);

impl phy::TxToken for LaneTx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        self.0.push(length, fill)
    }
}
