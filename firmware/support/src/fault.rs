//! What cannot happen: said, and then the run is over with a failure.

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};

use crate::exit;

/// Ends the run. Where it was is left out, unless the feature `locations` is on: the names of all places where smoltcp
/// might panic, of which none is known, are a fifth of an image.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    if cfg!(feature = "locations") {
        defmt::error!("{}", defmt::Display2Format(info));
    } else {
        defmt::error!("panic; the feature `locations` says where");
    }
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
