//! What makes a node R2: its services with their ports, what their sessions share, and the status page.
//!
//! [`register`] offers as many connections of each service as a [`Plan`] says; [`Shared`] is the world of their
//! sessions. Services of one's own are registered beside them:
//!
//! ```
//! use r2_core::chat::{Room, Seat};
//! use r2_core::limits::CHAT_RING_MIN;
//! use r2_core::store::ram::{Block, File, RamStore};
//! use r2_node::service::Registry;
//! use r2_node::{Config, Counters, Node, Size, Storage};
//! use r2_services::{About, Plan, Shared, register};
//! use smoltcp::phy::{Device, Loopback, Medium, TxToken};
//! use smoltcp::time::Instant;
//! use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};
//!
//! /// Memory that is never given back. A board hands out parts of a static.
//! struct Leak;
//! impl Storage<'static> for Leak {
//!     fn slice<T: 'static>(&mut self, len: usize, make: impl FnMut(usize) -> T) -> &'static mut [T] {
//!         (0..len).map(make).collect::<Vec<_>>().leak()
//!     }
//! }
//!
//! let few = Size { connections: 2, receive: 4096, transmit: 2048 };
//! let plan = Plan { chat: few, secret: few, drop: few, files: few, ..Plan::NOTHING };
//! const ADDRESS: Ipv4Address = Ipv4Address::new(192, 168, 69, 1);
//! static ADDRESSES: [IpCidr; 1] = [IpCidr::Ipv4(Ipv4Cidr::new(ADDRESS, 24))];
//! let secret = [7; 16]; // real entropy, elsewhere
//! let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), &ADDRESSES, secret);
//! let seats = Leak.slice(few.connections, |_| Seat::default());
//! let (blocks, files) = (Leak.slice(64, |_| Block::EMPTY), Leak.slice(8, |_| File::EMPTY));
//! let mut world = Shared {
//!     room: Room::new(Leak.bytes(CHAT_RING_MIN), seats, "R2", "KALI").unwrap(),
//!     store: RamStore::new(blocks, files, u64::MAX),
//!     counters: Counters::default(),
//!     about: About { version: "1", board: "doctest", address: ADDRESS.into(), stack_high_water: None },
//! };
//! let mut device = Loopback::new(Medium::Ethernet);
//! let mut memory = Leak;
//! let mut registry = Registry::new(&mut memory);
//! register(&mut registry, &plan)?;
//! let mut node = Node::new(registry, &config, &mut device, &mut world, Instant::ZERO);
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
//! # Ok::<(), r2_node::ServeError>(())
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

mod netcat;
mod plan;
mod shared;
mod table;

pub use netcat::Netcat;
pub use plan::Plan;
pub use shared::{About, Shared};
pub use table::{CAPTURE, CHARGEN, CHAT, DISCARD, DROP, ECHO, FILES, SECRET, STATUS, register};
