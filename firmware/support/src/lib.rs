//! What every board needs: start, stop, stack, memory, clock and sleep; and with the feature `services`, the world,
//! the console and the loop of R2.
//!
//! A board brings its Ethernet MAC as a smoltcp [`Device`](smoltcp::phy::Device) with an [`Idle`](sleep::Idle), and a
//! table of sizes. For R2 it also brings its UART as a [`Uart`](uart::Uart), and [`r2::run`] does the rest.
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
#[cfg(feature = "services")]
pub mod console;
#[cfg(feature = "copy")]
mod copy;
#[cfg(feature = "count")]
pub mod count;
pub mod exit;
mod fault;
pub mod frame;
pub mod pl011;
#[cfg(feature = "services")]
pub mod r2;
pub mod register;
pub mod secret;
pub mod sleep;
pub mod stack;
pub mod start;
pub mod uart;
