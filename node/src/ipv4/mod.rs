//! An IPv4 address that the node finds by itself: leased by DHCP (RFC 2131), or, where no server answers, link-local
//! (RFC 3927); used once nobody has defended it, and given up when somebody else insists on it (RFC 5227).
//!
//! ```text
//! [`Client`] asks for a lease ──┐
//!                               ├→ the address that is wanted → [`Claim`] probes, announces, defends → the node has it
//! link-local, without a lease ──┘
//! ```
//!
//! It owns no time, no wire and no memory: [`Ipv4::hear`] and [`Ipv4::hear_claim`] take what came, and [`Ipv4::turn`]
//! says what is to leave, as often as [`Ipv4::poll_at`] wants it.

mod claim;
mod client;
mod message;

use r2_core::time::{Duration, Instant};
use siphasher::sip::SipHasher13;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};

use self::claim::Claim;
use self::client::{Client, Lease};
use self::message::Answer;
pub(crate) use self::message::{CLIENT_PORT, MESSAGE, Outgoing, SERVER_PORT, is_answer};
use crate::config::Config;
use crate::gate::Neighbor;
use crate::limits::{CONFLICTS_MAX, LINK_LOCAL_AFTER, SLOW_DOWN_AFTER_CONFLICTS};

/// The search for an address, and the address that it found; or one that the node was given.
pub(crate) struct Ipv4<'a> {
    mac: EthernetAddress,
    host_name: &'a str,
    /// The router that the node was given.
    gateway: Option<Ipv4Address>,
    random: Random,
    /// Without one the node was given its address, and keeps it whatever others say.
    client: Option<Client>,
    /// The address that is asked for or held.
    claim: Option<Claim>,
    /// A conflict over an address that was given to the node was told.
    told: bool,
    /// From when on a link-local address does where there is no lease.
    link_local_at: Instant,
    /// How many link-local addresses were somebody else's.
    link_local_tried: u64,
    /// Conflicts since an address was last held.
    conflicts: u8,
}

/// What is to be sent.
pub(crate) enum Packet {
    /// A message of DHCP.
    Dhcp(Outgoing),
    /// A question for that address, to everybody: from nobody while it is probed, from itself when it is announced.
    Arp { from: Ipv4Address, address: Ipv4Address },
}

/// What the node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) address: Ipv4Cidr,
    pub(crate) router: Option<Ipv4Address>,
}

/// What another machine's claim has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing, or nothing new.
    Nothing,
    /// The node and another machine have the same address, and the node was given its own: told once.
    First,
    /// The address is the other machine's.
    Lost,
}

impl<'a> Ipv4<'a> {
    /// A search that begins now, or the address that the node was given.
    pub(crate) fn new(config: &Config<'a>, now: Instant) -> Self {
        let mut random = Random {
            secret: config.secret,
            drawn: 0,
        };
        let client = config.dhcp.map(|_| Client::new(now, &mut random));
        let given = config.addresses.iter().fold(None, |given, cidr| match cidr {
            IpCidr::Ipv4(cidr) => given.or(Some(*cidr)),
            #[cfg(feature = "ipv6")]
            IpCidr::Ipv6(_) => given,
        });
        Self {
            mac: config.mac,
            host_name: config.dhcp.unwrap_or_default(),
            gateway: config.gateway,
            random,
            claim: given.filter(|_| client.is_none()).map(Claim::given),
            client,
            told: false,
            link_local_at: now + LINK_LOCAL_AFTER,
            link_local_tried: 0,
            conflicts: 0,
        }
    }

    /// The address that the node has, and its router.
    pub(crate) fn found(&self) -> Option<Found> {
        let address = self.claim.as_ref().filter(|claim| claim.is_held())?.cidr;
        let lease = self.lease().filter(|lease| lease.cidr == address);
        Some(Found {
            address,
            router: self.gateway.or_else(|| lease?.router),
        })
    }

    fn lease(&self) -> Option<&Lease> {
        self.client.as_ref()?.lease()
    }

    /// The address that is asked for, and not yet the node's.
    pub(crate) fn candidate(&self) -> Option<Ipv4Address> {
        let claim = self.claim.as_ref().filter(|claim| !claim.is_held())?;
        Some(claim.cidr.address())
    }

    /// When [`turn`](Self::turn) has something to say.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        let client = self.client.as_ref()?;
        let falls_back = self.claim.is_none() && client.lease().is_none();
        let times = [
            client.poll_at(),
            self.claim.as_ref().and_then(Claim::poll_at),
            falls_back.then_some(self.link_local_at),
        ];
        times.into_iter().flatten().min()
    }

    /// Takes what a DHCP server has sent from the Ethernet address `from`; whether it was an answer to what was asked,
    /// with something that can be believed in it.
    pub(crate) fn hear(&mut self, bytes: &[u8], from: EthernetAddress, now: Instant) -> bool {
        let (Some(client), Some(answer)) = (&mut self.client, Answer::read(bytes, self.mac)) else {
            return false;
        };
        let had = client.lease().is_some();
        let believed = client.hear(&answer, from, now);
        if had && client.lease().is_none() {
            // The server lets that address no longer: it has another one.
            self.link_local_at = now + LINK_LOCAL_AFTER;
        }
        self.settle(now);
        believed
    }

    /// Somebody else says that it has, or asks for, the address that is asked for or held.
    pub(crate) fn hear_claim(&mut self, other: &Neighbor<Ipv4Address>, now: Instant) -> Heard {
        let claim = self.claim.as_mut();
        let Some(claim) = claim.filter(|claim| claim.cidr.address() == other.address) else {
            return Heard::Nothing;
        };
        let Some(client) = &mut self.client else {
            let told = core::mem::replace(&mut self.told, true);
            return if told { Heard::Nothing } else { Heard::First };
        };
        if !claim.hear(now) {
            return Heard::Nothing;
        }
        self.claim = None;
        self.conflicts = self.conflicts.saturating_add(1);
        if client.lease().is_some() {
            client.decline(now);
            self.link_local_at = now + client::DECLINED_FOR + LINK_LOCAL_AFTER;
        } else {
            self.link_local_tried = self.link_local_tried.wrapping_add(1);
        }
        self.settle(now);
        Heard::Lost
    }

    /// Goes on, and says what is to be sent. Ask again until there is nothing.
    pub(crate) fn turn(&mut self, now: Instant) -> Option<Packet> {
        let client = self.client.as_mut()?;
        if client.expire(now) {
            self.link_local_at = now;
        }
        self.settle(now);
        let client = self.client.as_mut()?;
        if let Some(said) = client.turn(now, &mut self.random) {
            return Some(Packet::Dhcp(said));
        }
        let claim = self.claim.as_mut()?;
        let address = claim.cidr.address();
        let from = claim.turn(now, &mut self.random);
        if claim.is_held() {
            self.conflicts = 0;
        }
        from.map(|from| Packet::Arp { from, address })
    }

    /// The message that `said` is, written into `room`.
    pub(crate) fn write<'r>(&self, said: &Outgoing, room: &'r mut [u8; MESSAGE]) -> &'r [u8] {
        said.write(self.mac, self.host_name, room)
    }

    /// Claims what is wanted now, and gives up what is no longer.
    fn settle(&mut self, now: Instant) {
        if self.client.is_none() {
            return;
        }
        let wanted = match self.lease() {
            Some(lease) => Some(lease.cidr),
            None if now >= self.link_local_at => Some(self.link_local()),
            None => None,
        };
        let Some(wanted) = wanted else {
            self.claim = None;
            return;
        };
        match &mut self.claim {
            Some(claim) if claim.cidr.address() == wanted.address() => claim.cidr = wanted,
            claim => {
                let after = if self.conflicts > CONFLICTS_MAX {
                    SLOW_DOWN_AFTER_CONFLICTS
                } else {
                    self.random.up_to(claim::PROBE_WAIT)
                };
                *claim = Some(Claim::begin(wanted, now + after));
            }
        }
    }

    /// The link-local address to try: always the same ones in the same order, so that a machine has the same address at
    /// every start (RFC 3927, section 2.1).
    fn link_local(&self) -> Ipv4Cidr {
        /// The first and the last 256 addresses are reserved.
        const USABLE: u64 = 65_536 - 2 * 256;
        let hash = SipHasher13::new_with_keys(self.link_local_tried, 0).hash(&self.mac.0);
        let number = (hash % USABLE).saturating_add(256);
        let [.., high, low] = number.to_be_bytes();
        Ipv4Cidr::new(Ipv4Address::new(169, 254, high, low), 16)
    }
}

/// Numbers that only the holder of the secret can foretell.
struct Random {
    secret: [u8; 16],
    drawn: u64,
}

impl Random {
    fn next(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        SipHasher13::new_with_key(&self.secret).hash(&self.drawn.to_be_bytes())
    }

    /// A transaction number.
    fn number(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.next().to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// A time up to `longest`, less a millisecond.
    fn up_to(&mut self, longest: Duration) -> Duration {
        Duration::from_millis(self.next() % longest.as_millis().max(1))
    }
}
