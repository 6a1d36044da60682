//! Arm's PL011 UART (technical reference manual DDI 0183), which several makers have put into their chips.

use crate::register::Register;
use crate::uart::Uart;

const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;
/// The receive FIFO fills, or what is in it rests.
const RECEIVED: u32 = 1 << 4 | 1 << 6;

/// A PL011 whose pins, baud rate and FIFOs its chip has set up, with its registers from `BASE` on.
#[derive(Clone, Copy)]
pub struct Pl011<const BASE: usize>(());

impl<const BASE: usize> Pl011<BASE> {
    /// The UART at `BASE`.
    ///
    /// # Safety
    ///
    /// At `BASE` there is a PL011.
    pub const unsafe fn new() -> Self {
        Self(())
    }

    /// Its register at `offset`.
    pub const fn register(self, offset: usize) -> Register {
        // SAFETY: the maker vouched for the UART, whose registers are FIFOs and flags, no memory.
        unsafe { Register::at(BASE + offset) }
    }

    /// Lets bytes that have come raise the interrupt.
    pub fn listen(self) {
        self.register(0x038).write(RECEIVED);
    }

    /// Takes the interrupt back.
    pub fn quiet(self) {
        self.register(0x044).write(RECEIVED);
    }

    const fn data(self) -> Register {
        self.register(0x000)
    }

    fn flags(self) -> u32 {
        self.register(0x018).read()
    }
}

impl<const BASE: usize> Uart for Pl011<BASE> {
    fn has_byte(&self) -> bool {
        self.flags() & RECEIVE_EMPTY == 0
    }

    fn read(&mut self) -> Option<u8> {
        self.has_byte().then(|| self.data().read().to_le_bytes()[0])
    }

    fn has_room(&self) -> bool {
        self.flags() & TRANSMIT_FULL == 0
    }

    fn write(&mut self, byte: u8) {
        self.data().write(byte.into());
    }
}
