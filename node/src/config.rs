//! What a node is told when it is made.

use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

/// Addresses and secrets of a node.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// The Ethernet address; must be unicast.
    pub mac: EthernetAddress,
    /// The IPv4 address and the length of its network's prefix.
    pub ipv4: Ipv4Cidr,
    /// The IPv6 address, where there is one: beside it, the node has the [`link_local`] one of its Ethernet address.
    #[cfg(feature = "ipv6")]
    pub ipv6: Option<Ipv6Cidr>,
    /// The router to other networks, where there is one: needed for calls beyond the own network only, since an
    /// answer goes to the Ethernet address that the question came from.
    pub gateway: Option<Ipv4Address>,
    /// Who may talk to the node; empty: everybody. Others get no answer at all.
    pub allow: &'a [IpCidr],
    /// Real entropy: it keys the steering table and the initial sequence numbers (RFC 6528). The same value at
    /// every start makes both predictable.
    pub secret: [u8; 16],
    /// The Unix time at which `now` is 0, for the time stamps of captured frames; 0 where nobody knows.
    pub started_at: Instant,
}

/// The link-local address of who has the Ethernet address `mac` (RFC 4291, section 2.5.6 and appendix A).
#[cfg(feature = "ipv6")]
#[must_use]
pub fn link_local(mac: EthernetAddress) -> Ipv6Address {
    /// Says that the identifier is universal; Ethernet has it the other way round.
    const UNIVERSAL: u8 = 2;
    let [first, second, third, rest @ ..] = mac.0;
    let identifier = [first ^ UNIVERSAL, second, third, 0xff, 0xfe]
        .into_iter()
        .chain(rest);
    let mut address = [0; 16];
    let before = [0xfe, 0x80, 0, 0, 0, 0, 0, 0].into_iter();
    for (to, from) in address.iter_mut().zip(before.chain(identifier)) {
        *to = from;
    }
    address.into()
}

/// How many connections a service has, and the buffers of each in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Connections at a time; 0: the service is not offered.
    pub connections: usize,
    /// The receive buffer: the window that a peer sees. At least 4 segments, so that fast retransmit works.
    pub receive: usize,
    /// The transmit buffer: what may be under way unacknowledged.
    pub transmit: usize,
}

/// The size of everything that a node takes memory for.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the fields are the services")]
pub struct Plan {
    pub chat: Size,
    pub secret: Size,
    pub drop: Size,
    pub files: Size,
    pub status: Size,
    pub echo: Size,
    pub discard: Size,
    pub chargen: Size,
    pub capture: Size,
    /// How many SYNs are held while every connection of their service is taken.
    pub backlog: usize,
    /// How many closed connections are remembered for their late FINs.
    pub time_wait: usize,
}
