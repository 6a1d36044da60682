//! R2 on Arm's MPS2 board as a Cortex-M3: 4 MiB of program memory, 4 MiB of RAM, Ethernet, and a flash for its files.
//!
//! Addresses and interrupts are those of Arm's application note 385 (DAI 0385D).
#![no_std]
#![no_main]

mod flash;
mod net;
mod sizes;
mod system;
mod uart;

use core::mem::MaybeUninit;

use cortex_m_rt::entry;
use defmt::error;
use r2_core::chat::Seat;
use r2_core::store::flash::{File, FlashStore, Sector};
use r2_node::Node;
use r2_services::{Shared, register};
#[cfg(feature = "count")]
use r2_support::count;
use r2_support::r2::{self, Operator};
use r2_support::start::ADDRESS6;
use r2_support::{clock, exit, secret, start};
use static_cell::{ConstStaticCell, StaticCell};

use crate::flash::{Flash, OpenError};
use crate::net::Ethernet;
use crate::uart::Uart0;

static ARENA: ConstStaticCell<[MaybeUninit<u8>; sizes::ARENA]> =
    ConstStaticCell::new([MaybeUninit::uninit(); sizes::ARENA]);
static ROOM: ConstStaticCell<[u8; sizes::ROOM]> = ConstStaticCell::new([0; sizes::ROOM]);
static SEATS: StaticCell<[Seat; sizes::PLAN.chat.connections]> = StaticCell::new();
static SECTORS: ConstStaticCell<[Sector; sizes::SECTORS]> =
    ConstStaticCell::new([Sector::EMPTY; sizes::SECTORS]);
static FILES: StaticCell<[File; sizes::FILES]> = StaticCell::new();
static NODE: StaticCell<Node<'static, Shared<'static, FlashStore<'static, Flash>>>> = StaticCell::new();
static WORLD: StaticCell<Shared<'static, FlashStore<'static, Flash>>> = StaticCell::new();
static ETHERNET: StaticCell<Ethernet> = StaticCell::new();
#[cfg(feature = "count")]
static PEER: ConstStaticCell<count::Memory<{ sizes::MTU }>> = ConstStaticCell::new(count::Memory::EMPTY);
static OPERATOR: StaticCell<Operator<Uart0>> = StaticCell::new();

#[entry]
fn main() -> ! {
    let Some(core) = cortex_m::Peripherals::take() else {
        exit::failure();
    };
    clock::start(core.SYST, system::HERTZ);
    let operator = OPERATOR.init_with(|| r2::operator(Uart0::start()));
    let (ethernet, mac) = Ethernet::start(ADDRESS6.address());
    let device = ETHERNET.init_with(|| ethernet);
    let seats = SEATS.init_with(|| core::array::from_fn(|_| Seat::default()));
    let world = r2::world(&WORLD, "mps2-an385", ROOM.take(), seats, store);
    let plan = &sizes::PLAN;
    let config = start::config(mac, secret::of(mac.as_bytes()), plan.backlog, plan.time_wait);
    let services = |registry: &mut start::Services<'_, _>| register(registry, plan);
    let node = start::node(&NODE, &config, services, device, ARENA.take(), world);
    #[cfg(feature = "count")]
    count::run(node, world, PEER.take());
    system::listen(core.NVIC);
    r2::run(node, world, device, operator)
}

#[inline(never)]
fn store() -> FlashStore<'static, Flash> {
    // SAFETY: the only call.
    let flash = match unsafe { Flash::open() } {
        Ok(flash) => flash,
        Err(OpenError::NoImage) => {
            error!("flash.img cannot be made: start QEMU in a folder that may be written");
            exit::failure();
        }
        Err(OpenError::NotAnImage) => {
            error!("flash.img is no image of this board's flash: move it away");
            exit::failure();
        }
    };
    let files = FILES.init_with(|| [const { File::EMPTY }; sizes::FILES]);
    match FlashStore::mount(flash, SECTORS.take(), files, u64::MAX) {
        Ok(store) => store,
        Err(why) => {
            error!("the flash is not to be used as a store: {}", why);
            exit::failure();
        }
    }
}
