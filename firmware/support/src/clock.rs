//! Time since the start: the core's own timer, a tick each millisecond.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use smoltcp::time::Instant;

/// Milliseconds since the start, and how often that number has wrapped (every 49.7 days). Only [`count`] writes.
static MILLIS: AtomicU32 = AtomicU32::new(0);
static WRAPS: AtomicU32 = AtomicU32::new(0);

/// Starts the clock of a core that runs at `hertz`.
pub fn start(mut timer: SYST, hertz: u32) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(hertz / 1000 - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
}

/// The time since the start.
pub fn now() -> Instant {
    loop {
        let wraps = WRAPS.load(Ordering::Relaxed);
        let millis = MILLIS.load(Ordering::Relaxed);
        if WRAPS.load(Ordering::Relaxed) == wraps {
            return Instant::from_millis((i64::from(wraps) << 32) | i64::from(millis));
        }
    }
}

/// Counts ticks that could not come, since interrupts were off for longer than one.
pub fn missed(ticks: u32) {
    cortex_m::interrupt::free(|_| count(ticks));
}

#[exception]
fn SysTick() {
    count(1);
}

fn count(ticks: u32) {
    let (millis, wrapped) = MILLIS.load(Ordering::Relaxed).overflowing_add(ticks);
    if wrapped {
        WRAPS.store(WRAPS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
    MILLIS.store(millis, Ordering::Relaxed);
}
