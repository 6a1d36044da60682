//! UART0 on GP0 and GP1, the console: 115,200 baud, 8 bits, no parity.

use embassy_rp::Peri;
use embassy_rp::peripherals::{PIN_0, PIN_1, UART0};
use embassy_rp::uart::{Blocking, Config, Uart as Driver};
use r2_support::pl011::Pl011;

/// The console's UART.
pub(crate) type Uart0 = Pl011<0x4003_4000>;

// SAFETY: RP2040 data sheet section 4.2: UART0 is a PL011.
const UART: Uart0 = unsafe { Uart0::new() };

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
    UART.listen();
    UART
}

/// Takes the interrupt back.
pub(crate) fn quiet() {
    UART.quiet();
}
