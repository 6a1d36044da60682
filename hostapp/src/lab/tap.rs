//! A TAP: R2's node in a thread of this process, KALI on the kernel's sockets.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::linux::net::TcpStreamExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::poll::{PollFd, PollFlags};
use rustix::net::{SendFlags, send};
use smoltcp::time::Instant;
use smoltcp::wire::Ipv4Cidr;
use tempfile::NamedTempFile;

use super::diary::Call;
use super::kali::{Connection, Kali, Setting, Wishes};
use super::packet::Frame;
use super::r2::Machine;
use crate::link::Link as _;
use crate::link::tap::Tap;
use crate::pcap::{self, Tee};
use crate::wake::{Wake, wait_for};

/// How long one call may take: far longer than it does.
const PATIENCE: Duration = Duration::from_secs(10);

/// For how long Linux delays an acknowledgement at least (`TCP_ATO_MIN`).
const ACK_DELAY: Duration = Duration::from_millis(40);

/// R2 on a TAP.
pub(super) struct OnTap {
    setting: Setting,
    address: IpAddr,
    connections: Vec<(Option<TcpStream>, u16, Wishes)>,
    wake: Arc<Wake>,
    ended: Arc<AtomicBool>,
    /// R2's thread, and the file in which it writes every frame.
    r2: Option<JoinHandle<io::Result<Vec<Call>>>>,
    file: NamedTempFile,
}

impl OnTap {
    /// Starts R2 at `ip` on the TAP `name`.
    pub(super) fn open(name: &str, ip: Ipv4Cidr) -> io::Result<Self> {
        let tap = Tap::open(name).map_err(|error| io::Error::other(error.to_string()))?;
        let file = NamedTempFile::with_prefix("r2-lab-")?;
        let wake = Arc::new(Wake::new()?);
        let ended = Arc::new(AtomicBool::new(false));
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
        let mut link = Tee::new(tap, Some(file.path()))?;
        let (woken, end) = (wake.clone(), ended.clone());
        let r2 = thread::Builder::new().name("r2".into()).spawn(move || {
            let machine = Machine::new(ip, secret, |_| unix_time(), &mut link);
            serve(machine, link, &woken, &end)
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
            wake,
            ended,
            r2: Some(r2),
            file,
        })
    }

    fn stream(&self, connection: Connection) -> io::Result<(&TcpStream, Wishes)> {
        match self.connections.get(connection.0) {
            Some((Some(stream), _, wishes)) => Ok((stream, *wishes)),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Drives R2 until it is to end, and has, or its TAP is gone.
fn serve(
    mut machine: Machine,
    mut link: Tee<Tap>,
    woken: &Wake,
    ended: &AtomicBool,
) -> io::Result<Vec<Call>> {
    let clock = std::time::Instant::now();
    let mut stopping = false;
    loop {
        let now = Instant::from_micros(i64::try_from(clock.elapsed().as_micros()).unwrap_or(i64::MAX));
        if !stopping && ended.load(Ordering::Acquire) {
            stopping = true;
            machine.stop(now);
        }
        let next = machine.poll(now, &mut link);
        if let Some(error) = link.device_mut().take_error() {
            return Err(error);
        }
        if stopping && machine.is_stopped(now) {
            break;
        }
        let timeout = next.map(|at| {
            if at > now {
                (at - now).into()
            } else {
                Duration::ZERO
            }
        });
        let tap = link.device();
        let mut fds = [
            PollFd::new(tap.as_fd(), tap.wanted()),
            PollFd::new(woken.as_fd(), PollFlags::POLLIN),
        ];
        // Interrupted or not: the loop looks at everything again.
        let _ = wait_for(&mut fds, timeout);
    }
    link.finish()?;
    Ok(machine.calls())
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

    fn connect(&mut self, port: u16, wishes: Wishes) -> io::Result<Connection> {
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
        Ok(Connection(self.connections.len() - 1))
    }

    fn port(&self, connection: Connection) -> u16 {
        self.connections.get(connection.0).map_or(0, |(_, port, _)| *port)
    }

    fn write(&mut self, connection: Connection, bytes: &[u8]) -> io::Result<()> {
        let (mut stream, wishes) = self.stream(connection)?;
        stream.write_all(bytes)?;
        // What is sent makes Linux think of a conversation, and delay the next acknowledgement.
        stream.set_quickack(!wishes.delayed_ack)
    }

    fn write_more(&mut self, connection: Connection, bytes: &[u8]) -> io::Result<()> {
        let (stream, _) = self.stream(connection)?;
        if send(stream, bytes, SendFlags::MORE)? < bytes.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }

    fn read(&mut self, connection: Connection, count: usize) -> io::Result<Vec<u8>> {
        let (mut stream, wishes) = self.stream(connection)?;
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes)?;
        stream.set_quickack(!wishes.delayed_ack)?;
        Ok(bytes)
    }

    fn close(&mut self, connection: Connection) -> io::Result<Vec<u8>> {
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

    fn finish(mut self: Box<Self>) -> io::Result<(Vec<Frame>, Vec<Call>)> {
        let calls = self.end()?;
        Ok((read(self.file.path())?, calls))
    }
}

impl OnTap {
    /// Ends R2, if that has not happened: what its sessions were asked to do.
    fn end(&mut self) -> io::Result<Vec<Call>> {
        self.ended.store(true, Ordering::Release);
        self.wake.wake();
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
