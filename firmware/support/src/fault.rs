//! What cannot happen: said, and then the run is over with a failure.

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};

use crate::exit;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // Without its message, whose formatting would be several kilobytes of flash.
    let (file, line) = info
        .location()
        .map_or(("?", 0), |place| (place.file(), place.line()));
    defmt::error!("panic at {=str}:{=u32}", file, line);
    exit::failure()
}

// SAFETY: the handler reads its frame and never returns.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!(
        "hard fault at {=u32:#010x}, called from {=u32:#010x}",
        frame.pc(),
        frame.lr()
    );
    exit::failure()
}
