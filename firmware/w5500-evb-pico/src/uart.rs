//! UART0 on GP0 and GP1, the console: 115,200 baud, 8 bits, no parity.

use embassy_rp::Peri;
use embassy_rp::peripherals::{PIN_0, PIN_1, UART0};
use embassy_rp::uart::{Blocking, Config, Uart as Driver};
use r2_support::console::Uart;
use r2_support::register::Register;

const fn register(offset: usize) -> Register {
    // SAFETY: the registers of UART0, RP2040 data sheet section 4.2.8: FIFOs and flags, no memory.
    unsafe { Register::at(0x4003_4000 + offset) }
}
const DATA: Register = register(0x000);
const FLAGS: Register = register(0x018);
const INTERRUPT_MASK: Register = register(0x038);
const INTERRUPT_CLEAR: Register = register(0x044);

const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;
/// The receive FIFO fills, or what is in it rests.
const RECEIVED: u32 = 1 << 4 | 1 << 6;

/// The console's UART.
pub(crate) struct Uart0 {
    /// Pins and baud rate are its matter; it waits, so bytes go past it.
    _driver: Driver<'static, Blocking>,
}

impl Uart0 {
    /// Starts the UART.
    pub(crate) fn start(
        uart: Peri<'static, UART0>,
        transmit: Peri<'static, PIN_0>,
        receive: Peri<'static, PIN_1>,
    ) -> Self {
        let driver = Driver::new_blocking(uart, transmit, receive, Config::default());
        INTERRUPT_MASK.write(RECEIVED);
        Self { _driver: driver }
    }
}

impl Uart for Uart0 {
    fn has_byte(&self) -> bool {
        FLAGS.read() & RECEIVE_EMPTY == 0
    }

    fn read(&mut self) -> Option<u8> {
        self.has_byte().then(|| DATA.read().to_le_bytes()[0])
    }

    fn has_room(&self) -> bool {
        FLAGS.read() & TRANSMIT_FULL == 0
    }

    fn write(&mut self, byte: u8) {
        DATA.write(byte.into());
    }
}

/// Takes the interrupt back.
pub(crate) fn quiet() {
    INTERRUPT_CLEAR.write(RECEIVED);
}
