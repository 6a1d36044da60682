//! Prints how much memory a connection of each service takes on a host: what the node asks its storage for.
//!
//! `cargo bench --package r2-tests --bench ram`

use hostapp::plan::plan;
use r2_core::chat::{Room, Seat};
use r2_core::limits::CHAT_RING_MIN;
use r2_core::store::ram::RamStore;
use r2_node::service::Registry;
use r2_node::{Config, Counters, Limits, Node, Size, Storage};
use r2_services::{About, Plan, Shared, register};
use r2_sim::wire::Wire;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};

const R2: Ipv4Address = Ipv4Address::new(192, 168, 69, 1);

/// Hands out memory and counts it.
#[derive(Default)]
struct Counting {
    bytes: usize,
}

impl Storage<'static> for Counting {
    fn slice<T: 'static>(&mut self, len: usize, make: impl FnMut(usize) -> T) -> &'static mut [T] {
        self.bytes += len * size_of::<T>();
        (0..len).map(make).collect::<Vec<_>>().leak()
    }
}

fn taken(plan: &Plan) -> usize {
    let config = Config {
        mac: EthernetAddress([2, 0, 0, 0, 0, 1]),
        addresses: const { &[IpCidr::Ipv4(Ipv4Cidr::new(R2, 24))] },
        dhcp: None,
        gateway: None,
        allow: &[],
        secret: [0; 16],
        started_at: Instant::ZERO,
        backlog: plan.backlog,
        time_wait: plan.time_wait,
        limits: Limits::DEFAULT,
    };
    let (mut storage, mut wire) = (Counting::default(), Wire::default());
    let mut registry = Registry::new(&mut storage);
    register(&mut registry, plan).expect("room for R2's services");
    // What the sessions share is not counted, and there is none of it.
    let mut world = Shared {
        room: Room::new(
            vec![0; CHAT_RING_MIN].leak(),
            vec![Seat::default()].leak(),
            "R2",
            "KALI",
        )
        .expect("two names"),
        store: RamStore::new(&mut [], &mut [], 0),
        counters: Counters::default(),
        about: About {
            version: "",
            board: "",
            address: R2.into(),
            stack_high_water: None,
        },
    };
    Node::new(registry, &config, &mut wire, &mut world, Instant::ZERO);
    storage.bytes
}

/// A service's name, and its size in a plan.
type Row = (&'static str, fn(&mut Plan) -> &mut Size);

const SERVICES: [Row; 9] = [
    ("chat", |plan| &mut plan.chat),
    ("secret", |plan| &mut plan.secret),
    ("drop", |plan| &mut plan.drop),
    ("files", |plan| &mut plan.files),
    ("status", |plan| &mut plan.status),
    ("echo", |plan| &mut plan.echo),
    ("discard", |plan| &mut plan.discard),
    ("chargen", |plan| &mut plan.chargen),
    ("capture", |plan| &mut plan.capture),
];

fn main() {
    let mut empty = plan(0);
    for (_, service) in SERVICES {
        service(&mut empty).connections = 0;
    }
    println!("bytes a connection on a host, {} bits\n", usize::BITS);
    println!(
        "{:<8} {:>8} {:>8} {:>8}",
        "service", "session", "receive", "transmit"
    );
    for (name, service) in SERVICES {
        let mut plan = empty;
        let size = service(&mut plan);
        // A power of two of connections: the steering table is one of places.
        size.connections = 256;
        let Size {
            receive, transmit, ..
        } = *size;
        let each = (taken(&plan) - taken(&empty)) / 256;
        println!(
            "{name:<8} {:>8} {receive:>8} {transmit:>8}",
            each - receive - transmit
        );
    }
    let all = plan(256);
    println!("\na node with 256 sessions: {} KiB", taken(&all) / 1024);
}
