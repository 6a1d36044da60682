//! UART0, the console: 115,200 baud, 8 bits, no parity.

use r2_support::pl011::Pl011;

use crate::system::HERTZ;

/// The console's UART.
pub type Uart0 = Pl011<0x4000_C000>;

// SAFETY: data sheet section 12: UART0 is a PL011.
const UART: Uart0 = unsafe { Uart0::new() };

/// Starts the UART; its clock and pins are on.
pub fn start() -> Uart0 {
    /// 64ths of the divisor, rounded.
    const DIVISOR: u32 = (HERTZ * 4 + 115_200 / 2) / 115_200;
    let integer_divisor = UART.register(0x024);
    let fraction = UART.register(0x028);
    let line_control = UART.register(0x02C);
    let control = UART.register(0x030);
    control.write(0);
    integer_divisor.write(DIVISOR / 64);
    fraction.write(DIVISOR % 64);
    // 8 bits, FIFOs.
    line_control.write(0b111 << 4);
    UART.listen();
    // Receiver, transmitter, UART.
    control.write(1 << 9 | 1 << 8 | 1);
    UART
}

/// Takes the interrupt back.
pub fn quiet() {
    UART.quiet();
}
