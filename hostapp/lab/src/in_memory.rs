//! The wire in memory: R2's node at one end, KALI on a smoltcp of her own at the other, a delay and a loss between
//! them, and a clock that jumps to the next event.

use std::io;
use std::time::Duration;

use r2_links::server::Served as _;
use r2_sim::event_loop::EventLoop;
use r2_sim::host::Host;
use r2_sim::wire::{OnTheWay, Wire};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::{tcp, udp};
use smoltcp::time::{Duration as Micros, Instant};
use smoltcp::wire::{EthernetAddress, EthernetFrame, IpCidr, IpEndpoint, Ipv4Address, Ipv4Cidr};

use super::diary::NotedCall;
use super::kali::{ConnectionId, Kali, Setting, Wishes};
use super::machine::Machine;
use super::packet::Frame;

/// KALI's Ethernet address.
const KALI: EthernetAddress = EthernetAddress([0x02, 0x52, 0x4b, 0, 0, 1]);

/// For how long KALI delays an acknowledgement where she does: Linux's least.
const ACK_DELAY: Micros = Micros::from_millis(40);

/// How long one call may take on the wire's clock: TCP's pauses double with every loss.
const PATIENCE: Micros = Micros::from_secs(600);

/// How long a frame takes on a wire without a delay, so that what follows from it comes later.
const LEAST_DELAY: Micros = Micros::from_micros(1);

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
    /// When it wants its next turn.
    machine_at: Option<Instant>,
    r2: Wire,
    kali: Host,
    /// Each connection's socket while it is open, and its port.
    connections: Vec<(Option<SocketHandle>, u16)>,
    /// Sockets that are in TIME-WAIT, where they still acknowledge, or were.
    closed: Vec<SocketHandle>,
    address: Ipv4Address,
    on_the_way: OnTheWay,
    frames: Vec<Frame>,
    loss: u8,
    chance: fastrand::Rng,
}

impl InMemory {
    pub(super) fn new(options: &InMemoryOptions) -> Self {
        let mut r2 = Wire::default();
        let mut chance = fastrand::Rng::with_seed(options.seed);
        let secret = std::array::from_fn(|_| chance.u8(..));
        let machine = Machine::new(options.ip, secret, |now| now, &mut r2);
        let kali = Host::new(KALI, &[IpCidr::Ipv4(neighbor(options.ip))], chance.u64(..));
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
            now: Instant::ZERO,
            delay: Micros::from(one_way).max(LEAST_DELAY),
            machine,
            machine_at: None,
            r2,
            kali,
            connections: Vec::new(),
            closed: Vec::new(),
            address: options.ip.address(),
            on_the_way: OnTheWay::default(),
            frames: Vec::new(),
            loss: 0,
            chance,
        }
    }

    fn send(&mut self, bytes: Vec<u8>) {
        let lost = self.loss > 0 && self.chance.u8(0..100) < self.loss;
        let at = Duration::from_micros(self.now.total_micros().unsigned_abs());
        if !lost {
            let order = self.frames.len() as u64;
            self.on_the_way.send(self.now + self.delay, order, bytes.clone());
        }
        self.frames.push(Frame { at, bytes, lost });
    }

    /// Lets time pass until `done` says so; whether that was before `deadline`.
    fn wait(&mut self, deadline: Instant, done: impl FnMut(&mut Self) -> bool) -> io::Result<bool> {
        let is_done = self.run_until(deadline, done).map_err(io::Error::other)?;
        if is_done {
            // What this has made possible happens now.
            self.settle().map_err(io::Error::other)?;
        }
        Ok(is_done)
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
        let sockets = &mut self.kali.sockets;
        self.closed.retain(|handle| {
            let waits = sockets.get::<tcp::Socket>(*handle).state() != tcp::State::Closed;
            if !waits {
                sockets.remove(*handle);
            }
            waits
        });
    }
}

impl EventLoop for InMemory {
    fn clock(&mut self) -> &mut Instant {
        &mut self.now
    }

    fn turn(&mut self) -> bool {
        while let Some(frame) = self.on_the_way.arrived(self.now) {
            let is_of_kali = EthernetFrame::new_checked(&*frame).is_ok_and(|it| it.src_addr() == KALI);
            let end = if is_of_kali {
                &mut self.r2
            } else {
                &mut self.kali.wire
            };
            end.arriving.push_back(frame);
        }
        self.machine_at = self.machine.poll(self.now, &mut self.r2);
        let moved = self.kali.poll(self.now) || !self.r2.leaving.is_empty();
        let mut leaving = std::mem::take(&mut self.kali.wire.leaving);
        leaving.append(&mut self.r2.leaving);
        for bytes in leaving {
            self.send(bytes);
        }
        moved || !self.r2.arriving.is_empty() || self.machine_at.is_some_and(|at| at <= self.now)
    }

    fn next_event(&mut self) -> Option<Instant> {
        let kali_at = self.kali.poll_at(self.now);
        [self.machine_at, kali_at, self.on_the_way.next_at()]
            .into_iter()
            .flatten()
            .min()
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
        let handle = self.kali.sockets.add(socket);
        let own = self.kali.connect(handle, (self.address, port));
        let own = own.map_err(io::Error::other)?;
        self.connections.push((Some(handle), own));
        self.wait_for(|lab| {
            !matches!(
                lab.kali.sockets.get::<tcp::Socket>(handle).state(),
                tcp::State::SynSent
            )
        })?;
        if !self.kali.sockets.get::<tcp::Socket>(handle).may_send() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(ConnectionId(self.connections.len() - 1))
    }

    fn port(&self, connection: ConnectionId) -> u16 {
        self.connections.get(connection.0).map_or(0, |(_, port)| *port)
    }

    fn write(&mut self, connection: ConnectionId, bytes: &[u8]) -> io::Result<()> {
        self.write_more(connection, bytes)?;
        self.settle().map(drop).map_err(io::Error::other)
    }

    /// What smoltcp sends, it sends when it is polled: what is written before that is together.
    fn write_more(&mut self, connection: ConnectionId, bytes: &[u8]) -> io::Result<()> {
        let handle = self.handle(connection)?;
        let socket = self.kali.sockets.get_mut::<tcp::Socket>(handle);
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
            let socket = lab.kali.sockets.get_mut::<tcp::Socket>(handle);
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
        let socket = self.kali.sockets.get_mut::<tcp::Socket>(handle);
        socket.close();
        // A kernel that has sent its FIN acknowledges the other one at once; smoltcp would delay that as well.
        socket.set_ack_delay(None);
        let mut read = Vec::new();
        self.wait_for(|lab| {
            let socket = lab.kali.sockets.get_mut::<tcp::Socket>(handle);
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
        socket.bind(self.kali.take_port()).map_err(io::Error::other)?;
        let to = IpEndpoint::new(self.address.into(), port);
        socket.send_slice(datagram, to).map_err(io::Error::other)?;
        let handle = self.kali.sockets.add(socket);
        let mut answer = None;
        let deadline = self.now + within.into();
        self.wait(deadline, |lab| {
            let socket = lab.kali.sockets.get_mut::<udp::Socket>(handle);
            answer = socket.recv().ok().map(|(bytes, _)| bytes.to_vec());
            answer.is_some()
        })?;
        self.kali.sockets.remove(handle);
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
