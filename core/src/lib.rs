//! The protocols of R2: bytes in, bytes out, never waiting.
//!
//! Every service is a [`Session`](session::Session): the protocol of one connection, which is handed slices and
//! says how much of them it took or filled. It knows no socket, no clock and no allocator; whatever it shares with
//! others (the chat room, the store) is passed in as its world. [`io::Pump`] puts a session on any connection with
//! the `embedded-io` traits; the crate `r2-node` puts it on smoltcp, without a copy in between.
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
mod log;

pub mod chat;
pub mod client;
pub mod diag;
pub mod drop;
pub mod files;
pub mod hex;
pub mod io;
pub mod limits;
pub mod line;
pub mod name;
pub mod outbox;
pub mod secret;
pub mod session;
pub mod status;
pub mod store;
pub mod text;
pub mod time;
