//! A TAP: R2's node in a thread of this process, KALI on the kernel's sockets.

use std::io::{self, PipeWriter, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::linux::net::TcpStreamExt;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use r2_links::pcap::{self, Tee};
use r2_links::server::{Server, UntilClosed};
use r2_links::tap::Tap;
use rustix::net::{SendFlags, send};
use smoltcp::wire::Ipv4Cidr;
use tempfile::NamedTempFile;

use super::diary::NotedCall;
use super::kali::{ConnectionId, Kali, Setting, Wishes};
use super::machine::Machine;
use super::packet::Frame;

/// How long one call may take: far longer than it does.
const PATIENCE: Duration = Duration::from_secs(10);

/// For how long Linux delays an acknowledgement at least (`TCP_ATO_MIN`).
const ACK_DELAY: Duration = Duration::from_millis(40);

/// R2 on a TAP.
pub(super) struct OnTap {
    setting: Setting,
    address: IpAddr,
    connections: Vec<(Option<TcpStream>, u16, Wishes)>,
    /// R2 goes on as long as this is open.
    going_on: Option<PipeWriter>,
    /// R2's thread, and the file in which it writes every frame.
    r2: Option<JoinHandle<io::Result<Vec<NotedCall>>>>,
    file: NamedTempFile,
}

impl OnTap {
    /// Starts R2 at `ip` on the TAP `name`.
    pub(super) fn open(name: &str, ip: Ipv4Cidr) -> io::Result<Self> {
        let tap = Tap::open(name).map_err(|error| io::Error::other(error.to_string()))?;
        let file = NamedTempFile::with_prefix("r2-lab-")?;
        let (end, going_on) = io::pipe()?;
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
        let link = Tee::new(tap, Some(file.path()))?;
        let r2 = thread::Builder::new().name("r2".into()).spawn(move || {
            let machine = |link: &mut _| io::Result::Ok(Machine::new(ip, secret, |_| unix_time(), link));
            let mut r2 = Server::start(link, machine)?;
            r2.run(&mut UntilClosed::new(end))?;
            Ok(r2.served.calls())
        })?;
        Ok(Self {
            setting: Setting {
                wire: name.to_owned(),
                kali: "Linux",
                one_way: Duration::ZERO,
                loss: 0,
                ack_delay: ACK_DELAY,
                in_memory: false,
            },
            address: IpAddr::V4(ip.address()),
            connections: Vec::new(),
            going_on: Some(going_on),
            r2: Some(r2),
            file,
        })
    }

    fn stream(&self, connection: ConnectionId) -> io::Result<(&TcpStream, Wishes)> {
        match self.connections.get(connection.0) {
            Some((Some(stream), _, wishes)) => Ok((stream, *wishes)),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// The clock that stamps the frames.
fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Kali for OnTap {
    fn setting(&self) -> &Setting {
        &self.setting
    }

    fn now(&self) -> Duration {
        unix_time()
    }

    /// A TAP loses nothing.
    fn lose(&mut self, _: u8) {}

    fn connect(&mut self, port: u16, wishes: Wishes) -> io::Result<ConnectionId> {
        let to = SocketAddr::new(self.address, port);
        let stream = TcpStream::connect_timeout(&to, PATIENCE).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("this machine cannot reach R2 at {to}: {error}; tap-setup/tap-setup up gives it an address there"),
            )
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(!wishes.nagle)?;
        stream.set_quickack(!wishes.delayed_ack)?;
        let port = stream.local_addr()?.port();
        self.connections.push((Some(stream), port, wishes));
        Ok(ConnectionId(self.connections.len() - 1))
    }

    fn port(&self, connection: ConnectionId) -> u16 {
        self.connections.get(connection.0).map_or(0, |(_, port, _)| *port)
    }

    fn write(&mut self, connection: ConnectionId, bytes: &[u8]) -> io::Result<()> {
        let (mut stream, wishes) = self.stream(connection)?;
        stream.write_all(bytes)?;
        // What is sent makes Linux think of a conversation, and delay the next acknowledgement.
        stream.set_quickack(!wishes.delayed_ack)
    }

    fn write_more(&mut self, connection: ConnectionId, bytes: &[u8]) -> io::Result<()> {
        let (stream, _) = self.stream(connection)?;
        if send(stream, bytes, SendFlags::MORE)? < bytes.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }

    fn read(&mut self, connection: ConnectionId, count: usize) -> io::Result<Vec<u8>> {
        let (mut stream, wishes) = self.stream(connection)?;
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes)?;
        stream.set_quickack(!wishes.delayed_ack)?;
        Ok(bytes)
    }

    fn close(&mut self, connection: ConnectionId) -> io::Result<Vec<u8>> {
        let (mut stream, _) = self.stream(connection)?;
        stream.shutdown(Shutdown::Write)?;
        let mut read = Vec::new();
        stream.read_to_end(&mut read)?;
        self.connections[connection.0].0 = None;
        Ok(read)
    }

    fn ask(&mut self, port: u16, datagram: &[u8], within: Duration) -> io::Result<Option<Vec<u8>>> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect((self.address, port))?;
        socket.set_read_timeout(Some(within))?;
        socket.send(datagram)?;
        let mut bytes = [0; 1500];
        match socket.recv(&mut bytes) {
            Ok(length) => Ok(Some(bytes[..length].to_vec())),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn finish(mut self: Box<Self>) -> io::Result<(Vec<Frame>, Vec<NotedCall>)> {
        let calls = self.end()?;
        Ok((read(self.file.path())?, calls))
    }
}

impl OnTap {
    /// Ends R2, if that has not happened: what its sessions were asked to do.
    fn end(&mut self) -> io::Result<Vec<NotedCall>> {
        self.going_on = None;
        match self.r2.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            // A panic has told about itself.
            Some(Err(_)) => Err(io::Error::other("R2 has ended")),
            None => Ok(Vec::new()),
        }
    }
}

impl Drop for OnTap {
    fn drop(&mut self) {
        // An experiment has failed, and has said why.
        let _ = self.end();
    }
}

fn read(path: &Path) -> io::Result<Vec<Frame>> {
    let frames = pcap::read_all(path)?;
    Ok(frames
        .into_iter()
        .map(|(at, bytes)| Frame {
            at,
            bytes,
            lost: false,
        })
        .collect())
}
