//! The board: clock and interrupts.

use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;

use crate::{net, uart};

/// The core's clock (AN385, section 3.2).
pub(crate) const HERTZ: u32 = 25_000_000;

/// Lets frames, and bytes that were typed or have left, wake the core.
pub(crate) fn listen(_: NVIC) {
    for interrupt in [Interrupt::Typed, Interrupt::Printed, Interrupt::Ethernet] {
        // SAFETY: no critical section of this program masks single interrupts.
        unsafe { NVIC::unmask(interrupt) };
    }
}

#[derive(Clone, Copy)]
#[repr(u16)]
enum Interrupt {
    Typed = 0,
    Printed = 1,
    Ethernet = 13,
}

// SAFETY: the numbers are those of AN385, section 3.7, and never change.
unsafe impl cortex_m::interrupt::InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

/// Every interrupt but the tick: it has woken the core, the loop does the work.
// SAFETY: it writes registers that clear the cause; the memory that it touches is behind a mutex.
#[exception]
unsafe fn DefaultHandler(_: i16) {
    uart::interrupted();
    net::quiet();
}
