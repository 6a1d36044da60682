//! How much stack was ever in use.
//!
//! The stack is painted before the first call, and lies at the bottom of RAM (memory.x): what overflows it leaves RAM
//! and is a fault at once, not somebody else's changed variable.

use cortex_m_rt::STACK_PAINT_VALUE;

unsafe extern "C" {
    static mut _stack_end: u32;
    static mut _stack_start: u32;
}

/// Bytes reserved for the stack.
pub fn reserved() -> usize {
    (&raw const _stack_start).addr() - (&raw const _stack_end).addr()
}

/// The most bytes of stack that were ever in use: from its top down to the lowest word that is no longer paint.
pub fn high_water() -> usize {
    let top = (&raw const _stack_start).addr();
    let mut word = &raw const _stack_end;
    // SAFETY: the linker script reserves the words between the two symbols for the stack; they are only read, and
    // the ones that are in use are above where the loop ends.
    while word.addr() < top && unsafe { word.read_volatile() } == STACK_PAINT_VALUE {
        word = word.wrapping_add(1);
    }
    top - word.addr()
}
