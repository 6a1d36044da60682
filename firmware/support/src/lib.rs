//! What every board of R2 needs: start, stop, stack, memory, clock, console, and the loop.
//!
//! A board brings its Ethernet MAC as a smoltcp [`Device`](smoltcp::phy::Device) with an [`Idle`](serve::Idle), its
//! UART as a [`Uart`](console::Uart), and a table of sizes; [`serve::run`] does the rest.
#![no_std]

#[cfg(not(any(feature = "semihosting", feature = "rtt")))]
compile_error!("log lines go nowhere: choose the feature `semihosting` (QEMU) or `rtt` (hardware)");
#[cfg(all(feature = "semihosting", feature = "rtt"))]
compile_error!("the features `semihosting` and `rtt` exclude each other: log lines go to one place");

// The logger of defmt is a symbol that the linker finds.
#[cfg(feature = "rtt")]
use defmt_rtt as _;
#[cfg(feature = "semihosting")]
use defmt_semihosting as _;

pub mod arena;
pub mod clock;
pub mod console;
#[cfg(feature = "count")]
pub mod count;
pub mod exit;
mod fault;
pub mod frame;
pub mod pl011;
pub mod register;
pub mod secret;
pub mod serve;
pub mod stack;
pub mod start;
