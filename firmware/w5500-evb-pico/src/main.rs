//! R2 on Wiznet's W5500-EVB-Pico: Raspberry Pi's RP2040 (two Cortex-M0+, of which it uses one; 264 KiB of RAM; 2 MiB of
//! flash) and a W5500 Ethernet controller.
#![no_std]
#![no_main]

mod flash;
mod net;
mod sizes;
mod uart;

use core::mem::MaybeUninit;

use cortex_m_rt::{entry, exception};
use defmt::error;
use embassy_rp::clocks::{RoscRng, clk_sys_freq};
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::interrupt::{self, InterruptExt};
use embassy_rp::spi::{self, Spi};
use embedded_hal_bus::spi::ExclusiveDevice;
use r2_core::bytes;
use r2_core::chat::Seat;
use r2_core::store::flash::{File, FlashStore, Sector};
use r2_core::store::sha256;
use r2_node::Node;
use r2_services::{Shared, register};
use r2_support::r2::{self, Operator};
use r2_support::{clock, exit, start};
use smoltcp::wire::EthernetAddress;
use static_cell::{ConstStaticCell, StaticCell};

use crate::flash::Flash;
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
static OPERATOR: StaticCell<Operator<Uart0>> = StaticCell::new();

#[entry]
fn main() -> ! {
    let chip = embassy_rp::init(embassy_rp::config::Config::default());
    let Some(core) = cortex_m::Peripherals::take() else {
        exit::failure();
    };
    clock::start(core.SYST, clk_sys_freq());
    let operator = OPERATOR.init_with(|| r2::operator(uart::start(chip.UART0, chip.PIN_0, chip.PIN_1)));
    let mut flash = Flash::new(chip.FLASH);
    // Nobody has given the board an Ethernet address: one that says so, and differs from board to board.
    let mut mac = EthernetAddress([0x02; 6]);
    for (to, from) in mac
        .0
        .iter_mut()
        .rev()
        .zip(flash.unique_id().into_iter().rev())
        .take(5)
    {
        *to = from;
    }

    let mut config = spi::Config::default();
    config.frequency = 33_000_000;
    let bus = Spi::new_blocking(chip.SPI0, chip.PIN_18, chip.PIN_19, chip.PIN_16, config);
    let select = Output::new(chip.PIN_17, Level::High);
    let reset = Output::new(chip.PIN_20, Level::High);
    let wants = Input::new(chip.PIN_21, Pull::Up);
    let Ok(bus) = ExclusiveDevice::new_no_delay(bus, select);
    let device = ETHERNET.init_with(|| Ethernet::start(bus, reset, wants, mac));

    let seats = SEATS.init_with(|| core::array::from_fn(|_| Seat::default()));
    let world = r2::world(&WORLD, "w5500-evb-pico", ROOM.take(), seats, || store(flash));
    let plan = &sizes::PLAN;
    let config = start::config(mac, secret_of(mac), plan.backlog, plan.time_wait);
    let services = |registry: &mut start::Services<'_, _>| register(registry, plan);
    let node = start::node(&NODE, &config, services, device, ARENA.take(), world);
    // SAFETY: no critical section of this program masks single interrupts.
    unsafe { interrupt::UART0_IRQ.enable() };
    r2::run(node, world, device, operator)
}

/// From the jitter of the chip's ring oscillator, beside what is no secret.
fn secret_of(mac: EthernetAddress) -> [u8; 16] {
    let mut random = [0; 32];
    RoscRng.fill_bytes(&mut random);
    let mut secret = [0; 16];
    bytes::copy(&mut secret, &sha256(&mut [&mac.0[..], &random].into_iter()));
    secret
}

#[inline(never)]
fn store(flash: Flash) -> FlashStore<'static, Flash> {
    let files = FILES.init_with(|| [const { File::EMPTY }; sizes::FILES]);
    match FlashStore::mount(flash, SECTORS.take(), files, u64::MAX) {
        Ok(store) => store,
        Err(why) => {
            error!("the flash is not to be used as a store: {}", why);
            exit::failure();
        }
    }
}

/// Every interrupt but the tick and the pins': it has woken the core, the loop does the work.
// SAFETY: it writes a register that clears the cause, and touches no memory.
#[exception]
unsafe fn DefaultHandler(_: i16) {
    uart::quiet();
}
