//! R2's services on smoltcp: a gate with a backlog in front of sockets that each stand alone.
//!
//! smoltcp searches all its sockets for every frame and knows no backlog. [`Node`] does not ask it to: every
//! connection has a slot whose socket is alone in its `SocketSet`, and the gate reads a frame's
//! addresses *before* smoltcp does and hands the frame to that one set. The cost of a frame does not depend on
//! how many connections are open, and a SYN that finds every slot of its service taken is held, not refused.
//!
//! ```text
//! frame → gate ─┬─ known flow        → its slot's set → session.receive / transmit → egress
//!               ├─ SYN, service port → a free slot of that service, or held in the backlog
//!               ├─ UDP, service port → answered in the frame
//!               ├─ ARP, NDP, ICMP    → the plain interface
//!               ├─ TCP, no service   → the empty set (smoltcp answers RST)
//!               └─ not for us, malformed, not allowed → dropped and counted by reason
//! ```
//!
//! A node owns no time, no thread and no memory: `now`, the device and the [`World`] are passed in, slots and
//! buffers are borrowed from a [`Storage`] when it is made. Host, simulator and board each drive [`Node::poll`]
//! with a loop of a few lines.
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

pub mod config;
pub mod counters;
mod deadline;
mod gate;
pub mod limits;
#[cfg(feature = "call")]
mod neighbor;
pub mod node;
pub mod service;
mod slot;
pub mod storage;
mod udp;
mod wire;
pub mod world;

pub use config::{Config, Plan, Size};
pub use counters::{Counters, Reason};
pub use node::Node;
pub use storage::Storage;
pub use world::{About, World};
