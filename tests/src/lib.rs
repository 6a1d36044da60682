//! What the tests share.
//!
//! [`splits`] plays a conversation to a session at every size of input and output. Everything else is the lab in a
//! box that the end-to-end tests and the benchmark run in: a [`Lab`](lab::Lab) is a network namespace of its own
//! with a TAP, R2 serving on it, and the shell of KALI at the other end: a test types command lines there, or opens
//! kernel sockets, and reads what appears on the screens. Nothing sleeps: whoever waits, waits for an event, and not
//! longer than its patience.
// A test fails by a panic, and so does its harness.
#![allow(clippy::missing_panics_doc)]

pub mod aftermath;
pub mod board;
pub mod card;
pub mod carrier;
pub mod far;
pub mod lab;
pub mod lan;
pub mod namespace;
#[path = "../../core/tests/flash/nor.rs"]
pub mod nor;
pub mod power_loss;
pub mod program;
#[path = "../../core/tests/late/slow.rs"]
pub mod slow;
pub mod splits;
pub mod store;
pub mod store_suite;
pub mod terminal;
pub mod tmpfs;
pub mod wire;
