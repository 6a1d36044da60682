//! The protocols of R2: bytes in, bytes out, never waiting.
//!
//! Every service is a [`Session`](session::Session): the protocol of one connection, which is handed slices and
//! says how much of them it took or filled. It knows no socket, no clock and no allocator; whatever it shares with
//! others (the chat room, the store) is passed in as its world. [`io::Pump`] puts a session on any connection with
//! the `embedded-io` traits, `io::AsyncPump` (feature `async`) on one with those of `embedded-io-async`; the crate
//! `r2-node` puts it on smoltcp, without a copy in between.
//!
//! # A session by hand
//!
//! ```
//! use r2_core::secret::Secret;
//! use r2_core::session::Session;
//! use r2_core::time::Instant;
//!
//! let (now, world) = (Instant::from_millis(0), &mut ());
//! let mut session = Secret::new();
//! session.opened(now, world);
//! // A line may come in pieces; what is taken is answered as soon as there is room for the answer.
//! assert_eq!(session.receive(now, b"123Ted 32is 343SEC", world), 18);
//! assert_eq!(session.receive(now, b"RET cool\n", world), 9);
//! let mut tx = [0; 64];
//! let filled = session.transmit(now, &mut tx, world);
//! assert_eq!(&tx[..filled], b"Digits: 12332343 Count: 8\n");
//! ```
//!
//! # Where to read on
//!
//! 1. [`session`]: in which order the methods are called, and what they promise.
//! 2. [`secret`]: the smallest service with a state; [`diag`]: those of the RFCs.
//! 3. [`chat`]: sessions that share a world, one ring of lines, at the cost of one place in it for each.
//! 4. [`store`]: what is asked of a disk, a flash or a piece of RAM; [`mod@drop`] and [`files`] are its users.
//! 5. [`client`]: the other end of each, sessions as well.
//! 6. [`limits`]: every bound, with its reason.
//!
//! # Features
//!
//! - `services` (default): the protocols of R2, its clients and its stores. Without it: what a session is, and what
//!   sessions are made of.
//! - `flash`: the store on NOR flash, over `embedded-storage`.
//! - `async`: `io::AsyncPump`.
//! - `log` or `defmt`: where log lines go. With neither they go nowhere.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

#[cfg(test)]
extern crate std;

#[macro_use]
pub mod bug;
#[cfg(feature = "services")]
#[macro_use]
mod log;

pub mod bytes;
#[cfg(feature = "services")]
pub mod chat;
#[cfg(feature = "services")]
pub mod client;
#[cfg(feature = "services")]
pub mod diag;
#[cfg(feature = "services")]
pub mod drop;
#[cfg(feature = "services")]
pub mod files;
#[cfg(feature = "services")]
mod foreign;
pub mod group;
#[cfg(feature = "services")]
pub mod hex;
pub mod io;
#[cfg(feature = "services")]
pub mod limits;
pub mod line;
#[cfg(feature = "services")]
pub mod mdns;
#[cfg(feature = "services")]
pub mod name;
pub mod outbox;
#[cfg(feature = "services")]
pub mod secret;
pub mod session;
#[cfg(feature = "services")]
pub mod status;
#[cfg(feature = "services")]
pub mod store;
pub mod text;
pub mod time;
