//! What a node is told when it is made.

use r2_core::time::Duration;
use smoltcp::time::Instant;
#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Address;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address};

use crate::limits::ADDRESSES_MAX;

/// Addresses, secrets, tables and times of a node.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// The Ethernet address; must be unicast.
    pub mac: EthernetAddress,
    /// The IP addresses, each with the length of its network's prefix: at most [`ADDRESSES_MAX`], further ones are ignored.
    /// Of IPv6 with the feature `ipv6` only: with it the node has the [`link_local`] address of `mac`, too, wherever it is
    /// (RFC 4291, section 2.8).
    pub addresses: &'a [IpCidr],
    /// Where the node finds its IPv4 address by itself: the host name that it tells the DHCP server, of which 63 bytes count.
    /// Those of IPv4 in [`addresses`](Self::addresses) are ignored then. See [`Node::addresses`](crate::Node::addresses).
    #[cfg(feature = "dhcp")]
    pub dhcp: Option<&'a str>,
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
    /// How many SYNs are held while every connection of their service is taken, some 150 bytes each. With 0, a client
    /// that finds none free repeats its SYN after a second, and again, until one is.
    pub backlog: usize,
    /// How many closed connections are remembered for their late FINs, some 60 bytes each. Too few, and a peer whose FIN
    /// comes again is answered with RST.
    pub time_wait: usize,
    /// How long the node waits for what.
    pub limits: Limits,
}

impl<'a> Config<'a> {
    /// With these addresses and this secret: no gateway, everybody may talk to it, nobody knows the time, 32 SYNs wait,
    /// 32 closed connections are remembered, and the times are the [default](Limits::DEFAULT) ones.
    ///
    /// ```
    /// # use r2_node::Config;
    /// # use smoltcp::wire::EthernetAddress;
    /// # let (mac, addresses, secret) = (EthernetAddress([2, 0, 0, 0, 0, 1]), [], [7; 16]);
    /// let config = Config { backlog: 256, ..Config::new(mac, &addresses, secret) };
    /// assert_eq!(config.time_wait, 32);
    /// ```
    pub const fn new(mac: EthernetAddress, addresses: &'a [IpCidr], secret: [u8; 16]) -> Self {
        Self {
            mac,
            addresses,
            #[cfg(feature = "dhcp")]
            dhcp: None,
            gateway: None,
            allow: &[],
            secret,
            started_at: Instant::ZERO,
            backlog: 32,
            time_wait: 32,
            limits: Limits::DEFAULT,
        }
    }
}

/// The link-local address of who has the Ethernet address `mac` (RFC 4291, section 2.5.6 and appendix A).
#[cfg(feature = "ipv6")]
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

/// The addresses of a node: those that it was given and, with IPv6, that of the link.
pub(crate) type Addresses = heapless::Vec<IpCidr, { ADDRESSES_MAX + 1 }>;

impl Config<'_> {
    /// All addresses that the node answers at.
    pub(crate) fn all_addresses(&self) -> Addresses {
        let given = self.addresses.iter().copied().take(ADDRESSES_MAX);
        #[cfg(feature = "dhcp")]
        let given = given.filter(|cidr| self.dhcp.is_none() || !matches!(cidr, IpCidr::Ipv4(_)));
        #[cfg(feature = "ipv6")]
        let given = given.chain([IpCidr::new(link_local(self.mac).into(), LINK_LOCAL_PREFIX)]);
        given.collect()
    }
}

/// Bits of the prefix that all link-local addresses have (RFC 4291, section 2.5.6).
#[cfg(feature = "ipv6")]
const LINK_LOCAL_PREFIX: u8 = 64;

/// How many connections a service has, and the buffers of each in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Connections at a time; 0: it answers datagrams only.
    pub connections: usize,
    /// The receive buffer: the window that a peer sees. At least 4 segments, so that fast retransmit works.
    pub receive: usize,
    /// The transmit buffer: what may be under way unacknowledged.
    pub transmit: usize,
}

/// How long a node waits for what. All of them bound how long a connection that nobody uses keeps a slot from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may take to be established, and a call to be answered. Less than a few retransmissions of a
    /// SYN (1 s, 3 s, 7 s) shuts out who is behind a lossy wire; more lets half-open connections hold their slots.
    pub establish_within: Duration,
    /// After how long a half-open connection gives way to a SYN that waits. Less than the slowest round trip shuts its
    /// peer out for as long as the service is full; more, and a flood of SYNs holds it for as much longer.
    pub half_open_gives_way_after: Duration,
    /// After how long without a byte a connection gives way to a SYN that waits. Less takes the line from who thinks;
    /// more makes those who wait give up.
    pub idle_gives_way_after: Duration,
    /// The same where one address has every connection of the service, and they are a
    /// [crowd](crate::limits::CROWD). Less parts slow senders that share an address; more lets one machine hold a service.
    pub crowd_gives_way_after: Duration,
    /// After how long a connection that was closed for a SYN that waits is reset: the time it has for its last bytes. Less
    /// loses them on a slow wire; more, and who waits waits as much longer.
    pub closed_gives_way_after: Duration,
    /// How long a connection whose FIN was acknowledged waits for the peer's bytes. Less cuts off who answers late; more
    /// lets who never closes hold a slot.
    pub half_closed_idle: Duration,
    /// How long a live peer may keep its window closed. Less cuts off a paused terminal; more lets a reader that never
    /// reads hold a slot and its buffers.
    pub closed_window_for: Duration,
    /// After how long a silent peer's connection is over, where its service says nothing else. Five probes are sent
    /// meanwhile. Less cuts off who is behind a wire that fails for so long; more keeps slots for the dead.
    pub silent_after: Duration,
    /// How long a closed connection's late FIN is still acknowledged: 2 MSL (RFC 9293, section 3.6.1). Less answers a late
    /// FIN with RST; more only costs the table room.
    pub time_wait: Duration,
    /// How long connections have to end when the node stops. Less cuts off what was not acknowledged; more makes whoever
    /// stops the node wait.
    pub stop_within: Duration,
}

impl Limits {
    /// For a local network and people at terminals.
    pub const DEFAULT: Self = Self {
        establish_within: Duration::from_secs(10),
        half_open_gives_way_after: Duration::from_secs(1),
        idle_gives_way_after: Duration::from_secs(60),
        crowd_gives_way_after: Duration::from_secs(5),
        closed_gives_way_after: Duration::from_secs(5),
        half_closed_idle: Duration::from_secs(30),
        closed_window_for: Duration::from_secs(150),
        silent_after: Duration::from_secs(95),
        // The lifetime that smoltcp uses.
        time_wait: Duration::from_secs(10),
        stop_within: Duration::from_secs(2),
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
