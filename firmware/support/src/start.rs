//! What a board makes at its start: a node, and the world that its sessions share.

use core::mem::MaybeUninit;

use r2_core::chat::{Room, Seat};
use r2_core::store::Store;
use r2_node::service::Registry;
use r2_node::{Config, Counters, Limits, Node};
use r2_services::{About, Plan, Shared, register};
use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};
use static_cell::StaticCell;

use crate::arena::Arena;
use crate::{clock, exit, stack};

/// R2's IPv4 address.
pub const ADDRESS: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(192, 168, 69, 1), 24);

/// R2's IPv6 address.
#[cfg(feature = "ipv6")]
pub const ADDRESS6: Ipv6Cidr = Ipv6Cidr::new(Ipv6Address::new(0xfd69, 0, 0, 0, 0, 0, 0, 1), 64);

/// All of them.
const ADDRESSES: &[IpCidr] = &[
    IpCidr::Ipv4(ADDRESS),
    #[cfg(feature = "ipv6")]
    IpCidr::Ipv6(ADDRESS6),
];

/// Makes the node, in `place`, with the memory of `arena`.
// What is made here is large while it is made: it has left the stack when R2 serves.
#[inline(never)]
pub fn node<S: Store>(
    place: &'static StaticCell<Node<'static, Shared<'static, S>>>,
    (mac, secret): (EthernetAddress, [u8; 16]),
    plan: &Plan,
    device: &mut impl Device,
    arena: &'static mut [MaybeUninit<u8>],
    world: &mut Shared<'static, S>,
) -> &'static mut Node<'static, Shared<'static, S>> {
    let config = Config {
        mac,
        addresses: ADDRESSES,
        gateway: None,
        allow: &[],
        secret,
        started_at: Instant::ZERO,
        backlog: plan.backlog,
        time_wait: plan.time_wait,
        limits: Limits::DEFAULT,
    };
    let size = arena.len();
    let mut arena = Arena::new(arena);
    let mut registry = Registry::new(&mut arena);
    if let Err(why) = register(&mut registry, plan) {
        defmt::error!("the plan's services are not to be had: {}", why);
        exit::failure();
    }
    let node = place.init_with(|| Node::new(registry, &config, device, world, clock::now()));
    defmt::info!(
        "{=usize} of the arena's {=usize} bytes are left",
        arena.left(),
        size
    );
    node
}

/// Makes the world, in `place`, with a chat room that keeps its last lines in `lines`.
#[inline(never)]
pub fn world<S: Store>(
    place: &'static StaticCell<Shared<'static, S>>,
    board: &'static str,
    lines: &'static mut [u8],
    seats: &'static mut [Seat],
    store: impl FnOnce() -> S,
) -> &'static mut Shared<'static, S> {
    let Ok(room) = Room::new(lines, seats, "R2", "KALI") else {
        defmt::error!("the chat room's ring is too small");
        exit::failure();
    };
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        board,
        address: ADDRESS.address().into(),
        stack_high_water: Some(stack::high_water),
    };
    place.init_with(|| Shared {
        room,
        store: store(),
        counters: Counters::default(),
        about,
    })
}
