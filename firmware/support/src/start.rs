//! What a board makes at its start: a node, with the memory of its arena.

use core::mem::MaybeUninit;

use r2_node::service::Registry;
use r2_node::{Config, Limits, Node, ServeError, World};
use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};
use static_cell::StaticCell;

use crate::arena::Arena;
use crate::{clock, exit};

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

/// The services of a board, whose memory is its arena's.
pub type Services<'m, W> = Registry<'static, 'm, W, Arena>;

/// What a node on a board is like: at [`ADDRESS`], with sequence numbers that come of `mac` and `secret`.
pub const fn config(
    mac: EthernetAddress,
    secret: [u8; 16],
    backlog: usize,
    time_wait: usize,
) -> Config<'static> {
    Config {
        mac,
        addresses: ADDRESSES,
        gateway: None,
        allow: &[],
        secret,
        started_at: Instant::ZERO,
        backlog,
        time_wait,
        limits: Limits::DEFAULT,
    }
}

/// Makes the node, in `place`, of the services that `register` registers, with the memory of `arena`.
// What is made here is large while it is made: it has left the stack when the board serves.
#[inline(never)]
pub fn node<W: World>(
    place: &'static StaticCell<Node<'static, W>>,
    config: &Config<'static>,
    register: impl FnOnce(&mut Services<'_, W>) -> Result<(), ServeError>,
    device: &mut impl Device,
    arena: &'static mut [MaybeUninit<u8>],
    world: &mut W,
) -> &'static mut Node<'static, W> {
    let size = arena.len();
    let mut arena = Arena::new(arena);
    let mut registry = Registry::new(&mut arena);
    if let Err(why) = register(&mut registry) {
        defmt::error!("the services are not to be had: {}", why);
        exit::failure();
    }
    let node = place.init_with(|| Node::new(registry, config, device, world, clock::now()));
    defmt::info!(
        "{=usize} of the arena's {=usize} bytes are left",
        arena.left(),
        size
    );
    node
}
