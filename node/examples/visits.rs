//! A service of one's own on a TAP: counts its visitors, and tells each which number it has.
//!
//! `sudo tap-setup/tap-setup up`, then `cargo run --example visits --package r2-node -- tap0` and `nc 192.168.69.1 6000`.

use std::fmt::Write;
use std::os::fd::AsRawFd;

use r2_core::outbox::Outbox;
use r2_core::session::{Session, Wants};
use r2_core::time::Instant as Now;
use r2_node::service::{Registry, Spec, never};
use r2_node::storage::Leaked;
use r2_node::{Config, Counters, Node, Size};
use smoltcp::phy::{Medium, TunTapInterface, wait};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address};

static VISITS: Spec = Spec::new("visits", 6000);

/// One connection: an answer, then the end. All connections share the number of visitors.
#[derive(Default)]
struct Visit(Outbox<32>);

impl Session<u32> for Visit {
    fn opened(&mut self, _: Now, visitors: &mut u32) {
        *visitors += 1;
        writeln!(self.0, "you are visitor {visitors}").expect("room for ten digits");
    }

    fn receive(&mut self, _: Now, rx: &[u8], _: &mut u32) -> usize {
        rx.len()
    }

    fn transmit(&mut self, _: Now, tx: &mut [u8], _: &mut u32) -> usize {
        self.0.drain_into(tx)
    }

    fn finished(&mut self, _: Now, _: &mut u32) {}

    fn wants(&self) -> Wants {
        Wants::close_if(self.0.is_empty())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tap = std::env::args().nth(1).unwrap_or("tap0".into());
    let mut device = TunTapInterface::new(&tap, Medium::Ethernet)?;
    let (mut world, mut memory) = ((0, Counters::default()), Leaked);
    let mut registry = Registry::new(&mut memory);
    // 8 connections at a time; whoever comes while they are taken waits, and is not refused.
    let size = Size {
        connections: 8,
        receive: 4096,
        transmit: 2048,
    };
    registry.serve(
        &VISITS,
        size,
        Visit::default,
        |world: &mut (u32, Counters)| &mut world.0,
        never,
    )?;
    // It keys sequence numbers and the table of connections: nobody may foretell it.
    let mut secret = [0; 16];
    getrandom::fill(&mut secret)?;
    let addresses = [IpCidr::new(Ipv4Address::new(192, 168, 69, 1).into(), 24)];
    let config = Config {
        backlog: 256,
        ..Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), &addresses, secret)
    };
    let start = std::time::Instant::now();
    let mut node = Node::new(registry, &config, &mut device, &mut world, Instant::ZERO);
    loop {
        let now = Instant::ZERO + start.elapsed().into();
        let next = node.poll(now, &mut device, &mut world);
        wait(device.as_raw_fd(), next.map(|at| at.max(now) - now))?;
    }
}
