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
//!               ├─ TCP, no service   → the empty set (smoltcp answers RST)
//!               ├─ UDP, ARP, NDP, an echo request, a protocol that nobody speaks → answered in the frame
//!               └─ not for us, malformed, not allowed → dropped and counted by reason
//! ```
//!
//! A node owns no time, no thread and no memory: `now`, the device and the [`World`] are passed in, slots and
//! buffers are borrowed from a [`Storage`] when it is made. Host, simulator and board each drive [`Node::poll`]
//! with a loop of a few lines.
//!
//! # A node by hand
//!
//! What a host and a board do, on a device that gives back what it is sent: somebody asks for R2's Ethernet
//! address, and R2 answers.
//!
//! ```
//! use r2_core::chat::{Room, Seat};
//! use r2_core::limits::CHAT_RING_MIN;
//! use r2_core::store::ram::{Block, File, RamStore};
//! use r2_node::{About, Config, Counters, Node, Plan, Size, Storage, World};
//! use smoltcp::phy::{Device, Loopback, Medium, TxToken};
//! use smoltcp::time::Instant;
//! use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
//!
//! /// Memory that is never given back. A board hands out parts of a static.
//! struct Leak;
//! impl Storage<'static> for Leak {
//!     fn slice<T: 'static>(&mut self, len: usize, make: impl FnMut(usize) -> T) -> &'static mut [T] {
//!         (0..len).map(make).collect::<Vec<_>>().leak()
//!     }
//! }
//!
//! let none = Size { connections: 0, receive: 0, transmit: 0 };
//! let few = Size { connections: 2, receive: 4096, transmit: 2048 };
//! let plan = Plan {
//!     chat: few, secret: few, drop: few, files: few,
//!     status: none, echo: none, discard: none, chargen: none, capture: none,
//!     backlog: 8, time_wait: 8,
//! };
//! let address = Ipv4Address::new(192, 168, 69, 1);
//! let config = Config {
//!     mac: EthernetAddress([2, 0, 0, 0, 0, 1]),
//!     ipv4: Ipv4Cidr::new(address, 24),
//!     # #[cfg(feature = "ipv6")]
//!     ipv6: None,
//!     gateway: None,
//!     allow: &[],
//!     secret: [7; 16], // real entropy, elsewhere
//!     started_at: Instant::ZERO,
//! };
//! let (mut device, mut counters) = (Loopback::new(Medium::Ethernet), Counters::default());
//! let mut node = Node::new(&config, &plan, &mut device, &mut Leak, &mut counters, Instant::ZERO);
//! let seats = Leak.slice(few.connections, |_| Seat::default());
//! let (blocks, files) = (Leak.slice(64, |_| Block::EMPTY), Leak.slice(8, |_| File::EMPTY));
//! let mut world = World {
//!     room: Room::new(Leak.bytes(CHAT_RING_MIN), seats, "R2", "KALI").unwrap(),
//!     store: RamStore::new(blocks, files, u64::MAX),
//!     counters,
//!     about: About { version: "1", board: "doctest", address: address.into(), stack_high_water: None },
//! };
//!
//! // Who has 192.168.69.1? asks 192.168.69.100 (RFC 826).
//! let question = [
//!     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 100, 8, 6, // Ethernet: to everybody, ARP
//!     0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 100, 192, 168, 69, 100, 0, 0, 0, 0, 0, 0, 192, 168, 69, 1,
//! ];
//! let token = device.transmit(Instant::ZERO).unwrap();
//! token.consume(question.len(), |frame| frame.copy_from_slice(&question));
//!
//! let next = node.poll(Instant::ZERO, &mut device, &mut world);
//! assert_eq!(next, None, "nothing to do before the next frame");
//! // The question, and R2's answer, which this device brings back to it.
//! assert_eq!((world.counters.frames_in, world.counters.frames_out), (2, 1));
//! ```
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

mod answer;
mod bucket;
pub mod capture;
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
#[cfg(feature = "segmentation-offload")]
pub mod transport;
mod wire;
pub mod world;

pub use config::{Config, Plan, Size};
pub use counters::{Counters, Reason};
pub use node::Node;
pub use storage::Storage;
pub use world::{About, World};
