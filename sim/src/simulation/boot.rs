//! What switches R2 on: its addresses, its plans, its store in RAM, and its node.

use r2_core::chat::{Room, Seat};
use r2_core::limits::{CHAT_RING_MIN, RAM_BLOCK};
use r2_core::store::Store;
use r2_core::store::ram::{Block, File, RamStore};
use r2_node::service::Registry;
use r2_node::storage::Leaked;
use r2_node::{Config, Counters, Node, ServeError, Size, Storage};
use r2_services::{About, Plan, Shared, register};
use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};

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

/// The buffers of a service where a test says nothing else: 4 segments.
pub const BUFFER: usize = 6 * 1024;

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
        backlog: plan.backlog,
        time_wait: plan.time_wait,
        ..Config::new(R2_MAC, &R2_ADDRESSES, secret)
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
