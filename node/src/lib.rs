//! A server on smoltcp: a gate with a backlog in front of sockets that each stand alone.
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
//! With the feature `dhcp` a node may find its IPv4 address by itself (`Config::dhcp`), from a DHCP server or, where none
//! answers, a link-local one; it is probed before it is used, and defended. `Node::addresses` tells those that there are:
//! ask after [`Node::poll`]. Connections to an address that is lost are reset and counted.
//!
//! # A service of one's own
//!
//! The node knows no protocol: a service is a [`Session`](r2_core::session::Session) and a [`Spec`](service::Spec), and
//! what its sessions share is a [`World`]. `examples/visits.rs` is a whole server on a TAP.
//!
//! ```
//! use core::fmt::Write;
//! use r2_core::outbox::Outbox;
//! use r2_core::session::{Session, Wants};
//! use r2_core::time::Instant as Now;
//! use r2_node::service::{Registry, Spec, never};
//! use r2_node::{Config, Counters, Node, Size, Storage};
//! use smoltcp::phy::{Loopback, Medium};
//! use smoltcp::time::Instant;
//! use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};
//!
//! static VISITS: Spec = Spec::new("visits", 6000);
//! static ADDRESSES: [IpCidr; 1] = [IpCidr::Ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 168, 69, 1), 24))];
//!
//! /// One connection: tells its visitor which number it has, and closes. All share the number of visitors.
//! #[derive(Default)]
//! struct Visit(Outbox<32>);
//! impl Session<u32> for Visit {
//!     fn opened(&mut self, _: Now, visitors: &mut u32) {
//!         *visitors += 1;
//!         writeln!(self.0, "you are visitor {visitors}").expect("room for ten digits");
//!     }
//!     fn receive(&mut self, _: Now, rx: &[u8], _: &mut u32) -> usize {
//!         rx.len()
//!     }
//!     fn transmit(&mut self, _: Now, tx: &mut [u8], _: &mut u32) -> usize {
//!         self.0.drain_into(tx)
//!     }
//!     fn finished(&mut self, _: Now, _: &mut u32) {}
//!     fn wants(&self) -> Wants {
//!         Wants::close_if(self.0.is_empty())
//!     }
//! }
//!
//! /// Memory that is never given back, as the feature `alloc` has it. A board hands out parts of a static.
//! struct Leak;
//! impl Storage<'static> for Leak {
//!     fn slice<T: 'static>(&mut self, len: usize, make: impl FnMut(usize) -> T) -> &'static mut [T] {
//!         (0..len).map(make).collect::<Vec<_>>().leak()
//!     }
//! }
//!
//! let (mut device, mut world) = (Loopback::new(Medium::Ethernet), (0, Counters::default()));
//! let mut memory = Leak;
//! let mut registry = Registry::new(&mut memory);
//! let size = Size { connections: 8, receive: 4096, transmit: 2048 };
//! registry.serve(&VISITS, size, Visit::default, |world: &mut (u32, Counters)| &mut world.0, never)?;
//! let secret = [7; 16]; // real entropy, elsewhere
//! let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), &ADDRESSES, secret);
//! let mut node = Node::new(registry, &config, &mut device, &mut world, Instant::ZERO);
//! let next = node.poll(Instant::ZERO, &mut device, &mut world);
//! assert_eq!(next, None, "nothing to do before the first frame");
//! # Ok::<(), r2_node::ServeError>(())
//! ```
//!
//! # Features
//!
//! It works with smoltcp 0.14.
//!
//! - `ipv6`: IPv6 beside IPv4; 14 KiB of code on a Cortex-M3.
//! - `call`: connections that this side opens; 3 KiB of code.
//! - `segmentation-offload`: for devices that cut TCP super-frames, of up to 64 KiB, into segments.
//! - `alloc`: memory from the allocator of a host, which is never given back.
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

#[cfg(any(feature = "alloc", test))]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod answer;
mod bucket;
pub mod capture;
pub mod config;
pub mod counters;
mod deadline;
mod gate;
#[cfg(feature = "dhcp")]
mod ipv4;
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

pub use config::{Config, Limits, Size};
pub use counters::{Counters, Reason};
pub use node::Node;
pub use service::{ServeError, ServiceId};
pub use storage::Storage;
pub use world::World;
