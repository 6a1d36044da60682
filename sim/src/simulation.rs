//! R2's node and KALI in memory, under a clock that jumps to the next event. No thread, no chance.

use std::task::Poll;

use r2_core::chat::{Room, Seat};
use r2_core::limits::{CHAT_RING_MIN, RAM_BLOCK};
use r2_core::store::Store;
use r2_core::store::ram::{Block, File, RamStore};
use r2_node::service::Registry;
use r2_node::storage::Leaked;
use r2_node::{Config, Counters, Limits, Node, Reason, ServeError, Size, Storage};
use r2_services::{About, CHAT, Plan, Shared, register};
use smoltcp::iface::{self, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::socket::AnySocket;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, IpAddress, IpCidr, IpEndpoint, Ipv4Address, Ipv4Cidr, Ipv6Address,
    Ipv6Cidr,
};

use crate::stranger::{self, Heard, Said};
use crate::wire::{Arrived, Frame, Leaving, Wire};

/// R2's Ethernet address: the one that a host's R2 has at [`R2_ADDRESS`].
pub const R2_MAC: EthernetAddress = EthernetAddress([0x02, 0x52, 0x32, 168, 69, 1]);

/// R2's IP address.
pub const R2_ADDRESS: Ipv4Address = Ipv4Address::new(192, 168, 69, 1);

/// R2's other IP address.
pub const R2_ADDRESS6: Ipv6Address = Ipv6Address::new(0xfd69, 0, 0, 0, 0, 0, 0, 1);

const R2_ADDRESSES: [IpCidr; 2] = [
    IpCidr::Ipv4(Ipv4Cidr::new(R2_ADDRESS, 24)),
    IpCidr::Ipv6(Ipv6Cidr::new(R2_ADDRESS6, 64)),
];

const KALI_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 100]);
const KALI_ADDRESS: Ipv4Address = Ipv4Address::new(192, 168, 69, 100);
const KALI_ADDRESS6: Ipv6Address = Ipv6Address::new(0xfd69, 0, 0, 0, 0, 0, 0, 0x100);

/// The buffers of a service where a test says nothing else: 4 segments.
pub const BUFFER: usize = 6 * 1024;

/// What both ends may do at one moment before a test calls it endless.
const TURNS_AT_ONCE: usize = 100_000;

/// What R2 may say at once before a test calls it endless.
const ENDLESS: usize = 1 << 20;

/// A plan with `connections` slots for each service.
pub fn plan(connections: usize) -> Plan {
    let size = Size {
        connections,
        receive: BUFFER,
        transmit: BUFFER,
    };
    plan_of(size, 16)
}

/// A plan with that size for each service, and `kept` SYNs and closed connections remembered.
pub fn plan_of(size: Size, kept: usize) -> Plan {
    Plan {
        chat: size,
        secret: size,
        drop: size,
        files: size,
        status: size,
        echo: size,
        discard: size,
        chargen: size,
        capture: size,
        backlog: kept,
        time_wait: kept,
    }
}

/// What R2's sessions share here.
pub type R2World = Shared<'static, RamStore<'static>>;

/// R2's node here.
pub type R2Node = Node<'static, R2World>;

/// Where services are registered here.
pub type Services<'m> = Registry<'static, 'm, R2World, Leaked>;

/// R2, KALI with a TCP of her own, a stranger without one, and the wire between them.
pub struct Simulation {
    /// What it is now.
    pub now: Instant,
    /// What R2's sessions share.
    pub world: R2World,
    /// What R2 has sent to the stranger, or to everybody, and nobody has looked at.
    pub to_stranger: Vec<Frame>,
    /// How many frames have reached R2, and have left it.
    pub carried: (u64, u64),
    /// How many RSTs R2 has sent to KALI.
    pub resets: usize,
    /// KALI's plug is pulled: nothing reaches her, nothing leaves her.
    pub unplugged: bool,
    /// R2's device has no room for what leaves.
    pub full: bool,
    node: R2Node,
    r2: Wire,
    kali: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    next_port: u16,
}

/// A connection of KALI's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kali(SocketHandle);

impl Simulation {
    /// Both machines switched on, R2 with this plan.
    pub fn new(plan: &Plan) -> Self {
        Self::with_secret(plan, [7; 16])
    }

    /// The same, R2 with this secret.
    pub fn with_secret(plan: &Plan, secret: [u8; 16]) -> Self {
        Self::join(|r2| switch_on(plan, secret, r2))
    }

    /// The same, R2 with the services that `serve` registers, and with memory for what `plan` says besides.
    pub fn serving(plan: &Plan, serve: impl FnOnce(&mut Services<'_>) -> Result<(), ServeError>) -> Self {
        let store = ram_store(64 * 1024, 16, &mut Leaked);
        Self::join(|r2| boot(plan, [7; 16], r2, CHAT_RING_MIN, store, &mut Leaked, serve))
    }

    fn join(switch_on: impl FnOnce(&mut Wire) -> (R2Node, R2World)) -> Self {
        let (mut r2, mut kali, now) = (Wire::default(), Wire::default(), Instant::ZERO);
        let (node, world) = switch_on(&mut r2);
        let mut interface = Interface::new(iface::Config::new(KALI_MAC.into()), &mut kali, now);
        interface.update_ip_addrs(|addresses| {
            for cidr in [
                IpCidr::new(KALI_ADDRESS.into(), 24),
                IpCidr::new(KALI_ADDRESS6.into(), 64),
            ] {
                addresses.push(cidr).expect("room for two addresses");
            }
        });
        Self {
            now,
            world,
            to_stranger: Vec::new(),
            carried: (0, 0),
            resets: 0,
            unplugged: false,
            full: false,
            node,
            r2,
            kali,
            interface,
            sockets: SocketSet::new(Vec::new()),
            next_port: 49_152,
        }
    }

    /// KALI connects to a port of R2's; what comes of it shows in [`state`](Self::state).
    pub fn connect(&mut self, port: u16) -> Kali {
        self.connect_to(R2_ADDRESS.into(), port)
    }

    /// The same, to one of R2's addresses.
    pub fn connect_to(&mut self, address: IpAddress, port: u16) -> Kali {
        let kali = self.dial(address, port);
        self.settle();
        kali
    }

    /// Begins to connect, and lets nothing happen yet.
    pub fn dial(&mut self, address: IpAddress, port: u16) -> Kali {
        let buffer = || SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_ack_delay(None);
        socket
            .connect(self.interface.context(), (address, port), self.next_port)
            .expect("a new socket");
        self.next_port += 1;
        Kali(self.sockets.add(socket))
    }

    /// KALI sends `bytes`, for which there must be room.
    pub fn send(&mut self, kali: Kali, bytes: &[u8]) {
        let sent = self.socket(kali).send_slice(bytes).expect("an open connection");
        assert_eq!(sent, bytes.len(), "KALI's buffer is too small for the test");
        self.settle();
    }

    /// KALI sends FIN.
    pub fn half_close(&mut self, kali: Kali) {
        self.socket(kali).close();
        self.settle();
    }

    /// KALI reads until R2 falls silent.
    pub fn read(&mut self, kali: Kali) -> String {
        let mut text = String::new();
        loop {
            match self.read_once(kali) {
                more if more.is_empty() => return text,
                more => text += &more,
            }
            assert!(text.len() < ENDLESS, "R2 never falls silent");
        }
    }

    /// KALI reads what is there now: at most her buffer.
    pub fn read_once(&mut self, kali: Kali) -> String {
        String::from_utf8(self.read_bytes(kali)).expect("text")
    }

    /// The same, of what may be no text.
    pub fn read_bytes(&mut self, kali: Kali) -> Vec<u8> {
        let mut bytes = vec![0; BUFFER];
        let count = self.socket(kali).recv_slice(&mut bytes).unwrap_or(0);
        bytes.truncate(count);
        self.settle();
        bytes
    }

    /// The state of KALI's end.
    pub fn state(&mut self, kali: Kali) -> State {
        self.socket(kali).state()
    }

    /// Whether KALI's end is established.
    pub fn is_open(&mut self, kali: Kali) -> bool {
        self.state(kali) == State::Established
    }

    fn socket(&mut self, kali: Kali) -> &mut Socket<'static> {
        self.sockets.get_mut(kali.0)
    }

    /// The stranger says something.
    pub fn say(&mut self, said: &Said<'_>) {
        self.put(said.frame());
    }

    /// A frame of the stranger's reaches R2.
    pub fn put(&mut self, frame: Frame) {
        self.put_at_once([frame]);
    }

    /// Several frames of the stranger's reach R2 before it can do anything.
    pub fn put_at_once(&mut self, frames: impl IntoIterator<Item = Frame>) {
        let before = self.r2.arriving.len();
        self.r2.arriving.extend(frames);
        self.carried.0 += (self.r2.arriving.len() - before) as u64;
        self.settle();
    }

    /// The segments that R2 has sent to the stranger since this was asked last.
    pub fn heard(&mut self) -> Vec<Heard> {
        self.to_stranger
            .drain(..)
            .filter_map(|frame| Heard::read(&frame))
            .collect()
    }

    /// R2 calls `remote`.
    pub fn call(&mut self, remote: IpEndpoint) {
        let chat = self.node.service_at(CHAT.port).expect("chat is served");
        self.node.call(chat, remote, self.now).expect("a free slot");
        self.settle();
    }

    /// R2 is told to stop.
    pub fn stop(&mut self) {
        self.node.stop(self.now, &mut self.world);
        self.settle();
    }

    /// Whether nothing is left of R2's connections, or their time is over.
    pub fn is_stopped(&self) -> bool {
        self.node.is_stopped(self.now)
    }

    /// Gives R2 a single turn; when it wants the next.
    pub fn turn(&mut self) -> Option<Instant> {
        let next = if self.full {
            self.node.poll(self.now, &mut Full(&mut self.r2), &mut self.world)
        } else {
            self.node.poll(self.now, &mut self.r2, &mut self.world)
        };
        while let Some(frame) = self.r2.leaving.pop_front() {
            self.carried.1 += 1;
            let to = EthernetFrame::new_checked(&*frame)
                .expect("R2 sends whole headers")
                .dst_addr();
            if to.is_multicast() {
                self.to_stranger.push(frame.clone());
            }
            if to == stranger::MAC {
                self.to_stranger.push(frame);
            } else if !self.unplugged {
                self.resets += usize::from(Heard::read(&frame).is_some_and(|segment| segment.rst));
                self.kali.arriving.push_back(frame);
            }
        }
        next
    }

    /// Lets everything happen that can happen now; when the next thing will.
    pub fn settle(&mut self) -> Option<Instant> {
        for _ in 0..TURNS_AT_ONCE {
            let next = self.turn();
            let moved = self.turn_of_kali();
            if !moved && self.r2.arriving.is_empty() && next.is_none_or(|at| at > self.now) {
                let kali = self.interface.poll_at(self.now, &self.sockets);
                return [next, kali.filter(|_| !self.unplugged)]
                    .into_iter()
                    .flatten()
                    .min();
            }
        }
        panic!("R2 and KALI never come to rest");
    }

    fn turn_of_kali(&mut self) -> bool {
        if self.unplugged {
            return false;
        }
        let changed = self.interface.poll(self.now, &mut self.kali, &mut self.sockets);
        let sent = self.kali.leaving.len();
        self.carried.0 += sent as u64;
        self.r2.arriving.extend(self.kali.leaving.drain(..));
        sent > 0 || changed == PollResult::SocketStateChanged
    }

    /// Lets so much time pass, from one event to the next.
    pub fn pass(&mut self, time: Duration) {
        const TICK: Duration = Duration::from_millis(1);
        let end = self.now + time;
        while self.now < end {
            let next = self.settle().unwrap_or(end);
            self.now = next.max(self.now + TICK).min(end);
        }
        self.settle();
    }

    /// The files of the store: names and lengths.
    pub fn stored(&mut self) -> Vec<String> {
        let store = &mut self.world.store;
        let ticket = store.claim().expect("a ticket");
        let (mut names, mut last) = (Vec::new(), None);
        while let Poll::Ready(Ok(Some(entry))) = store.next(&ticket, last.as_ref()) {
            names.push(format!("{} {}", entry.name, entry.length));
            last = Some(entry.name);
        }
        store.release(ticket);
        names
    }

    /// How many frames R2 has dropped for `reason`.
    pub fn dropped(&self, reason: Reason) -> u64 {
        self.world.counters.dropped(reason)
    }

    /// Everybody leaves. Asserts that not one slot of R2's, nor a ticket of its store, is still held.
    pub fn everybody_leaves(mut self) {
        for (_, socket) in self.sockets.iter_mut() {
            if let Some(socket) = Socket::downcast_mut(socket) {
                socket.abort();
            }
        }
        self.settle();
        self.unplugged = true;
        self.pass(Duration::from_secs(200));
        assert_eq!(self.world.counters.sessions_open, 0);
        self.node.stop(self.now, &mut self.world);
        assert!(self.node.is_stopped(self.now), "a slot is still taken");
        assert!(self.world.store.claim().is_some());
    }
}

/// A wire that has no room.
struct Full<'w>(&'w mut Wire);

impl Device for Full<'_> {
    type RxToken<'a>
        = Arrived
    where
        Self: 'a;
    type TxToken<'a>
        = Leaving<'a>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Arrived, Leaving<'_>)> {
        self.0.receive(now)
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.0.capabilities()
    }
}

/// R2 on `device`, switched on at time 0, with a small store in RAM.
pub fn switch_on(plan: &Plan, secret: [u8; 16], device: &mut impl Device) -> (R2Node, R2World) {
    let registry = |registry: &mut Services<'_>| register(registry, plan);
    let ring = CHAT_RING_MIN;
    let store = ram_store(64 * 1024, 16, &mut Leaked);
    boot(plan, secret, device, ring, store, &mut Leaked, registry)
}

/// An empty store in RAM.
pub fn ram_store<'a>(bytes: usize, files: usize, memory: &mut impl Storage<'a>) -> RamStore<'a> {
    RamStore::new(
        memory.slice(bytes / RAM_BLOCK, |_| Block::EMPTY),
        memory.slice(files, |_| File::EMPTY),
        u64::MAX,
    )
}

/// R2 on `device`, switched on at time 0, with that store, the services that `serve` registers, and so many bytes of
/// chat.
pub fn boot<'a, S: Store + 'a, M: Storage<'a>>(
    plan: &Plan,
    secret: [u8; 16],
    device: &mut impl Device,
    ring: usize,
    store: S,
    memory: &mut M,
    serve: impl FnOnce(&mut Registry<'a, '_, Shared<'a, S>, M>) -> Result<(), ServeError>,
) -> (Node<'a, Shared<'a, S>>, Shared<'a, S>) {
    let config = Config {
        mac: R2_MAC,
        addresses: &R2_ADDRESSES,
        gateway: None,
        allow: &[],
        secret,
        started_at: Instant::ZERO,
        backlog: plan.backlog,
        time_wait: plan.time_wait,
        limits: Limits::DEFAULT,
    };
    let (ring, seats) = (
        memory.bytes(ring),
        memory.slice(plan.chat.connections.max(1), |_| Seat::default()),
    );
    let mut registry = Registry::new(memory);
    serve(&mut registry).expect("room for R2's services");
    let mut world = Shared {
        room: Room::new(ring, seats, "R2", "KALI").expect("two names"),
        store,
        counters: Counters::default(),
        about: About {
            version: "1",
            board: "simulation",
            address: R2_ADDRESS.into(),
            stack_high_water: None,
        },
    };
    let node = Node::new(registry, &config, device, &mut world, Instant::ZERO);
    (node, world)
}
