//! Where a panic goes.

use core::panic::PanicInfo;

/// Without `locations`: to a function that does not exist. The image links only if the optimiser has found that
/// nothing can get there.
#[cfg(not(feature = "locations"))]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        safe fn r2_core_can_panic__use_get_iterators_or_saturating_arithmetic__see_firmware_no_panic() -> !;
    }
    r2_core_can_panic__use_get_iterators_or_saturating_arithmetic__see_firmware_no_panic()
}

/// With `locations`: here, where it is looked at. So the image holds the location of every panic that is left.
#[cfg(feature = "locations")]
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::black_box(info.location());
    }
}
