//! A service of one's own on a TAP: counts its visitors, and tells each which number it has.
//!
//! `sudo tap-setup/tap-setup up`, then `cargo run --example visits --package r2-node -- tap0` and `nc 192.168.69.1 6000`.

use std::fmt::Write;
use std::os::fd::AsRawFd;

use r2_core::outbox::Outbox;
use r2_core::session::{Session, Wants};
use r2_core::time::Instant as Now;
use r2_node::service::{Registry, Spec, never, whole};
use r2_node::storage::Leaked;
use r2_node::{Config, Counters, Limits, Node, Size, World};
use smoltcp::phy::{Medium, TunTapInterface, wait};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};

static VISITS: Spec = Spec::new("visits", 6000);
static ADDRESS: IpCidr = IpCidr::Ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 168, 69, 1), 24));

/// What all connections share.
#[derive(Default)]
struct Visits {
    count: u32,
    counters: Counters,
}

impl World for Visits {
    fn counters(&mut self) -> &mut Counters {
        &mut self.counters
    }
}

/// One connection: an answer, then the end.
#[derive(Default)]
struct Visit(Outbox<32>);

impl Session<Visits> for Visit {
    fn opened(&mut self, _: Now, visits: &mut Visits) {
        visits.count += 1;
        writeln!(self.0, "you are visitor {}", visits.count).expect("room for ten digits");
    }

    fn receive(&mut self, _: Now, rx: &[u8], _: &mut Visits) -> usize {
        rx.len()
    }

    fn transmit(&mut self, _: Now, tx: &mut [u8], _: &mut Visits) -> usize {
        self.0.drain_into(tx)
    }

    fn finished(&mut self, _: Now, _: &mut Visits) {}

    fn wants(&self) -> Wants {
        if self.0.is_empty() {
            Wants::Close
        } else {
            Wants::Nothing
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tap = std::env::args().nth(1).unwrap_or("tap0".into());
    let mut device = TunTapInterface::new(&tap, Medium::Ethernet)?;
    let (mut world, mut memory) = (Visits::default(), Leaked);
    let mut registry = Registry::new(&mut memory);
    // 8 connections at a time; whoever comes while they are taken waits, and is not refused.
    let size = Size {
        connections: 8,
        receive: 4096,
        transmit: 2048,
    };
    registry.serve(&VISITS, size, Visit::default, whole, never)?;
    // It keys sequence numbers and the table of connections: nobody may foretell it.
    let mut secret = [0; 16];
    getrandom::fill(&mut secret)?;
    let config = Config {
        mac: EthernetAddress([2, 0, 0, 0, 0, 1]),
        addresses: std::slice::from_ref(&ADDRESS),
        gateway: None,
        allow: &[],
        secret,
        started_at: Instant::now(),
        backlog: 256,
        time_wait: 256,
        limits: Limits::DEFAULT,
    };
    let start = std::time::Instant::now();
    let mut node = Node::new(registry, &config, &mut device, &mut world, Instant::ZERO);
    loop {
        let now = Instant::from_micros(i64::try_from(start.elapsed().as_micros())?);
        let next = node.poll(now, &mut device, &mut world);
        let pause = next.map(|at| {
            if at > now {
                at - now
            } else {
                smoltcp::time::Duration::ZERO
            }
        });
        wait(device.as_raw_fd(), pause)?;
    }
}
