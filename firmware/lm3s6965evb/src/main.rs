//! R2 on the Stellaris LM3S6965 evaluation board: Cortex-M3, 256 KiB of flash, 64 KiB of RAM, Ethernet. This image has
//! every service.
//!
//! Register addresses and bits are those of the LM3S6965 data sheet (Texas Instruments, DS-LM3S6965-12746).
#![no_std]
#![no_main]

mod board;
mod copy;
mod net;
mod plan;
mod sizes;
mod system;
mod uart;
