//! A kernel TCP connection under the traits that [`r2_core::io::Pump`] drives.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use embedded_io::{BufRead, ErrorType, ReadReady, WriteReady};
use nix::libc::linger;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use r2_core::io::Connection;
use r2_core::session::Over;

/// How many bytes one read of the kernel brings.
const READ_AT_ONCE: usize = 64 * 1024;

/// A connected TCP socket of the kernel's that never waits.
///
/// Wait for it with [`AsFd`] in a `poll` of your own: for reading always, for writing while the pump
/// [wants to](r2_core::io::Pump::wants_to_write).
pub struct Socket {
    /// `None` once the connection was given up.
    stream: Option<TcpStream>,
    read: Box<[u8]>,
    start: usize,
    end: usize,
    peer_finished: bool,
    finished: bool,
    over: Option<Over>,
}

impl Socket {
    /// Takes over an established connection and makes it non-blocking.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: Some(stream),
            read: vec![0; READ_AT_ONCE].into_boxed_slice(),
            start: 0,
            end: 0,
            peer_finished: false,
            finished: false,
            over: None,
        })
    }

    /// Whether the peer's FIN was reached.
    pub fn peer_finished(&self) -> bool {
        self.peer_finished
    }

    /// The descriptor to wait for; `None` once the connection was given up.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.stream.as_ref().map(AsFd::as_fd)
    }

    fn stream(&self) -> io::Result<&TcpStream> {
        self.stream
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn failed(&mut self, error: io::Error) -> io::Error {
        self.over = Some(how_it_ended(error.kind()));
        error
    }
}

/// Closes a socket that lingers for no time, which sends RST. Should that fail it sends FIN: the connection ends all the
/// same.
pub fn close_with_reset(stream: impl AsFd) {
    let no_time = linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let _ = setsockopt(&stream, sockopt::Linger, &no_time);
}

fn how_it_ended(kind: io::ErrorKind) -> Over {
    match kind {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Over::Reset,
        io::ErrorKind::TimedOut => Over::TimedOut,
        _ => Over::Unknown,
    }
}

impl ErrorType for Socket {
    type Error = io::Error;
}

impl ReadReady for Socket {
    fn read_ready(&mut self) -> io::Result<bool> {
        if self.start < self.end || self.peer_finished {
            return Ok(true);
        }
        let Some(mut stream) = self.stream.as_ref() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match stream.read(&mut self.read) {
            Ok(count) => {
                (self.start, self.end) = (0, count);
                self.peer_finished = count == 0;
                Ok(true)
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(false),
            Err(e) => Err(self.failed(e)),
        }
    }
}

impl embedded_io::Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = Read::read(&mut self.fill_buf()?, buf)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Socket {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.read[self.start..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.start = (self.start + amount).min(self.end);
    }
}

impl WriteReady for Socket {
    fn write_ready(&mut self) -> io::Result<bool> {
        let mut waiting = [PollFd::new(self.stream()?.as_fd(), PollFlags::POLLOUT)];
        Ok(poll(&mut waiting, PollTimeout::ZERO)? > 0)
    }
}

impl embedded_io::Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut stream = self.stream()?;
        match stream.write(buf) {
            Ok(count) => Ok(count),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
            Err(e) => Err(self.failed(e)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Connection for Socket {
    fn finish(&mut self) -> io::Result<()> {
        self.finished = true;
        self.stream()?.shutdown(std::net::Shutdown::Write)
    }

    fn abort(&mut self) {
        if let Some(stream) = self.stream.take() {
            close_with_reset(stream);
            self.over.get_or_insert(Over::Stopped);
        }
    }

    /// Both FINs acknowledged is [`Over::Delivered`] where the kernel tells: Linux forgets the peer's address then,
    /// and leaves an error behind when it was RST or silence instead. Elsewhere both FINs seen are
    /// [`Over::Unknown`].
    fn ended(&mut self) -> Option<Over> {
        if self.over.is_none() && self.finished && self.peer_finished && self.start == self.end {
            self.over = self.both_finished();
        }
        self.over
    }
}

impl Socket {
    fn both_finished(&self) -> Option<Over> {
        let stream = self.stream.as_ref()?;
        if !cfg!(target_os = "linux") {
            return Some(Over::Unknown);
        }
        stream.peer_addr().err()?;
        match stream.take_error() {
            Ok(None) => Some(Over::Delivered),
            Ok(Some(error)) | Err(error) => Some(how_it_ended(error.kind())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn pair() -> (TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (peer, Socket::new(listener.accept().unwrap().0).unwrap())
    }

    fn wait(socket: &Socket, what: PollFlags) {
        poll(
            &mut [PollFd::new(socket.descriptor().unwrap(), what)],
            PollTimeout::NONE,
        )
        .unwrap();
    }

    #[test]
    fn bytes_then_fin_then_our_fin_acknowledged_is_delivered() {
        let (mut peer, mut socket) = pair();
        assert!(!socket.read_ready().unwrap());
        peer.write_all(b"hello").unwrap();
        wait(&socket, PollFlags::POLLIN);
        assert!(socket.read_ready().unwrap());
        assert_eq!(socket.fill_buf().unwrap(), b"hello");
        socket.consume(5);
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        wait(&socket, PollFlags::POLLIN);
        assert!(socket.read_ready().unwrap() && socket.fill_buf().unwrap().is_empty());
        assert_eq!(socket.ended(), None);
        socket.finish().unwrap();
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
        while socket.ended().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(socket.ended(), Some(Over::Delivered));
    }

    #[test]
    fn a_peer_that_resets_after_its_fin_did_not_take_delivery() {
        let (peer, mut socket) = pair();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        wait(&socket, PollFlags::POLLIN);
        assert!(socket.read_ready().unwrap());
        drop(peer);
        embedded_io::Write::write(&mut socket, b"receipt\n").unwrap();
        wait(&socket, PollFlags::POLLHUP);
        let _ = socket.finish();
        assert_eq!(socket.ended(), Some(Over::Reset));
    }

    #[test]
    fn abort_resets_the_peer() {
        let (mut peer, mut socket) = pair();
        socket.abort();
        assert_eq!(socket.ended(), Some(Over::Stopped));
        assert_eq!(
            peer.read(&mut [0; 8]).unwrap_err().kind(),
            io::ErrorKind::ConnectionReset
        );
    }
}
