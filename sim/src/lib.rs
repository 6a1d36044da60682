//! R2's node and its peers in memory: a wire, a clock that jumps to the next event, KALI with a TCP of her own, and a
//! stranger without one. No thread, no sleep, no chance.
// A test fails by a panic, and so does its harness.
#![allow(clippy::missing_panics_doc)]

pub mod event_loop;
pub mod host;
pub mod payload;
pub mod pcap;
pub mod simulation;
pub mod stranger;
pub mod stranger6;
pub mod wire;
