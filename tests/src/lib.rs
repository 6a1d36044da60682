//! What the tests share.

pub mod splits;
//! The lab in a box: what the end-to-end tests and the benchmark run in.
//!
//! A [`Lab`](lab::Lab) is a network namespace of its own with a TAP, R2 serving on it, and the shell of KALI at
//! the other end: a test types command lines there, or opens kernel sockets, and reads what appears on the
//! screens. Nothing sleeps: whoever waits, waits for an event, and not longer than its patience.
// A test fails by a panic, and so does its harness.
#![allow(clippy::missing_panics_doc)]

pub mod lab;
pub mod namespace;
pub mod payload;
pub mod program;
pub mod store;
pub mod tmpfs;
