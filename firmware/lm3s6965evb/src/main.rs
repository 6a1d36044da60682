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
use r2_core::chat::{Room, Seat};
use r2_core::store::ram::{Block, File, RamStore};
use r2_node::{About, Config, Counters, Node, World};
use r2_support::arena::Arena;
use r2_support::serve::Operator;
use r2_support::{clock, exit, secret, serve, stack};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use static_cell::{ConstStaticCell, StaticCell};

use crate::net::Ethernet;
use crate::uart::Uart0;

const ADDRESS: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(192, 168, 69, 1), 24);

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
    let world = world();
    let node = node(mac, device, &mut world.counters);
    system::listen(core.NVIC);
    info!(
        "R2 ready at {=[u8; 4]} on lm3s6965evb",
        ADDRESS.address().octets()
    );
    serve::run(node, world, device, operator)
}

/// What is made here is large while it is made: it has left the stack when R2 serves.
#[inline(never)]
fn node(
    mac: EthernetAddress,
    device: &mut Ethernet,
    counters: &mut Counters,
) -> &'static mut Node<'static, RamStore<'static>> {
    let config = Config {
        mac,
        ipv4: ADDRESS,
        gateway: None,
        allow: &[],
        secret: secret::mix(mac.as_bytes()),
    };
    let mut arena = Arena::new(ARENA.take());
    let node =
        NODE.init_with(|| Node::new(&config, &sizes::PLAN, device, &mut arena, counters, clock::now()));
    info!(
        "{=usize} of the arena's {=usize} bytes are left",
        arena.left(),
        sizes::ARENA
    );
    node
}

#[inline(never)]
fn world() -> &'static mut World<'static, RamStore<'static>> {
    let seats = SEATS.init_with(|| core::array::from_fn(|_| Seat::default()));
    let Ok(room) = Room::new(ROOM.take(), seats, "R2", "KALI") else {
        exit::failure();
    };
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        board: "lm3s6965evb",
        address: ADDRESS.address().into(),
        stack_high_water: Some(stack::high_water),
    };
    WORLD.init_with(|| World {
        room,
        store: RamStore::new(
            BLOCKS.take(),
            FILES.init_with(|| [const { File::EMPTY }; sizes::FILES]),
            u64::MAX,
        ),
        counters: Counters::default(),
        about,
    })
}
