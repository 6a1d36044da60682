//! Attaching to a TAP interface, and why that can fail.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::ifaddrs::getifaddrs;
use nix::libc;
use thiserror::Error;
use tun_tap::{Iface, Mode};

use super::virtio;

/// Where the kernel hands out TAPs.
const TUN: &str = "/dev/net/tun";

/// Half checksums, and TCP over IPv4 in frames of up to 64 KiB. Not over IPv6: smoltcp sends none, and the kernel
/// cuts what it sends.
const OFFLOAD: libc::c_uint = libc::TUN_F_CSUM | libc::TUN_F_TSO4;

/// Attaches to `name` for super-frames, or for plain frames where the kernel would not have it otherwise; whether
/// for super-frames.
pub(super) fn attach(name: &str) -> Result<(File, bool), TapError> {
    // With the rights of root, attaching to a name that is not there would create it.
    if nix::net::if_::if_nametoindex(name).is_err() {
        return Err(TapError::Missing(name.to_owned()));
    }
    super_frames(name).map(|file| (file, true)).or_else(|why| {
        if why.raw_os_error() == Some(libc::EBUSY) {
            return Err(TapError::Held(name.to_owned()));
        }
        // What is wrong with the interface itself is refused here as well, and told better.
        let file = plain_frames(name).map_err(|error| TapError::of(name, error))?;
        log::warn!("{name} carries no super-frames ({why}): R2 works with plain ones, more slowly");
        Ok((file, false))
    })
}

/// Attaches for frames behind a header, with the kernel's offload on.
pub(super) fn super_frames(name: &str) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(TUN)?;
    let mut request = request(name);
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).map_err(|_| ErrorKind::InvalidInput)?;
    let length = libc::c_int::try_from(virtio::HEADER).map_err(|_| ErrorKind::InvalidInput)?;
    // SAFETY: TUNSETIFF reads one ifreq and TUNSETVNETHDRSZ one int, which these are; the descriptor is open.
    #[allow(unsafe_code)]
    unsafe {
        ioctl::tun_set_interface(file.as_raw_fd(), &raw const request)?;
        // Asked for: the interface keeps what its last user wanted.
        ioctl::tun_set_header_size(file.as_raw_fd(), &raw const length)?;
    }
    set_offload(&file, OFFLOAD)?;
    Ok(file)
}

/// Attaches for whole frames with their checksums.
pub(super) fn plain_frames(name: &str) -> io::Result<File> {
    let iface = Iface::without_packet_info(name, Mode::Tap)?;
    // SAFETY: `into_raw_fd` hands over the only owner of this open descriptor.
    #[allow(unsafe_code)]
    let file = unsafe { File::from_raw_fd(iface.into_raw_fd()) };
    fcntl(&file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    clear_offload(&file)?;
    Ok(file)
}

/// Asks for whole frames with their checksums: an interface keeps what its last user asked for.
pub(super) fn clear_offload(file: &File) -> io::Result<()> {
    set_offload(file, 0)
}

fn set_offload(file: &File, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes flags by value and touches no memory of ours; the descriptor is open.
    #[allow(unsafe_code)]
    unsafe { ioctl::tun_set_offload(file.as_raw_fd(), flags.cast_signed()) }?;
    Ok(())
}

/// The largest IP packet that `name` carries, in bytes.
pub(super) fn mtu(name: &str) -> Result<usize, TapError> {
    read_mtu(name).map_err(|error| TapError::Other(name.to_owned(), error))
}

/// The Ethernet address of this machine's end of the interface `name`: the kernel chose it by chance.
pub(super) fn ethernet_address(name: &str) -> Result<[u8; 6], TapError> {
    let interfaces = getifaddrs().map_err(|error| TapError::Other(name.to_owned(), error.into()))?;
    let mut addresses = interfaces.filter(|interface| interface.interface_name == name);
    addresses
        .find_map(|interface| interface.address?.as_link_addr()?.addr())
        .ok_or_else(|| TapError::NotATap(name.to_owned()))
}

fn read_mtu(name: &str) -> io::Result<usize> {
    // Any socket will do to ask about an interface of this network namespace.
    let socket = UdpSocket::bind(("127.0.0.1", 0)).or_else(|_| UdpSocket::bind(("::1", 0)))?;
    let mut request = request(name);
    // SAFETY: SIOCGIFMTU reads and writes one ifreq, which `request` is; the descriptor is open.
    #[allow(unsafe_code)]
    unsafe { ioctl::interface_mtu(socket.as_raw_fd(), &raw mut request) }?;
    // SAFETY: SIOCGIFMTU has just set this member of the union.
    #[allow(unsafe_code)]
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    usize::try_from(mtu).map_err(|_| ErrorKind::InvalidData.into())
}

/// A question about the interface `name`.
fn request(name: &str) -> libc::ifreq {
    // SAFETY: an ifreq is plain integers and arrays; all zeroes is a value of each.
    #[allow(unsafe_code)]
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // One byte stays zero, so the name is terminated.
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name[..room].iter_mut().zip(name.bytes()) {
        *to = from.cast_signed() as libc::c_char;
    }
    request
}

/// The calls that neither `tun-tap` nor `nix` has.
#[allow(missing_docs)] // The macros take no text.
mod ioctl {
    use nix::libc;

    nix::ioctl_write_ptr_bad!(tun_set_interface, libc::TUNSETIFF, libc::ifreq);
    nix::ioctl_write_ptr_bad!(tun_set_header_size, libc::TUNSETVNETHDRSZ, libc::c_int);
    nix::ioctl_write_int_bad!(tun_set_offload, libc::TUNSETOFFLOAD);
    nix::ioctl_readwrite_bad!(interface_mtu, libc::SIOCGIFMTU, libc::ifreq);
}

/// Why an interface cannot be attached to. Its text is one line.
#[derive(Debug, Error)]
pub enum TapError {
    /// There is no interface of that name.
    #[error("{0} does not exist: run {set_up}", set_up = set_up(.0))]
    Missing(String),
    /// The kernel has no TAPs, or its module is not loaded.
    #[error("{TUN} is missing: run sudo modprobe tun, then {set_up}", set_up = set_up(.0))]
    NoTun(String),
    /// This user may not open the file from which the kernel hands out TAPs.
    #[error("{0} cannot be had: {TUN} may not be opened by this user: run sudo chmod a+rw {TUN}")]
    TunDenied(String),
    /// The interface is another user's.
    #[error("{0} may not be opened by this user: run {set_up} --user $(id -un)", set_up = set_up(.0))]
    Denied(String),
    /// Another server is attached to it: taking another link instead would hide a mistake.
    #[error("another server holds {0}: stop it, or name another TAP with --link")]
    Held(String),
    /// It is a network interface of another kind.
    #[error("{0} is no TAP interface: name another with --link tap:NAME")]
    NotATap(String),
    /// Anything else.
    #[error("{0} cannot be opened: {1}")]
    Other(String, io::Error),
}

impl TapError {
    fn of(name: &str, error: io::Error) -> Self {
        let name = name.to_owned();
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => Self::NoTun(name),
            // The file system refuses /dev/net/tun with the one, the kernel an interface with the other.
            Some(libc::EACCES) => Self::TunDenied(name),
            Some(libc::EPERM) => Self::Denied(name),
            Some(libc::EBUSY) => Self::Held(name),
            Some(libc::EINVAL) => Self::NotATap(name),
            _ => Self::Other(name, error),
        }
    }
}

/// The command that makes the interface `name`.
fn set_up(name: &str) -> String {
    if name == "tap0" {
        "sudo ./tap-setup/tap-setup up".to_owned()
    } else {
        format!("sudo ./tap-setup/tap-setup up --name {name}")
    }
}
