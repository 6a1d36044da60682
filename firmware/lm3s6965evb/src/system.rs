//! The chip: clocks, pins, interrupts, address.

use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;
use r2_core::bytes;
use r2_support::register::Register;
use smoltcp::wire::EthernetAddress;

use crate::{net, uart};

/// The core's clock: the PLL's 200 MHz, divided by 4.
pub const HERTZ: u32 = 50_000_000;

const fn register(offset: usize) -> Register {
    // SAFETY: the system control registers, data sheet section 5.4: clocks and identity, no memory.
    unsafe { Register::at(0x400F_E000 + offset) }
}
const RIS: Register = register(0x050);
const RCC: Register = register(0x060);
const RCGC1: Register = register(0x104);
const RCGC2: Register = register(0x108);
const USER_REG0: Register = register(0x1E0);
const USER_REG1: Register = register(0x1E4);

const fn port_a(offset: usize) -> Register {
    // SAFETY: the registers of GPIO port A, data sheet section 8.5: pins, no memory.
    unsafe { Register::at(0x4000_4000 + offset) }
}
const fn port_f(offset: usize) -> Register {
    // SAFETY: the registers of GPIO port F, data sheet section 8.5: pins, no memory.
    unsafe { Register::at(0x4002_5000 + offset) }
}
const AFSEL: usize = 0x420;
const DEN: usize = 0x51C;

/// Runs the core at [`HERTZ`] and gives its clock and pins to the UART and the Ethernet controller.
pub fn start() {
    const BYPASS: u32 = 1 << 11;
    const USESYSDIV: u32 = 1 << 22;
    const SYSDIV: u32 = 0xF << 23;
    const PWRDN: u32 = 1 << 13;
    const XTAL: u32 = 0xF << 6;
    const OSCSRC: u32 = 3 << 4;
    const MOSCDIS: u32 = 1;
    const PLLLRIS: u32 = 1 << 6;
    const UART0: u32 = 1;
    const GPIO_A_AND_F: u32 = 1 | 1 << 5;
    const MAC_AND_PHY: u32 = 1 << 28 | 1 << 30;
    // Data sheet section 5.3: off the PLL, start it on the board's 8 MHz crystal, divide, wait, on the PLL.
    let off = (RCC.read() | BYPASS) & !(USESYSDIV | MOSCDIS);
    RCC.write(off);
    let on = (off & !(XTAL | OSCSRC | PWRDN | SYSDIV)) | (0xE << 6) | (3 << 23) | USESYSDIV;
    RCC.write(on);
    while RIS.read() & PLLLRIS == 0 {}
    RCC.write(on & !BYPASS);

    RCGC1.set(UART0);
    RCGC2.set(GPIO_A_AND_F | MAC_AND_PHY);
    // The clocks reach their modules some cycles later.
    cortex_m::asm::delay(16);
    // PA0 and PA1 are the UART's, PF2 and PF3 the lights of the Ethernet socket.
    port_a(AFSEL).set(0b11);
    port_a(DEN).set(0b11);
    port_f(AFSEL).set(0b1100);
    port_f(DEN).set(0b1100);
}

/// The Ethernet address that the board's maker has put into the user registers.
pub fn ethernet_address() -> EthernetAddress {
    let mut address = [0; 6];
    let (low, high) = address.split_at_mut(3);
    for (half, register) in [(low, USER_REG0), (high, USER_REG1)] {
        bytes::copy(half, &register.read().to_le_bytes());
    }
    EthernetAddress(address)
}

/// Lets frames and typed bytes wake the core.
pub fn listen(_: NVIC) {
    for interrupt in [Interrupt::Uart0, Interrupt::Ethernet] {
        // SAFETY: no critical section of this program masks single interrupts.
        unsafe { NVIC::unmask(interrupt) };
    }
}

#[derive(Clone, Copy)]
#[repr(u16)]
enum Interrupt {
    Uart0 = 5,
    Ethernet = 42,
}

// SAFETY: the numbers are those of the data sheet, table 2-9, and never change.
unsafe impl cortex_m::interrupt::InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

/// Every interrupt but the tick: it has woken the core, the loop does the work.
// SAFETY: it writes registers that clear the cause, and touches no memory.
#[exception]
unsafe fn DefaultHandler(_: i16) {
    uart::quiet();
    net::quiet();
}

/// The vectors of the interrupts that the chip has, data sheet table 2-9.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [unsafe extern "C" fn(); 44] = {
    unsafe extern "C" {
        fn DefaultHandler();
    }
    [DefaultHandler; 44]
};
