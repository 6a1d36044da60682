//! ARP (RFC 826) and NDP (RFC 4861): who asks for our Ethernet address, and who says what its own is.

#[cfg(feature = "dhcp")]
use smoltcp::wire::Ipv4Address;
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetAddress};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Icmpv6Packet, IpAddress, Ipv6Address};

#[cfg(feature = "ipv6")]
use super::parse::Packet;
use super::{Border, Parsed};
use crate::counters::Reason;

/// A machine on our link, or the router that stands for it there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Neighbor<A> {
    pub(crate) address: A,
    pub(crate) at: EthernetAddress,
}

impl Border<'_> {
    /// Reads an ARP packet. Whoever asks for us is answered, whatever its own address: another network's, none yet (a
    /// probe, RFC 5227, section 2.1.1), or ours, which it has taken and is told so.
    pub(super) fn arp<'f>(&self, bytes: &[u8]) -> Result<Parsed<'f>, Reason> {
        let arp = ArpPacket::new_checked(bytes).and_then(|arp| ArpRepr::parse(&arp));
        let Ok(ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: at,
            source_protocol_addr: address,
            target_protocol_addr: target,
            ..
        }) = arp
        else {
            return Err(Reason::Malformed);
        };
        #[cfg(feature = "dhcp")]
        if let Some(address) = self.claimed(address, target, operation)
            && at != self.mac
            && at.is_unicast()
        {
            return Ok(Parsed::Claim(Neighbor { address, at }));
        }
        if !self.is_ours(target.into()) {
            return Err(Reason::NotForUs);
        }
        let can_be = match operation {
            ArpOperation::Request => {
                address.is_unspecified() || address == target || self.is_host(address.into())
            }
            ArpOperation::Reply => self.is_host(address.into()),
            ArpOperation::Unknown(_) => return Err(Reason::Malformed),
        };
        if !can_be || !at.is_unicast() {
            return Err(Reason::NotUnicast);
        }
        if operation == ArpOperation::Request {
            return Ok(Parsed::Arp(Neighbor { address, at }, target));
        }
        let address = address.into();
        Ok(Parsed::Neighbor(Neighbor { address, at }))
    }
}

#[cfg(feature = "dhcp")]
impl Border<'_> {
    /// The address of ours, or that we ask for, that the sender of an ARP packet claims (RFC 5227, sections 2.1.1 and
    /// 2.4). A question for one of ours is none: it is answered, and the answer says whose the address is.
    fn claimed(
        &self,
        sender: Ipv4Address,
        target: Ipv4Address,
        operation: ArpOperation,
    ) -> Option<Ipv4Address> {
        let asks = operation == ArpOperation::Request;
        if let Some(candidate) = self.candidate
            && (sender == candidate || asks && sender.is_unspecified() && target == candidate)
        {
            return Some(candidate);
        }
        let claims_ours = self.is_ours(sender.into()) && !(asks && self.is_ours(target.into()));
        claims_ours.then_some(sender)
    }
}

/// Types of the messages of NDP that are read (RFC 4861, sections 4.3 and 4.4).
#[cfg(feature = "ipv6")]
const SOLICITATION: u8 = 135;
#[cfg(feature = "ipv6")]
const ADVERTISEMENT: u8 = 136;

/// Options of theirs: the sender's Ethernet address, and that of who is advertised (RFC 4861, section 4.6.1).
#[cfg(feature = "ipv6")]
const SOURCE_ADDRESS: u8 = 1;
#[cfg(feature = "ipv6")]
const TARGET_ADDRESS: u8 = 2;

/// The flag of an advertisement that somebody asked for.
#[cfg(feature = "ipv6")]
const SOLICITED: u8 = 0x40;

#[cfg(feature = "ipv6")]
impl Border<'_> {
    /// Reads a message of NDP that came from `from`. Whoever on the link asks for one of our addresses is answered,
    /// whatever its own.
    pub(super) fn ndp<'f>(&self, packet: &Packet<'_>, from: EthernetAddress) -> Result<Parsed<'f>, Reason> {
        let (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) = (packet.source, packet.destination)
        else {
            return Err(Reason::Malformed);
        };
        // RFC 4861, section 7.1: with less hops it came through a router, and it is whole and has meaning.
        if packet.bytes.get(7) != Some(&u8::MAX) {
            return Err(Reason::Malformed);
        }
        // Type, code, checksum and four bytes more stand before everything.
        let Some(&[kind, code, _, _, flags, _, _, _]) = packet.payload.first_chunk() else {
            return Err(Reason::Malformed);
        };
        if !Icmpv6Packet::new_unchecked(packet.payload).verify_checksum(&source, &destination) {
            return Err(Reason::Checksum);
        }
        if !matches!(kind, SOLICITATION | ADVERTISEMENT) {
            // Routers', or for routers, which R2 does without.
            return Err(Reason::NoAnswer);
        }
        let behind = packet.payload.get(8..).and_then(<[u8]>::split_first_chunk::<16>);
        let (target, options) = behind.ok_or(Reason::Malformed)?;
        let target = Ipv6Address::from(*target);
        let LinkAddresses { source_at, target_at } = link_addresses(options)?;
        if code != 0 || target.is_multicast() {
            return Err(Reason::Malformed);
        }
        let has_no_address = source.is_unspecified();
        if !(has_no_address || self.is_host(packet.source)) {
            return Err(Reason::NotUnicast);
        }
        if kind == ADVERTISEMENT {
            if has_no_address || (destination.is_multicast() && flags & SOLICITED != 0) {
                return Err(Reason::Malformed);
            }
            let at = target_at
                .filter(EthernetAddress::is_unicast)
                .ok_or(Reason::NoAnswer)?;
            let address = target.into();
            return Ok(Parsed::Neighbor(Neighbor { address, at }));
        }
        if has_no_address && (source_at.is_some() || destination != solicited_node(target)) {
            return Err(Reason::Malformed);
        }
        if !self.is_ours(target.into()) || !(destination.is_multicast() || self.is_ours(packet.destination)) {
            return Err(Reason::NotForUs);
        }
        let asker = Neighbor {
            address: source,
            at: from,
        };
        Ok(Parsed::Solicitation(asker, target))
    }
}

/// The Ethernet addresses that a message of NDP carries.
#[cfg(feature = "ipv6")]
#[derive(Default)]
struct LinkAddresses {
    source_at: Option<EthernetAddress>,
    target_at: Option<EthernetAddress>,
}

/// Reads the options of a message of NDP to their end (RFC 4861, section 4.6).
#[cfg(feature = "ipv6")]
fn link_addresses(mut options: &[u8]) -> Result<LinkAddresses, Reason> {
    let mut found = LinkAddresses::default();
    while let [option, units, ..] = *options {
        let length = usize::from(units).saturating_mul(8);
        let (this, rest) = options.split_at_checked(length).ok_or(Reason::Malformed)?;
        let at = this.get(2..).and_then(<[u8]>::first_chunk::<6>);
        // An option of no length has no address either.
        let at = EthernetAddress(*at.ok_or(Reason::Malformed)?);
        match option {
            SOURCE_ADDRESS => found.source_at = Some(at),
            TARGET_ADDRESS => found.target_at = Some(at),
            _ => {}
        }
        options = rest;
    }
    if options.is_empty() {
        Ok(found)
    } else {
        Err(Reason::Malformed)
    }
}

/// All nodes of the link (RFC 4291, section 2.7.1).
#[cfg(feature = "ipv6")]
pub(crate) const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The multicast group in which `address` is asked for (RFC 4291, section 2.7.1).
#[cfg(feature = "ipv6")]
pub(crate) fn solicited_node(address: Ipv6Address) -> Ipv6Address {
    let [.., a, b, c] = address.octets();
    Ipv6Address::from([0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// The Ethernet address of a multicast group (RFC 2464, section 7).
#[cfg(feature = "ipv6")]
pub(crate) fn ethernet_group(group: Ipv6Address) -> EthernetAddress {
    let [.., a, b, c, d] = group.octets();
    EthernetAddress([0x33, 0x33, a, b, c, d])
}
