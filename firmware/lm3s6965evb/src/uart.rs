//! UART0, the console: 115,200 baud, 8 bits, no parity.

use r2_support::console::Uart;
use r2_support::register::Register;

use crate::system::HERTZ;

const fn register(offset: usize) -> Register {
    // SAFETY: the registers of UART0, data sheet section 12.5: FIFOs and flags, no memory.
    unsafe { Register::at(0x4000_C000 + offset) }
}
const DATA: Register = register(0x000);
const FLAGS: Register = register(0x018);
const INTEGER_DIVISOR: Register = register(0x024);
const FRACTION: Register = register(0x028);
const LINE_CONTROL: Register = register(0x02C);
const CONTROL: Register = register(0x030);
const INTERRUPT_MASK: Register = register(0x038);
const INTERRUPT_CLEAR: Register = register(0x044);

const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;
const RECEIVED: u32 = 1 << 4 | 1 << 6;

/// The console's UART.
pub(crate) struct Uart0(());

impl Uart0 {
    /// Starts the UART; its clock and pins are on.
    pub(crate) fn start() -> Self {
        /// 64ths of the divisor, rounded.
        const DIVISOR: u32 = (HERTZ * 4 + 115_200 / 2) / 115_200;
        CONTROL.write(0);
        INTEGER_DIVISOR.write(DIVISOR / 64);
        FRACTION.write(DIVISOR % 64);
        // 8 bits, FIFOs.
        LINE_CONTROL.write(0b111 << 4);
        // An interrupt when the receive FIFO fills and when what is in it rests.
        INTERRUPT_MASK.write(RECEIVED);
        // Receiver, transmitter, UART.
        CONTROL.write(1 << 9 | 1 << 8 | 1);
        Self(())
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
