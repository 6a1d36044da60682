//! The wire in memory: R2's node at one end, KALI on a smoltcp of her own at the other, a delay and a loss between
//! them, and a clock that jumps to the next event.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use r2_links::server::Served as _;
use r2_sim::wire::Wire;
use smoltcp::iface::{self, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::{Duration as Micros, Instant};
use smoltcp::wire::{EthernetAddress, IpCidr, IpEndpoint, Ipv4Address, Ipv4Cidr};

use super::diary::NotedCall;
use super::kali::{ConnectionId, Kali, Setting, Wishes};
use super::machine::Machine;
use super::packet::Frame;

/// KALI's Ethernet address.
const KALI: EthernetAddress = EthernetAddress([0x02, 0x52, 0x4b, 0, 0, 1]);

/// For how long KALI delays an acknowledgement where she does: Linux's least.
const ACK_DELAY: Micros = Micros::from_millis(40);

/// Her first port (RFC 6335, the dynamic ones).
const FIRST_PORT: u16 = 49_152;

/// How long one call may take on the wire's clock: TCP's pauses double with every loss.
const PATIENCE: Micros = Micros::from_secs(600);

/// The clock's step: a frame on a wire without a delay takes so long, so that what follows from it comes later.
const STEP: Micros = Micros::from_micros(1);

/// What both ends may do at one moment before that is an error.
const TURNS_AT_ONCE: usize = 10_000;

const BUFFER: usize = 16 * 1024;

/// How a wire is.
#[derive(Clone, Copy, Debug)]
pub(super) struct InMemoryOptions {
    pub(super) ip: Ipv4Cidr,
    pub(super) rtt: Duration,
    pub(super) loss: u8,
    pub(super) seed: u64,
}

/// R2, KALI and the wire.
pub(super) struct InMemory {
    setting: Setting,
    now: Instant,
    delay: Micros,
    machine: Machine,
    r2: Wire,
    kali: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    /// Each connection's socket while it is open, and its port.
    connections: Vec<(Option<SocketHandle>, u16)>,
    /// Sockets that are in TIME-WAIT, where they still acknowledge, or were.
    closed: Vec<SocketHandle>,
    next_port: u16,
    address: Ipv4Address,
    /// Frames on their way, by arrival and by order: whether to R2, and their bytes.
    on_the_way: BTreeMap<(Instant, usize), (bool, Vec<u8>)>,
    frames: Vec<Frame>,
    loss: u8,
    chance: fastrand::Rng,
}

impl InMemory {
    pub(super) fn new(options: &InMemoryOptions) -> Self {
        let (mut r2, mut kali, now) = (Wire::default(), Wire::default(), Instant::ZERO);
        let mut chance = fastrand::Rng::with_seed(options.seed);
        let secret = std::array::from_fn(|_| chance.u8(..));
        let machine = Machine::new(options.ip, secret, |now| now, &mut r2);
        let mut config = iface::Config::new(KALI.into());
        config.random_seed = chance.u64(..);
        let mut interface = Interface::new(config, &mut kali, now);
        interface.update_ip_addrs(|addresses| {
            // There is room for the first.
            let _ = addresses.push(IpCidr::Ipv4(neighbor(options.ip)));
        });
        let one_way = options.rtt / 2;
        Self {
            setting: Setting {
                wire: "the wire in memory".into(),
                kali: "smoltcp",
                one_way,
                loss: options.loss,
                ack_delay: ACK_DELAY.into(),
                in_memory: true,
            },
            now,
            delay: Micros::from(one_way).max(STEP),
            machine,
            r2,
            kali,
            interface,
            sockets: SocketSet::new(Vec::new()),
            connections: Vec::new(),
            closed: Vec::new(),
            next_port: FIRST_PORT,
            address: options.ip.address(),
            on_the_way: BTreeMap::new(),
            frames: Vec::new(),
            loss: 0,
            chance,
        }
    }

    /// Lets everything happen that can happen now; when the next thing will.
    fn settle(&mut self) -> io::Result<Option<Instant>> {
        for _ in 0..TURNS_AT_ONCE {
            while let Some(arrival) = self.on_the_way.first_entry()
                && arrival.key().0 <= self.now
            {
                let (to_r2, bytes) = arrival.remove();
                let end = if to_r2 { &mut self.r2 } else { &mut self.kali };
                end.arriving.push_back(bytes);
            }
            let r2_at = self.machine.poll(self.now, &mut self.r2);
            self.interface.poll(self.now, &mut self.kali, &mut self.sockets);
            let sent = self.kali.leaving.len() + self.r2.leaving.len();
            for bytes in std::mem::take(&mut self.kali.leaving) {
                self.send(true, bytes);
            }
            for bytes in std::mem::take(&mut self.r2.leaving) {
                self.send(false, bytes);
            }
            let busy = sent > 0 || !self.r2.arriving.is_empty() || r2_at.is_some_and(|at| at <= self.now);
            if !busy {
                let kali_at = self.interface.poll_at(self.now, &self.sockets);
                let arrival = self.on_the_way.keys().next().map(|(at, _)| *at);
                return Ok([r2_at, kali_at, arrival].into_iter().flatten().min());
            }
        }
        Err(io::Error::other("R2 and KALI never come to rest"))
    }

    fn send(&mut self, to_r2: bool, bytes: Vec<u8>) {
        let lost = self.loss > 0 && self.chance.u8(0..100) < self.loss;
        let at = Duration::from_micros(self.now.total_micros().unsigned_abs());
        if !lost {
            let key = (self.now + self.delay, self.frames.len());
            self.on_the_way.insert(key, (to_r2, bytes.clone()));
        }
        self.frames.push(Frame { at, bytes, lost });
    }

    /// Lets time pass until `done` says so; whether that was before `deadline`.
    fn wait(&mut self, deadline: Instant, mut done: impl FnMut(&mut Self) -> bool) -> io::Result<bool> {
        loop {
            let next = self.settle()?;
            if done(self) {
                // What this has made possible happens now.
                self.settle()?;
                return Ok(true);
            }
            if self.now >= deadline {
                return Ok(false);
            }
            self.now = next.unwrap_or(deadline).max(self.now + STEP).min(deadline);
        }
    }

    /// The same for a call that is to succeed.
    fn wait_for(&mut self, done: impl FnMut(&mut Self) -> bool) -> io::Result<()> {
        if self.wait(self.now + PATIENCE, done)? {
            Ok(())
        } else {
            Err(io::ErrorKind::TimedOut.into())
        }
    }

    fn handle(&self, connection: ConnectionId) -> io::Result<SocketHandle> {
        let found = self.connections.get(connection.0).and_then(|(handle, _)| *handle);
        found.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Removes the sockets whose TIME-WAIT is over.
    fn forget_closed(&mut self) {
        let sockets = &mut self.sockets;
        self.closed.retain(|handle| {
            let waits = sockets.get::<tcp::Socket>(*handle).state() != tcp::State::Closed;
            if !waits {
                sockets.remove(*handle);
            }
            waits
        });
    }

    fn take_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        port
    }
}

impl Kali for InMemory {
    fn setting(&self) -> &Setting {
        &self.setting
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.now.total_micros().unsigned_abs())
    }

    fn lose(&mut self, percent: u8) {
        self.loss = percent;
    }

    fn connect(&mut self, port: u16, wishes: Wishes) -> io::Result<ConnectionId> {
        self.forget_closed();
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(wishes.nagle);
        socket.set_ack_delay(wishes.delayed_ack.then_some(ACK_DELAY));
        let own = self.take_port();
        socket
            .connect(self.interface.context(), (self.address, port), own)
            .map_err(io::Error::other)?;
        let handle = self.sockets.add(socket);
        self.connections.push((Some(handle), own));
        self.wait_for(|lab| {
            !matches!(
                lab.sockets.get::<tcp::Socket>(handle).state(),
                tcp::State::SynSent
            )
        })?;
        if !self.sockets.get::<tcp::Socket>(handle).may_send() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(ConnectionId(self.connections.len() - 1))
    }

    fn port(&self, connection: ConnectionId) -> u16 {
        self.connections.get(connection.0).map_or(0, |(_, port)| *port)
    }

    fn write(&mut self, connection: ConnectionId, bytes: &[u8]) -> io::Result<()> {
        self.write_more(connection, bytes)?;
        self.settle().map(drop)
    }

    /// What smoltcp sends, it sends when it is polled: what is written before that is together.
    fn write_more(&mut self, connection: ConnectionId, bytes: &[u8]) -> io::Result<()> {
        let handle = self.handle(connection)?;
        let socket = self.sockets.get_mut::<tcp::Socket>(handle);
        let sent = socket.send_slice(bytes).map_err(io::Error::other)?;
        if sent < bytes.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }

    fn read(&mut self, connection: ConnectionId, count: usize) -> io::Result<Vec<u8>> {
        let handle = self.handle(connection)?;
        let mut bytes = vec![0; count];
        let mut read = 0;
        self.wait_for(|lab| {
            let socket = lab.sockets.get_mut::<tcp::Socket>(handle);
            read += socket.recv_slice(&mut bytes[read..]).unwrap_or(0);
            read == count || !socket.may_recv()
        })?;
        if read < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }

    fn close(&mut self, connection: ConnectionId) -> io::Result<Vec<u8>> {
        let handle = self.handle(connection)?;
        self.sockets.get_mut::<tcp::Socket>(handle).close();
        let mut read = Vec::new();
        self.wait_for(|lab| {
            let socket = lab.sockets.get_mut::<tcp::Socket>(handle);
            let mut take = |bytes: &mut [u8]| {
                read.extend_from_slice(bytes);
                (bytes.len(), bytes.len())
            };
            while socket.recv(&mut take).is_ok_and(|n| n > 0) {}
            matches!(socket.state(), tcp::State::TimeWait | tcp::State::Closed)
        })?;
        if let Some((handle, _)) = self.connections.get_mut(connection.0) {
            self.closed.extend(handle.take());
        }
        Ok(read)
    }

    fn ask(&mut self, port: u16, datagram: &[u8], within: Duration) -> io::Result<Option<Vec<u8>>> {
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; BUFFER]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(self.take_port()).map_err(io::Error::other)?;
        let to = IpEndpoint::new(self.address.into(), port);
        socket.send_slice(datagram, to).map_err(io::Error::other)?;
        let handle = self.sockets.add(socket);
        let mut answer = None;
        let deadline = self.now + within.into();
        self.wait(deadline, |lab| {
            let socket = lab.sockets.get_mut::<udp::Socket>(handle);
            answer = socket.recv().ok().map(|(bytes, _)| bytes.to_vec());
            answer.is_some()
        })?;
        self.sockets.remove(handle);
        Ok(answer)
    }

    fn finish(mut self: Box<Self>) -> io::Result<(Vec<Frame>, Vec<NotedCall>)> {
        self.lose(0);
        self.machine.stop(self.now);
        self.wait_for(|lab| lab.machine.is_stopped(lab.now))?;
        Ok((self.frames, self.machine.calls()))
    }
}

/// The address of KALI: the hundredth of R2's network, or the one behind R2's.
fn neighbor(r2: Ipv4Cidr) -> Ipv4Cidr {
    let [a, b, c, last] = r2.address().octets();
    let other = if last == 100 { 101 } else { 100 };
    Ipv4Cidr::new(Ipv4Address::new(a, b, c, other), r2.prefix_len())
}
