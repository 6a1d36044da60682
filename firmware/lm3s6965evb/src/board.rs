//! The start, with the memory that the image's plan asks for.

use core::mem::MaybeUninit;

use cortex_m_rt::entry;
use lm3s6965evb::net::Ethernet;
use lm3s6965evb::uart::Uart0;
use lm3s6965evb::{system, uart};
use r2_core::chat::Seat;
use r2_core::limits::CHAT_RING_MIN;
use r2_core::store::ram::{Block, File, RamStore};
use r2_node::Node;
use r2_services::{Shared, register};
#[cfg(feature = "count")]
use r2_support::count;
use r2_support::r2::{self, Operator};
use r2_support::{clock, exit, secret, start};
use static_cell::{ConstStaticCell, StaticCell};

use crate::plan;

static ARENA: ConstStaticCell<[MaybeUninit<u8>; plan::ARENA]> =
    ConstStaticCell::new([MaybeUninit::uninit(); plan::ARENA]);
static ROOM: ConstStaticCell<[u8; CHAT_RING_MIN]> = ConstStaticCell::new([0; CHAT_RING_MIN]);
static SEATS: StaticCell<[Seat; plan::PLAN.chat.connections]> = StaticCell::new();
static BLOCKS: ConstStaticCell<[Block; plan::BLOCKS]> = ConstStaticCell::new([Block::EMPTY; plan::BLOCKS]);
static FILES: StaticCell<[File; plan::FILES]> = StaticCell::new();
static NODE: StaticCell<Node<'static, Shared<'static, RamStore<'static>>>> = StaticCell::new();
static WORLD: StaticCell<Shared<'static, RamStore<'static>>> = StaticCell::new();
static ETHERNET: StaticCell<Ethernet> = StaticCell::new();
#[cfg(feature = "count")]
static PEER: ConstStaticCell<count::Memory<{ lm3s6965evb::sizes::MTU }>> =
    ConstStaticCell::new(count::Memory::EMPTY);
static OPERATOR: StaticCell<Operator<Uart0>> = StaticCell::new();

#[entry]
fn main() -> ! {
    let Some(core) = cortex_m::Peripherals::take() else {
        exit::failure();
    };
    system::start();
    clock::start(core.SYST, system::HERTZ);
    let operator = OPERATOR.init_with(|| r2::operator(uart::start()));
    let mac = system::ethernet_address();
    let device = ETHERNET.init_with(|| Ethernet::start(mac));
    let seats = SEATS.init_with(|| core::array::from_fn(|_| Seat::default()));
    let world = r2::world(&WORLD, "lm3s6965evb", ROOM.take(), seats, store);
    let plan = &plan::PLAN;
    let config = start::config(mac, secret::of(mac.as_bytes()), plan.backlog, plan.time_wait);
    let services = |registry: &mut start::Services<'_, _>| register(registry, plan);
    let node = start::node(&NODE, &config, services, device, ARENA.take(), world);
    #[cfg(feature = "count")]
    count::run(node, world, PEER.take());
    system::listen(core.NVIC);
    r2::run(node, world, device, operator)
}

fn store() -> RamStore<'static> {
    let files = FILES.init_with(|| [const { File::EMPTY }; plan::FILES]);
    RamStore::new(BLOCKS.take(), files, u64::MAX)
}
