//! A service of one's own on the LM3S6965 evaluation board: counts its visitors, and tells each which number it has.
#![no_std]
#![no_main]

use core::fmt::Write;
use core::mem::MaybeUninit;

use cortex_m_rt::entry;
use lm3s6965evb::net::Ethernet;
use lm3s6965evb::sizes::{SEGMENT, size};
use lm3s6965evb::system;
use r2_core::outbox::Outbox;
use r2_core::session::{Session, Wants};
use r2_core::time::Instant;
use r2_node::service::{Spec, never, whole};
use r2_node::{Counters, Node, World};
use r2_support::sleep::{self, Idle};
use r2_support::{clock, exit, secret, start};
use static_cell::{ConstStaticCell, StaticCell};

static VISITS: Spec = Spec::new("visits", 6000);

/// Connections at a time. A client that comes while all are taken waits in the backlog, and is not refused.
const CONNECTIONS: usize = 2;
const BACKLOG: usize = 8;
const TIME_WAIT: usize = 8;

/// What the node takes for them, in bytes. It says at the start how much of it is left.
static ARENA: ConstStaticCell<[MaybeUninit<u8>; 5_480]> =
    ConstStaticCell::new([MaybeUninit::uninit(); 5_480]);
static NODE: StaticCell<Node<'static, Visits>> = StaticCell::new();
static ETHERNET: StaticCell<Ethernet> = StaticCell::new();

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
    fn opened(&mut self, _: Instant, visits: &mut Visits) {
        visits.count = visits.count.wrapping_add(1);
        // There is room for ten digits.
        let _ = writeln!(self.0, "you are visitor {}", visits.count);
    }

    fn receive(&mut self, _: Instant, rx: &[u8], _: &mut Visits) -> usize {
        rx.len()
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], _: &mut Visits) -> usize {
        self.0.drain_into(tx)
    }

    fn finished(&mut self, _: Instant, _: &mut Visits) {}

    fn wants(&self) -> Wants {
        Wants::close_if(self.0.is_empty())
    }
}

#[entry]
fn main() -> ! {
    let Some(core) = cortex_m::Peripherals::take() else {
        exit::failure();
    };
    system::start();
    clock::start(core.SYST, system::HERTZ);
    let mac = system::ethernet_address();
    let device = ETHERNET.init_with(|| Ethernet::start(mac));
    let mut visits = Visits::default();
    let config = start::config(mac, secret::of(mac.as_bytes()), BACKLOG, TIME_WAIT);
    let pool = size(CONNECTIONS, SEGMENT, SEGMENT);
    let services = |registry: &mut start::Services<'_, _>| {
        registry.serve(&VISITS, pool, Visit::default, whole, never)?;
        Ok(())
    };
    let node = start::node(&NODE, &config, services, device, ARENA.take(), &mut visits);
    system::listen(core.NVIC);
    defmt::info!("ready at {}", start::ADDRESS.address().octets());
    loop {
        let next = node.poll(clock::now(), device, &mut visits);
        sleep::until(next, || device.has_frame());
    }
}
