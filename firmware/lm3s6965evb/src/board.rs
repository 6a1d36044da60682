//! The start, with the memory that the image's plan asks for.

use core::mem::MaybeUninit;

use cortex_m_rt::entry;
use r2_core::chat::Seat;
use r2_core::store::ram::{Block, File, RamStore};
use r2_node::Node;
use r2_services::Shared;
#[cfg(feature = "count")]
use r2_support::count;
use r2_support::serve::Operator;
use r2_support::{clock, exit, secret, serve, start};
use static_cell::{ConstStaticCell, StaticCell};

use crate::net::Ethernet;
use crate::uart::Uart0;
use crate::{plan, sizes, system, uart};

static ARENA: ConstStaticCell<[MaybeUninit<u8>; plan::ARENA]> =
    ConstStaticCell::new([MaybeUninit::uninit(); plan::ARENA]);
static ROOM: ConstStaticCell<[u8; sizes::ROOM]> = ConstStaticCell::new([0; sizes::ROOM]);
static SEATS: StaticCell<[Seat; plan::PLAN.chat.connections]> = StaticCell::new();
static BLOCKS: ConstStaticCell<[Block; plan::BLOCKS]> = ConstStaticCell::new([Block::EMPTY; plan::BLOCKS]);
static FILES: StaticCell<[File; plan::FILES]> = StaticCell::new();
static NODE: StaticCell<Node<'static, Shared<'static, RamStore<'static>>>> = StaticCell::new();
static WORLD: StaticCell<Shared<'static, RamStore<'static>>> = StaticCell::new();
static ETHERNET: StaticCell<Ethernet> = StaticCell::new();
#[cfg(feature = "count")]
static PEER: ConstStaticCell<count::Memory<{ sizes::MTU }>> = ConstStaticCell::new(count::Memory::EMPTY);
static OPERATOR: StaticCell<Operator<Uart0>> = StaticCell::new();

#[entry]
fn main() -> ! {
    let Some(core) = cortex_m::Peripherals::take() else {
        exit::failure();
    };
    system::start();
    clock::start(core.SYST, system::HERTZ);
    let operator = OPERATOR.init_with(|| serve::operator(uart::start()));
    let mac = system::ethernet_address();
    let device = ETHERNET.init_with(|| Ethernet::start(mac));
    let seats = SEATS.init_with(|| core::array::from_fn(|_| Seat::default()));
    let world = start::world(&WORLD, "lm3s6965evb", ROOM.take(), seats, store);
    let known = (mac, secret::mix(mac.as_bytes()));
    let node = start::node(
        &NODE,
        known,
        &plan::PLAN,
        device,
        ARENA.take(),
        world,
    );
    #[cfg(feature = "count")]
    count::run(node, world, PEER.take());
    system::listen(core.NVIC);
    serve::run(node, world, device, operator)
}

fn store() -> RamStore<'static> {
    let files = FILES.init_with(|| [const { File::EMPTY }; plan::FILES]);
    RamStore::new(BLOCKS.take(), files, u64::MAX)
}
