//! Prints how much memory a connection of each service takes on a host: what the node asks its storage for.
//!
//! `cargo bench --package r2-tests --bench ram`

use hostapp::plan::plan;
use r2_disk::DiskStore;
use r2_links::memory::Wire;
use r2_node::{Config, Counters, Node, Plan, Size, Storage};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

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
        ipv4: Ipv4Cidr::new(Ipv4Address::new(192, 168, 69, 1), 24),
        ipv6: None,
        gateway: None,
        allow: &[],
        secret: [0; 16],
        started_at: Instant::ZERO,
    };
    let mut storage = Counting::default();
    let (mut wire, mut counters) = (Wire::default(), Counters::default());
    Node::<DiskStore>::new(
        &config,
        plan,
        &mut wire,
        &mut storage,
        &mut counters,
        Instant::ZERO,
    );
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
