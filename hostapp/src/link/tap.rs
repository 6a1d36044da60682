//! [`Tap`]: a Linux TAP interface as a network card.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::PollFlags;
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use tun_tap::{Iface, Mode};

use super::Link;

/// Ethernet's header: destination, source, type.
const ETHERNET_HEADER: usize = 14;

/// The largest MTU that smoltcp supports.
const MTU_MAX: usize = 9216;

/// One end of a TAP interface; the kernel's network stack is at the other.
///
/// It never waits. A frame that the kernel does not take now is kept and goes first when it does; meanwhile there
/// are no more tokens to transmit. A frame sent while the interface is down is lost, as on a wire without a peer.
pub struct Tap {
    file: File,
    name: String,
    mtu: usize,
    rx: Box<[u8]>,
    tx: Outgoing,
}

struct Outgoing {
    frame: Box<[u8]>,
    /// The length of the frame that waits; 0 for none.
    waiting: usize,
    lost: u64,
    error: Option<io::Error>,
}

impl Tap {
    /// Attaches to the interface `name`, which must exist.
    pub fn open(name: &str) -> Result<Self, OpenError> {
        let refuse = |problem| OpenError {
            name: name.to_owned(),
            problem,
        };
        // With the rights of root, attaching to a name that is not there would create it.
        if nix::net::if_::if_nametoindex(name).is_err() {
            return Err(refuse(Problem::Missing));
        }
        let iface =
            Iface::without_packet_info(name, Mode::Tap).map_err(|error| refuse(Problem::from(error)))?;
        // SAFETY: `into_raw_fd` hands over the only owner of this open descriptor.
        #[allow(unsafe_code)]
        let file = unsafe { File::from_raw_fd(iface.into_raw_fd()) };
        let unfit = |error: nix::Error| refuse(Problem::Other(error.into()));
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(unfit)?;
        clear_offload(&file).map_err(unfit)?;
        let mtu = read_mtu(name)
            .map_err(|error| refuse(Problem::Other(error)))?
            .min(MTU_MAX);
        // Filled with something else than zero, so that the memory is taken now.
        let frame = || vec![1; ETHERNET_HEADER + mtu].into_boxed_slice();
        Ok(Self {
            file,
            name: name.to_owned(),
            mtu,
            rx: frame(),
            tx: Outgoing {
                frame: frame(),
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

    /// Offers the frame that waits again.
    fn flush(&mut self) {
        self.tx.flush(&self.file);
    }

    /// How many frames were lost because the interface was down.
    pub fn lost(&self) -> u64 {
        self.tx.lost
    }
}

impl Link for Tap {
    fn name(&self) -> &str {
        &self.name
    }

    fn wanted(&self) -> PollFlags {
        if self.tx.waiting > 0 {
            PollFlags::POLLIN | PollFlags::POLLOUT
        } else {
            PollFlags::POLLIN
        }
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

impl Outgoing {
    fn flush(&mut self, file: &File) {
        if self.waiting == 0 {
            return;
        }
        let frame = &self.frame[..self.waiting];
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
        self.flush();
        if self.tx.waiting > 0 || self.tx.error.is_some() {
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
        let (frame, _) = self.rx.split_at(length.min(self.rx.len()));
        Some((
            RxToken(frame),
            TxToken {
                file: &self.file,
                tx: &mut self.tx,
            },
        ))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        self.flush();
        if self.tx.waiting > 0 || self.tx.error.is_some() {
            return None;
        }
        Some(TxToken {
            file: &self.file,
            tx: &mut self.tx,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = ETHERNET_HEADER + self.mtu;
        capabilities
    }
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
    tx: &'a mut Outgoing,
}

impl phy::TxToken for TxToken<'_> {
    /// A frame larger than the MTU allows is lost, and counted.
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let Some(frame) = self.tx.frame.get_mut(..length) else {
            self.tx.lost += 1;
            return fill(&mut vec![0; length]);
        };
        let result = fill(frame);
        self.tx.waiting = length;
        self.tx.flush(self.file);
        result
    }
}

/// Why an interface cannot be attached to. Its text is one line.
#[derive(Debug)]
pub struct OpenError {
    name: String,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Missing,
    NoTun,
    Denied,
    Held,
    NotATap,
    Other(io::Error),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => Self::NoTun,
            Some(libc::EPERM | libc::EACCES) => Self::Denied,
            Some(libc::EBUSY) => Self::Held,
            Some(libc::EINVAL) => Self::NotATap,
            _ => Self::Other(error),
        }
    }
}

impl OpenError {
    /// Whether another server holds the interface: then taking another link instead would hide a mistake.
    pub fn is_held(&self) -> bool {
        matches!(self.problem, Problem::Held)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        let up = if name == "tap0" {
            "sudo ./tap-setup/tap-setup up".to_owned()
        } else {
            format!("sudo ./tap-setup/tap-setup up --name {name}")
        };
        match &self.problem {
            Problem::Missing => write!(f, "{name} does not exist: run {up}"),
            Problem::NoTun => write!(f, "/dev/net/tun is missing: run sudo modprobe tun, then {up}"),
            Problem::Denied => write!(
                f,
                "{name} may not be opened by this user: run {up} --user $(id -un)"
            ),
            Problem::Held => write!(
                f,
                "another server holds {name}: stop it, or name another TAP with --link"
            ),
            Problem::NotATap => write!(f, "{name} is no TAP interface: name another with --link tap:NAME"),
            Problem::Other(error) => write!(f, "{name} cannot be opened: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// The two calls that neither `tun-tap` nor `nix` has.
#[allow(missing_docs)] // The macros take no text.
mod ioctl {
    use nix::libc;

    nix::ioctl_write_int_bad!(
        tun_set_offload,
        nix::request_code_write!(b'T', 208, size_of::<libc::c_uint>())
    );
    nix::ioctl_readwrite_bad!(interface_mtu, libc::SIOCGIFMTU, libc::ifreq);
}

/// Asks for whole frames with their checksums: a persistent interface keeps what its last user asked for.
#[allow(unsafe_code)]
fn clear_offload(file: &File) -> nix::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes flags by value and touches no memory of ours; the descriptor is open.
    unsafe { ioctl::tun_set_offload(file.as_raw_fd(), 0) }.map(drop)
}

#[allow(unsafe_code)]
fn read_mtu(name: &str) -> io::Result<usize> {
    // Any socket will do to ask about an interface of this network namespace.
    let socket = UdpSocket::bind(("127.0.0.1", 0)).or_else(|_| UdpSocket::bind(("::1", 0)))?;
    // SAFETY: an ifreq is plain integers and arrays; all zeroes is a value of each.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // One byte stays zero, so the name is terminated.
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name[..room].iter_mut().zip(name.bytes()) {
        *to = from.cast_signed() as libc::c_char;
    }
    // SAFETY: SIOCGIFMTU reads and writes one ifreq, which `request` is; the descriptor is open.
    unsafe { ioctl::interface_mtu(socket.as_raw_fd(), &raw mut request) }?;
    // SAFETY: SIOCGIFMTU has just set this member of the union.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    usize::try_from(mtu).map_err(|_| ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests;
