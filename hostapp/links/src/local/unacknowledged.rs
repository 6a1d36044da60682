//! What a kernel socket has sent and its peer has not acknowledged, and for how long it has heard nothing of the peer.

use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::libc;

/// For how long a TCP socket has received no acknowledgement. A peer that lives acknowledges probes, those of a closed
/// window as well.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(unsafe_code)]
pub(super) fn silent_for(socket: &impl AsFd) -> io::Result<Duration> {
    // SAFETY: a `tcp_info` is numbers, and all of them may be 0.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of_val(&info)).map_err(io::Error::other)?;
    // SAFETY: TCP_INFO writes at most `length` bytes, which is the size of `info`; the descriptor is open.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::from_millis(info.tcpi_last_ack_recv.into()))
}

/// This kernel does not tell, and ends the connection by itself when it has sent the same bytes often enough.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn silent_for(_: &impl AsFd) -> io::Result<Duration> {
    Ok(Duration::ZERO)
}

/// How many bytes of a TCP socket, its FIN included, the peer's kernel has not acknowledged.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(unsafe_code)]
pub(super) fn unacknowledged(socket: &impl AsFd) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: TIOCOUTQ (which is SIOCOUTQ) writes one int, which `bytes` is; the descriptor is open.
    unsafe { request::out_queue(socket.as_fd().as_raw_fd(), &raw mut bytes) }?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// How many bytes of a TCP socket the peer's kernel has not acknowledged.
#[cfg(target_vendor = "apple")]
#[allow(unsafe_code)]
pub(super) fn unacknowledged(socket: &impl AsFd) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    // SAFETY: SO_NWRITE writes one int, which `bytes` is and `length` says; the descriptor is open.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NWRITE,
            (&raw mut bytes).cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// The call that `nix` does not have.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(missing_docs)] // The macro takes no text.
mod request {
    use nix::libc;

    nix::ioctl_read_bad!(out_queue, libc::TIOCOUTQ, libc::c_int);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream};

    #[test]
    fn a_peer_that_does_not_read_leaves_bytes_and_a_fin_unacknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        assert_eq!(unacknowledged(&ours).unwrap(), 0);
        ours.set_nonblocking(true).unwrap();
        while ours.write(&[0; 4096]).is_ok() {}
        assert!(unacknowledged(&ours).unwrap() > 0);
        ours.shutdown(Shutdown::Write).unwrap();
        io::copy(&mut peer, &mut io::sink()).unwrap();
        drop(peer);
        while unacknowledged(&ours).unwrap() > 0 {
            std::thread::yield_now();
        }
    }
}
