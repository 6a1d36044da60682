//! A peer: a machine with a TCP of its own, made of smoltcp, and a script.

use std::collections::VecDeque;

use r2_sim::host::{FIRST_PORT, Host};
use r2_sim::simulation::{R2_ADDRESS, R2_ADDRESS6};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{RecvError, Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Address, Ipv6Address};

/// How long a peer's TCP goes on without an answer.
const PATIENCE: Duration = Duration::from_secs(100);

/// What a peer does next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Does nothing for so long.
    Pause(Duration),
    /// Sends all of it.
    Send(Vec<u8>),
    /// Waits for one more line.
    Line,
    /// Sends the file from the offset on that R2's last line names, at most up to byte `.1`.
    Upload(Vec<u8>, usize),
    /// Reads nothing for so long, and goes on with the script meanwhile.
    Deaf(Duration),
    /// Sends FIN.
    Fin,
    /// Reads to R2's FIN.
    ToEnd,
    /// Sends RST.
    Abort,
    /// Pulls the plug.
    Vanish,
}

/// How R2's side of the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// FIN.
    Fin,
    /// RST, or silence.
    Broken,
}

/// A peer, its machine, and what it has heard.
pub(super) struct Peer {
    pub(super) host: Host,
    pub(super) heard: Vec<u8>,
    pub(super) end: Option<End>,
    /// R2 answered its SYN.
    pub(super) connected: bool,
    /// It sent FIN behind all that it had to say.
    pub(super) finished: bool,
    /// It pulled its plug, or sent RST, of its own accord.
    pub(super) broke_off: bool,
    /// Nothing reaches it, nothing leaves it.
    pub(super) unplugged: bool,
    handle: SocketHandle,
    /// The address of R2's that it calls.
    r2: IpAddress,
    port: u16,
    script: VecDeque<Step>,
    /// How much of the step at the front is done.
    done: usize,
    lines: usize,
    begins: Instant,
    begun: bool,
    waits_until: Option<Instant>,
    deaf_until: Instant,
}

/// The port that every peer has its connection on.
pub(super) const PORT: u16 = FIRST_PORT;

/// The IP address of peer `index`.
pub(super) fn address(index: usize) -> Ipv4Address {
    Ipv4Address::new(192, 168, 69, 100 + u8::try_from(index).expect("a few peers"))
}

/// The address of peer `index`'s machine.
pub(super) fn mac(index: usize) -> EthernetAddress {
    EthernetAddress([2, 0, 0, 0, 1, u8::try_from(index).expect("a few peers")])
}

impl Peer {
    /// Peer `index`, which will connect to `port`.
    pub(super) fn new(index: usize, port: u16, buffer: usize, begins: Instant, script: Vec<Step>) -> Self {
        let cidr = IpCidr::new(address(index).into(), 24);
        let mut host = Host::new(mac(index), &[cidr], index as u64);
        let ring = || SocketBuffer::new(vec![0; buffer]);
        let mut socket = Socket::new(ring(), ring());
        socket.set_timeout(Some(PATIENCE));
        let handle = host.sockets.add(socket);
        Self {
            host,
            heard: Vec::new(),
            end: None,
            connected: false,
            finished: false,
            broke_off: false,
            unplugged: false,
            handle,
            r2: R2_ADDRESS.into(),
            port,
            script: script.into(),
            done: 0,
            lines: 0,
            begins,
            begun: false,
            waits_until: None,
            deaf_until: Instant::ZERO,
        }
    }

    /// From now on it has an IPv6 address, of that number, and calls that of R2's.
    pub(super) fn speak_ipv6(&mut self, number: u16) {
        let address = Ipv6Address::new(0xfd69, 0, 0, 0, 0, 0, 1, number);
        self.host.set_addresses(&[IpCidr::new(address.into(), 64)]);
        self.r2 = R2_ADDRESS6.into();
    }

    /// The port of R2's that it calls.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Whether it has nothing left to do.
    pub(super) fn is_done(&self) -> bool {
        self.unplugged || (self.begun && self.script.is_empty())
    }

    /// Does all that it can do now; whether anything moved.
    pub(super) fn turn(&mut self, now: Instant) -> bool {
        if self.unplugged || now < self.begins {
            self.host.wire.arriving.clear();
            return false;
        }
        if !self.begun {
            self.begun = true;
            let connected = self.host.connect(self.handle, (self.r2, self.port));
            assert_eq!(connected, Ok(PORT), "a new socket on the first port");
        }
        let arrived = !self.host.wire.arriving.is_empty();
        self.host.poll(now);
        self.connected |= self.host.sockets.get::<Socket>(self.handle).state() == State::Established;
        let acted = self.act(now);
        if acted {
            self.host.poll(now);
        }
        if self.unplugged {
            self.host.wire.leaving.clear();
        }
        arrived || acted || !self.host.wire.leaving.is_empty()
    }

    /// When it wants its next turn.
    pub(super) fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        if self.unplugged {
            return None;
        }
        if !self.begun {
            return Some(self.begins);
        }
        let deaf = (self.deaf_until > now).then_some(self.deaf_until);
        let socket = self.host.poll_at(now);
        [self.waits_until, deaf, socket].into_iter().flatten().min()
    }

    fn act(&mut self, now: Instant) -> bool {
        let mut moved = self.read(now);
        while self.end != Some(End::Broken)
            && let Some(step) = self.script.front().cloned()
        {
            if !self.go_on(&step, now) {
                return moved;
            }
            self.script.pop_front();
            self.done = 0;
            moved = true;
        }
        if self.end == Some(End::Broken) {
            self.script.clear();
            self.waits_until = None;
        }
        moved
    }

    /// Reads all there is.
    fn read(&mut self, now: Instant) -> bool {
        if now < self.deaf_until || self.end.is_some() {
            return false;
        }
        let socket = self.host.sockets.get_mut::<Socket>(self.handle);
        let mut moved = false;
        loop {
            match socket.recv(|bytes| (bytes.len(), bytes.to_vec())) {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => self.heard.extend(bytes),
                Err(RecvError::Finished) => {
                    self.end = Some(End::Fin);
                    moved = true;
                    break;
                }
                Err(RecvError::InvalidState) => {
                    if socket.state() == State::Closed {
                        self.end = Some(End::Broken);
                        moved = true;
                    }
                    break;
                }
            }
            moved = true;
        }
        moved
    }

    /// Goes on with a step; whether it is done.
    fn go_on(&mut self, step: &Step, now: Instant) -> bool {
        let socket = self.host.sockets.get_mut::<Socket>(self.handle);
        match step {
            Step::Pause(time) => {
                let until = *self.waits_until.get_or_insert(now + *time);
                if now < until {
                    return false;
                }
                self.waits_until = None;
                true
            }
            Step::Send(bytes) => self.send(bytes),
            Step::Line => self.take_line(),
            Step::Upload(bytes, most) => self.upload(bytes, *most),
            Step::Deaf(time) => {
                self.deaf_until = now + *time;
                true
            }
            Step::Fin => {
                if !matches!(socket.state(), State::SynSent | State::SynReceived) {
                    self.finished = true;
                    socket.close();
                    return true;
                }
                false
            }
            Step::ToEnd => {
                let ended = self.end.is_some();
                if ended {
                    socket.close();
                }
                ended
            }
            Step::Abort => {
                self.read(now);
                self.host.sockets.get_mut::<Socket>(self.handle).abort();
                self.broke_off = true;
                true
            }
            Step::Vanish => {
                self.read(now);
                (self.unplugged, self.broke_off) = (true, true);
                true
            }
        }
    }

    /// Takes the next line of R2's; whether it has come, or none can come any more.
    fn take_line(&mut self) -> bool {
        let Some(length) = self.heard[self.lines..].iter().position(|byte| *byte == b'\n') else {
            return self.end.is_some();
        };
        self.lines += length + 1;
        true
    }

    /// Sends `bytes` from the offset that R2's last line, `SEND`, has named, up to offset `most`; whether that is done.
    /// Sends nothing where that line says something else.
    fn upload(&mut self, bytes: &[u8], most: usize) -> bool {
        let line = String::from_utf8_lossy(&self.heard[..self.lines]).into_owned();
        let offset = line
            .lines()
            .last()
            .and_then(|line| line.strip_prefix("SEND ")?.parse().ok());
        let rest =
            |offset: usize| bytes[offset..].get(..most.saturating_sub(offset).min(bytes.len() - offset));
        offset.and_then(rest).is_none_or(|rest| self.send(rest))
    }

    fn send(&mut self, bytes: &[u8]) -> bool {
        let socket = self.host.sockets.get_mut::<Socket>(self.handle);
        if !socket.may_send() && !matches!(socket.state(), State::SynSent | State::SynReceived) {
            // R2 will not hear it any more.
            return true;
        }
        self.done += socket.send_slice(&bytes[self.done..]).unwrap_or(0);
        self.done == bytes.len()
    }
}
