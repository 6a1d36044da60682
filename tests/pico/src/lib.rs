//! An emulator of the W5500-EVB-Pico: of its RP2040 (data sheet of 2024) what R2's image touches, its flash, and its
//! W5500 (data sheet v1.1.0).
//!
//! [`Board`](board::Board) runs an unmodified image. Its time is counted in cycles of 8 ns, and no clock is read: whoever runs
//! it says until when. An access where no memory is, an instruction that ARMv6-M has not, and a branch to Arm code are
//! hard faults, as in the chip; what the emulator itself has not ends the run with a [`Stop`](stop::Stop) that names it.
//!
//! Not emulated: core 1, DMA, PIO, USB, the process stack, and what a flash or a controller does outside its data sheet.

pub mod board;
mod core;
mod flash;
pub mod image;
mod instructions;
mod rom;
mod rp2040;
pub mod stop;
pub mod w5500;

/// Cycles of a millisecond: the core runs at 125 MHz.
pub const MILLISECOND: u64 = 125_000;
