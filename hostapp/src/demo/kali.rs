//! KALI: what netcat does, in a few lines.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};

use super::PATIENCE;

/// A connection of KALI's, and what it has printed.
pub(super) struct Netcat {
    stream: TcpStream,
    screen: Vec<u8>,
}

impl Netcat {
    pub(super) fn connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            screen: Vec::new(),
        })
    }

    /// Sends `input`, half-closes, and returns all that comes: `nc -N`.
    pub(super) fn run(to: SocketAddr, input: &[u8]) -> io::Result<String> {
        let mut netcat = Self::connect(to)?;
        netcat.stream.write_all(input)?;
        netcat.finish()
    }

    pub(super) fn types(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\n").as_bytes())
    }

    /// Waits until `text` is on the screen.
    pub(super) fn sees(&mut self, text: &str) -> io::Result<()> {
        let mut bytes = [0; 1024];
        while !String::from_utf8_lossy(&self.screen).contains(text) {
            match self.stream.read(&mut bytes)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => self.screen.extend_from_slice(&bytes[..read]),
            }
        }
        Ok(())
    }

    /// Half-closes and returns the whole screen.
    pub(super) fn finish(mut self) -> io::Result<String> {
        self.stream.shutdown(Shutdown::Write)?;
        self.stream.read_to_end(&mut self.screen)?;
        Ok(String::from_utf8_lossy(&self.screen).into_owned())
    }
}

/// Sends `question` as a datagram and returns the answer: `nc -u -W 1`.
pub(super) fn ask_by_datagram(to: SocketAddr, question: &str) -> io::Result<String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(to)?;
    socket.send(question.as_bytes())?;
    let mut bytes = [0; 1500];
    let length = socket.recv(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}
