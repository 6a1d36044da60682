//! The Stellaris LM3S6965 evaluation board: Cortex-M3, 256 KiB of flash, 64 KiB of RAM, Ethernet.
//!
//! Register addresses and bits are those of the LM3S6965 data sheet (Texas Instruments, DS-LM3S6965-12746).
#![no_std]

pub mod net;
pub mod sizes;
pub mod system;
pub mod uart;
