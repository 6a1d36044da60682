//! R2 on the Stellaris LM3S6965 evaluation board: Cortex-M3, 256 KiB of flash, 64 KiB of RAM, Ethernet.
//!
//! Register addresses and bits are those of the LM3S6965 data sheet (Texas Instruments, DS-LM3S6965-12746).
#![no_std]
#![no_main]

mod net;
mod sizes;
mod system;
mod uart;

use core::mem::MaybeUninit;

use cortex_m_rt::entry;
use defmt::info;
use r2_core::chat::Seat;
use r2_core::store::ram::{Block, File, RamStore};
use r2_node::{Node, World};
use r2_support::serve::Operator;
use r2_support::start::{self, ADDRESS};
use r2_support::{clock, exit, secret, serve};
use static_cell::{ConstStaticCell, StaticCell};

use crate::net::Ethernet;
use crate::uart::Uart0;

static ARENA: ConstStaticCell<[MaybeUninit<u8>; sizes::ARENA]> =
    ConstStaticCell::new([MaybeUninit::uninit(); sizes::ARENA]);
static ROOM: ConstStaticCell<[u8; sizes::ROOM]> = ConstStaticCell::new([0; sizes::ROOM]);
static SEATS: StaticCell<[Seat; sizes::PLAN.chat.connections]> = StaticCell::new();
static BLOCKS: ConstStaticCell<[Block; sizes::BLOCKS]> = ConstStaticCell::new([Block::EMPTY; sizes::BLOCKS]);
static FILES: StaticCell<[File; sizes::FILES]> = StaticCell::new();
static NODE: StaticCell<Node<'static, RamStore<'static>>> = StaticCell::new();
static WORLD: StaticCell<World<'static, RamStore<'static>>> = StaticCell::new();
static ETHERNET: StaticCell<Ethernet> = StaticCell::new();
static OPERATOR: StaticCell<Operator<Uart0>> = StaticCell::new();

#[entry]
fn main() -> ! {
    let Some(core) = cortex_m::Peripherals::take() else {
        exit::failure();
    };
    system::start();
    clock::start(core.SYST, system::HERTZ);
    let operator = OPERATOR.init_with(|| serve::operator(Uart0::start()));
    let mac = system::ethernet_address();
    let device = ETHERNET.init_with(|| Ethernet::start(mac));
    let seats = SEATS.init_with(|| core::array::from_fn(|_| Seat::default()));
    let world = start::world(&WORLD, "lm3s6965evb", ROOM.take(), seats, store);
    let known = (mac, secret::mix(mac.as_bytes()));
    let node = start::node(
        &NODE,
        known,
        &sizes::PLAN,
        device,
        ARENA.take(),
        &mut world.counters,
    );
    system::listen(core.NVIC);
    info!(
        "R2 ready at {=[u8; 4]} on lm3s6965evb",
        ADDRESS.address().octets()
    );
    serve::run(node, world, device, operator)
}

fn store() -> RamStore<'static> {
    let files = FILES.init_with(|| [const { File::EMPTY }; sizes::FILES]);
    RamStore::new(BLOCKS.take(), files, u64::MAX)
}
