//! UART0, the console: 115,200 baud, 8 bits, no parity.
//!
//! It holds one byte in each direction, so what is typed is taken at its interrupt.

use core::cell::RefCell;

use cortex_m::interrupt::{self, Mutex};
use heapless::Deque;
use r2_support::register::Register;
use r2_support::uart::Uart;

use crate::system::HERTZ;

const fn register(offset: usize) -> Register {
    // SAFETY: the registers of the CMSDK UART 0 (AN385, section 3.5; CMSDK manual, section 4.3): no memory.
    unsafe { Register::at(0x4000_4000 + offset) }
}
const DATA: Register = register(0x00);
const STATE: Register = register(0x04);
const CONTROL: Register = register(0x08);
const INTERRUPTS: Register = register(0x0C);
const DIVISOR: Register = register(0x10);

const TRANSMIT_FULL: u32 = 1;
const RECEIVE_FULL: u32 = 1 << 1;
/// Transmitter and receiver on, each with its interrupt.
const ON: u32 = 0b1111;
const RECEIVE_INTERRUPT: u32 = 1 << 3;

/// What was typed while the core was busy: a pasted line.
static TYPED: Mutex<RefCell<Deque<u8, 128>>> = Mutex::new(RefCell::new(Deque::new()));

/// The console's UART.
pub(crate) struct Uart0(());

impl Uart0 {
    /// Starts the UART.
    pub(crate) fn start() -> Self {
        DIVISOR.write(HERTZ / 115_200);
        CONTROL.write(ON);
        Self(())
    }
}

impl Uart for Uart0 {
    fn has_byte(&self) -> bool {
        interrupt::free(|section| !TYPED.borrow(section).borrow().is_empty())
    }

    fn read(&mut self) -> Option<u8> {
        interrupt::free(|section| {
            let byte = TYPED.borrow(section).borrow_mut().pop_front();
            // There is room again.
            CONTROL.write(ON);
            byte
        })
    }

    fn has_room(&self) -> bool {
        STATE.read() & TRANSMIT_FULL == 0
    }

    fn write(&mut self, byte: u8) {
        DATA.write(byte.into());
    }
}

/// Takes what has been typed, and the interrupts back. Where there is no room the byte stays in the UART, and its
/// interrupt is off until there is.
pub(crate) fn interrupted() {
    interrupt::free(|section| {
        let mut typed = TYPED.borrow(section).borrow_mut();
        INTERRUPTS.write(0b11);
        while STATE.read() & RECEIVE_FULL != 0 {
            if typed.is_full() {
                CONTROL.clear(RECEIVE_INTERRUPT);
                break;
            }
            // There is room: looked at above.
            let _ = typed.push_back(DATA.read().to_le_bytes()[0]);
        }
    });
}
