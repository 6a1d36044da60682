//! R2's node and KALI in memory, under a clock that jumps to the next event. No thread, no chance.

mod boot;

use std::task::Poll;

use r2_core::limits::CHAT_RING_MIN;
use r2_core::store::Store;
use r2_node::node::CallOutcome;
use r2_node::storage::Leaked;
use r2_node::{Reason, ServeError};
use r2_services::{CHAT, Plan};
use smoltcp::iface::SocketHandle;
use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::socket::AnySocket;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, IpAddress, IpCidr, IpEndpoint, Ipv4Address, Ipv6Address,
};

pub use self::boot::{
    BUFFER, R2_ADDRESS, R2_ADDRESS6, R2_MAC, R2Node, R2World, Services, boot, plan, plan_of, ram_store,
    switch_on,
};
use crate::event_loop::EventLoop;
use crate::host::Host;
use crate::stranger::{self, Heard, Said};
use crate::wire::{Arrived, Frame, Leaving, Wire};

const KALI_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 100]);
const KALI_ADDRESS: Ipv4Address = Ipv4Address::new(192, 168, 69, 100);
const KALI_ADDRESS6: Ipv6Address = Ipv6Address::new(0xfd69, 0, 0, 0, 0, 0, 0, 0x100);

/// What R2 may say at once before a test calls it endless.
const ENDLESS: usize = 1 << 20;

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
    /// When the node wants its next turn.
    node_at: Option<Instant>,
    r2: Wire,
    kali: Host,
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
        let mut r2 = Wire::default();
        let (node, world) = switch_on(&mut r2);
        let addresses = [
            IpCidr::new(KALI_ADDRESS.into(), 24),
            IpCidr::new(KALI_ADDRESS6.into(), 64),
        ];
        Self {
            now: Instant::ZERO,
            world,
            to_stranger: Vec::new(),
            carried: (0, 0),
            resets: 0,
            unplugged: false,
            full: false,
            node,
            node_at: None,
            r2,
            kali: Host::new(KALI_MAC, &addresses, 0),
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
        let handle = self.kali.sockets.add(socket);
        self.kali.connect(handle, (address, port)).expect("a new socket");
        Kali(handle)
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
        self.kali.sockets.get_mut(kali.0)
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

    /// Whether R2 begins to call `remote`.
    pub fn can_call(&mut self, remote: IpEndpoint) -> bool {
        let chat = self.node.service_at(CHAT.port).expect("chat is served");
        let called = self.node.call(chat, remote, self.now).is_ok();
        self.settle();
        called
    }

    /// What became of R2's last call, once it is known.
    pub fn call_outcome(&mut self) -> Option<CallOutcome> {
        self.node.take_call_outcome()
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

    fn turn_of_r2(&mut self) {
        self.node_at = if self.full {
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
                self.kali.wire.arriving.push_back(frame);
            }
        }
    }

    /// Whether anything has moved.
    fn turn_of_kali(&mut self) -> bool {
        if self.unplugged {
            return false;
        }
        let moved = self.kali.poll(self.now);
        self.carried.0 += self.kali.wire.leaving.len() as u64;
        self.r2.arriving.append(&mut self.kali.wire.leaving);
        moved
    }

    /// Lets everything happen that can happen now; when the next thing will.
    pub fn settle(&mut self) -> Option<Instant> {
        EventLoop::settle(self).unwrap_or_else(|endless| panic!("{endless}"))
    }

    /// Lets so much time pass, from one event to the next.
    pub fn pass(&mut self, time: Duration) {
        let passed = self.run_until(self.now + time, |_| false);
        passed.unwrap_or_else(|endless| panic!("{endless}"));
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
        for (_, socket) in self.kali.sockets.iter_mut() {
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

impl EventLoop for Simulation {
    fn clock(&mut self) -> &mut Instant {
        &mut self.now
    }

    fn turn(&mut self) -> bool {
        self.turn_of_r2();
        let moved = self.turn_of_kali();
        moved || !self.r2.arriving.is_empty() || self.node_at.is_some_and(|at| at <= self.now)
    }

    fn next_event(&mut self) -> Option<Instant> {
        let kali_at = self.kali.poll_at(self.now).filter(|_| !self.unplugged);
        [self.node_at, kali_at].into_iter().flatten().min()
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
