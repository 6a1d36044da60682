//! [`Tap`]: a Linux TAP interface as a network card.

mod open;
mod virtio;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::num::{NonZeroU16, NonZeroUsize};
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use r2_node::{Counters, Reason};
use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium, PacketMeta};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use super::{Link, checksum};

pub use self::open::TapError;

/// Ethernet's header: destination, source, type.
const ETHERNET_HEADER: usize = 14;

/// The largest MTU that smoltcp supports.
const MTU_MAX: usize = 9216;

/// The largest frame: an IP packet's length has 16 bits. The kernel sends frames of this size where it may, and
/// also when the MTU was raised after the start.
const FRAME_MAX: usize = ETHERNET_HEADER + u16::MAX as usize;

/// Bytes of a cache line.
const CACHE_LINE: usize = 64;

/// One end of a TAP interface; the kernel's network stack is at the other.
///
/// Where the kernel allows it, TCP over IPv4 passes in super-frames of up to 64 KiB, and what has not been on a wire
/// has half a checksum: the capabilities say so. A frame from elsewhere is verified here.
///
/// It never waits. A frame that the kernel does not take now is kept and goes first when it does; meanwhile there
/// are no more tokens to transmit. A frame sent while the interface is down is lost, as on a wire without a peer.
pub struct Tap {
    file: File,
    name: String,
    mtu: usize,
    /// The Ethernet address of this machine's end.
    peer: [u8; 6],
    /// Frames stand behind a header that tells of their checksum and of what they are to be cut into.
    offload: bool,
    rx: FrameRoom,
    corrupt: u64,
    tx: WaitingFrame,
}

struct WaitingFrame {
    /// Room for a frame behind its header, if frames have one here.
    bytes: FrameRoom,
    header: usize,
    /// The length of what waits; 0 for none.
    waiting: usize,
    lost: u64,
    error: Option<io::Error>,
}

/// Room for a frame behind its header, from the beginning of a cache line on. What TCP carries begins a line then, too,
/// since the headers before it have 64 bytes: so the kernel copies it fastest.
struct FrameRoom {
    bytes: Box<[u8]>,
    start: usize,
}

impl FrameRoom {
    fn new(length: usize) -> Self {
        // Filled with something else than zero, so that the memory is taken now.
        let bytes = vec![1; length + CACHE_LINE].into_boxed_slice();
        let start = bytes.as_ptr().align_offset(CACHE_LINE);
        Self { bytes, start }
    }
}

impl Deref for FrameRoom {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl DerefMut for FrameRoom {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}

impl Tap {
    /// Attaches to the interface `name`, which must exist.
    pub fn open(name: &str) -> Result<Self, TapError> {
        let (file, offload) = open::attach(name)?;
        Self::on(file, name, offload)
    }

    fn on(file: File, name: &str, offload: bool) -> Result<Self, TapError> {
        let mtu = open::mtu(name)?.min(MTU_MAX);
        let peer = open::ethernet_address(name)?;
        let (header, largest) = if offload {
            (virtio::HEADER, FRAME_MAX)
        } else {
            (0, ETHERNET_HEADER + mtu)
        };
        let room = |frame| FrameRoom::new(header + frame);
        Ok(Self {
            file,
            name: name.to_owned(),
            mtu,
            peer,
            offload,
            rx: room(FRAME_MAX),
            corrupt: 0,
            tx: WaitingFrame {
                bytes: room(largest),
                header,
                waiting: 0,
                lost: 0,
                error: None,
            },
        })
    }

    /// The largest IP packet that it carries, in bytes, as it was at start.
    pub fn mtu(&self) -> usize {
        self.mtu
    }
}

impl Link for Tap {
    fn name(&self) -> &str {
        &self.name
    }

    /// `02:52:32` and the last three bytes of the interface's own, which another TAP does not have.
    fn own_ethernet_address(&self) -> Option<EthernetAddress> {
        let [.., a, b, c] = self.peer;
        Some(EthernetAddress([0x02, 0x52, 0x32, a, b, c]))
    }

    fn wanted(&self) -> PollFlags {
        if self.tx.waiting > 0 {
            PollFlags::POLLIN | PollFlags::POLLOUT
        } else {
            PollFlags::POLLIN
        }
    }

    fn count_drops(&mut self, counters: &mut Counters) {
        counters.drop_several(Reason::Checksum, std::mem::take(&mut self.corrupt));
        counters.drop_several(Reason::DeviceBusy, std::mem::take(&mut self.tx.lost));
    }

    /// The interface was deleted, say.
    fn take_error(&mut self) -> Option<io::Error> {
        self.tx.error.take()
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Tap {
    /// Leaves the interface as whoever opens it next expects it.
    fn drop(&mut self) {
        if self.offload {
            // It may be gone.
            let _ = open::clear_offload(&self.file);
        }
    }
}

impl WaitingFrame {
    fn token<'a>(&'a mut self, file: &'a File) -> TxToken<'a> {
        TxToken {
            file,
            tx: self,
            segment: None,
        }
    }

    fn flush(&mut self, file: &File) {
        if self.waiting == 0 {
            return;
        }
        let frame = &self.bytes[..self.waiting];
        // A TAP takes a whole frame or nothing.
        match (&*file).write(frame).map(drop) {
            Ok(()) => self.waiting = 0,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => {}
                _ => {
                    self.waiting = 0;
                    self.failed(error);
                }
            },
        }
    }

    fn failed(&mut self, error: io::Error) {
        match error.raw_os_error() {
            // The interface is down, or the kernel would not have this frame.
            Some(libc::EIO | libc::EINVAL | libc::ENOBUFS | libc::ENOMEM) => self.lost += 1,
            _ => self.error = Some(error),
        }
    }
}

impl Device for Tap {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        // A frame in may be answered by a frame out: none comes in while there is no room for it.
        self.tx.flush(&self.file);
        if self.tx.waiting > 0 || self.tx.error.is_some() {
            return None;
        }
        if !is_readable(&self.file) {
            return None;
        }
        let length = match (&self.file).read(&mut self.rx) {
            Ok(length) => length,
            Err(error) => {
                // Reading a TAP that is down says EIO since Linux 5.15, and only says so.
                let quiet = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
                    || error.raw_os_error() == Some(libc::EIO);
                if !quiet {
                    self.tx.error = Some(error);
                }
                return None;
            }
        };
        let mut frame = &self.rx[..length];
        if self.offload {
            let (header, behind) = frame.split_first_chunk()?;
            if virtio::is_unverified(*header) && checksum::is_wrong(behind) {
                self.corrupt += 1;
                return None;
            }
            frame = behind;
        }
        Some((RxToken(frame), self.tx.token(&self.file)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        self.tx.flush(&self.file);
        if self.tx.waiting > 0 || self.tx.error.is_some() {
            return None;
        }
        Some(self.tx.token(&self.file))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = ETHERNET_HEADER + self.mtu;
        if self.offload {
            capabilities.checksum.tcp = Checksum::None;
            capabilities.checksum.udp = Checksum::Tx;
            // Not over IPv6: smoltcp drops there what is over the MTU.
            capabilities.segmentation.tcpv4 = NonZeroUsize::new(FRAME_MAX);
        }
        capabilities
    }
}

/// Whether a frame waits.
fn is_readable(file: &File) -> bool {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO) != Ok(0)
}

/// A frame that has arrived.
pub struct RxToken<'a>(&'a [u8]);

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, use_frame: F) -> R {
        use_frame(self.0)
    }
}

/// Room for a frame to send.
pub struct TxToken<'a> {
    file: &'a File,
    tx: &'a mut WaitingFrame,
    /// Bytes of each segment into which the frame is to be cut.
    segment: Option<NonZeroU16>,
}

impl phy::TxToken for TxToken<'_> {
    /// A frame larger than the interface carries is lost, and counted.
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let Self { file, tx, segment } = self;
        let Some((header, frame)) = tx
            .bytes
            .get_mut(..tx.header + length)
            .map(|bytes| bytes.split_at_mut(tx.header))
        else {
            tx.lost += 1;
            return fill(&mut vec![0; length]);
        };
        let result = fill(frame);
        if let Some(header) = header.first_chunk_mut() {
            *header = virtio::prepare(frame, segment);
        }
        tx.waiting = tx.header + length;
        tx.flush(file);
        result
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.segment = meta.segmentation_offload_size;
    }
}

#[cfg(test)]
mod tests;
