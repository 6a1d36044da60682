//! UART0 on GP0 and GP1, the console: 115,200 baud, 8 bits, no parity.

use embassy_rp::Peri;
use embassy_rp::peripherals::{PIN_0, PIN_1, UART0};
use embassy_rp::uart::{Blocking, Config, Uart as Driver};
use r2_support::pl011::Pl011;
use r2_support::register::Register;

/// The console's UART.
pub(crate) type Uart0 = Pl011<0x4003_4000>;

// SAFETY: RP2040 data sheet section 4.2: UART0 is a PL011.
const UART: Uart0 = unsafe { Uart0::new() };

/// The pad of GP1.
// SAFETY: RP2040 data sheet section 2.19.6.3: a register of a pad, which touches no memory.
const RECEIVE_PAD: Register = unsafe { Register::at(0x4001_c008) };
/// Its pull-up.
const PULL_UP: u32 = 1 << 3;

/// Starts the UART.
pub(crate) fn start(
    uart: Peri<'static, UART0>,
    transmit: Peri<'static, PIN_0>,
    receive: Peri<'static, PIN_1>,
) -> Uart0 {
    // Pins and baud rate are the driver's matter. It waits, so bytes go past it; it is never dropped, which would take
    // the pins back.
    core::mem::forget(Driver::<'static, Blocking>::new_blocking(
        uart,
        transmit,
        receive,
        Config::default(),
    ));
    // The driver takes the pull-down away that a pin has after reset: with nothing plugged in, it would type noise.
    RECEIVE_PAD.set(PULL_UP);
    UART.listen();
    UART
}

/// Takes the interrupt back.
pub(crate) fn quiet() {
    UART.quiet();
}
