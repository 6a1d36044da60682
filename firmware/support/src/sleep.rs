//! Sleep between two turns.

use smoltcp::time::Instant;

use crate::clock;

/// What may wake a board.
pub trait Idle {
    /// Whether a frame has arrived. Called with interrupts off: one that comes later must raise its interrupt.
    fn has_frame(&self) -> bool;
}

/// Sleeps until an interrupt, the tick of the clock at the latest. Does not where it is `next`, or something has
/// `come`, which is asked with interrupts off. Returns whether it slept.
pub fn once(next: Option<Instant>, come: impl FnOnce() -> bool) -> bool {
    cortex_m::interrupt::free(|_| {
        let due = next.is_some_and(|at| at <= clock::now());
        let idle = !due && !come();
        if idle {
            // Whatever interrupt comes ends it, and is served behind this section.
            cortex_m::asm::wfi();
        }
        idle
    })
}

/// Sleeps until something has `come`, or it is `next`.
pub fn until(next: Option<Instant>, come: impl Fn() -> bool) {
    while once(next, &come) {}
}
