//! Answers that need no socket, written in the turn that takes the question: to ARP, to a neighbour solicitation, to an
//! echo request, to a datagram, and the errors of ICMP.
//!
//! Each goes to the Ethernet address that its question came from. So whoever asks is answered, wherever its
//! address belongs, and no table of neighbours is needed that a stranger could fill.

pub(crate) mod arp;
pub(crate) mod icmp;
#[cfg(feature = "ipv6")]
pub(crate) mod ndp;
pub(crate) mod udp;

use smoltcp::phy::{ChecksumCapabilities, TxToken};
#[cfg(feature = "ipv6")]
use smoltcp::wire::Icmpv6Packet;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv4Packet, IpAddress, IpProtocol, IpRepr,
};

use crate::wire::ETHERNET_HEADER;

/// Hops that an answer may take (RFC 1700).
pub(crate) const HOP_LIMIT: u8 = 64;

/// A hop limit that no router lets by (RFC 4861, section 3.1; RFC 6762, section 11).
#[cfg(any(feature = "ipv6", feature = "multicast"))]
pub(crate) const ON_LINK: u8 = 255;

/// Where an answer goes and whose it is: its question's addresses, turned round.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) ours: EthernetAddress,
    pub(crate) peer: EthernetAddress,
    pub(crate) source: IpAddress,
    pub(crate) destination: IpAddress,
}

impl Way {
    /// The header of a packet with `length` bytes of payload.
    fn ip(&self, protocol: IpProtocol, length: usize, hop_limit: u8) -> IpRepr {
        IpRepr::new(self.source, self.destination, protocol, length, hop_limit)
    }

    /// Sends a packet with that header; `fill` writes its payload.
    fn send(&self, ip: &IpRepr, token: impl TxToken, fill: impl FnOnce(&mut [u8])) {
        token.consume(ETHERNET_HEADER.saturating_add(ip.buffer_len()), |frame| {
            let kind = match ip {
                IpRepr::Ipv4(_) => EthernetProtocol::Ipv4,
                #[cfg(feature = "ipv6")]
                IpRepr::Ipv6(_) => EthernetProtocol::Ipv6,
            };
            let packet = ethernet(frame, self.ours, self.peer, kind);
            ip.emit(&mut *packet, &ChecksumCapabilities::default());
            fill(packet.get_mut(ip.header_len()..).unwrap_or_default());
        });
    }

    /// Sends an ICMP message of that type and code, with `parts` behind its checksum.
    fn send_icmp(&self, kind: [u8; 2], parts: [&[u8]; 2], hop_limit: u8, token: impl TxToken) {
        let length = parts
            .iter()
            .fold(ICMP_HEADER, |length, part| length.saturating_add(part.len()));
        let protocol = match self.source {
            IpAddress::Ipv4(_) => IpProtocol::Icmp,
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => IpProtocol::Icmpv6,
        };
        self.send(&self.ip(protocol, length, hop_limit), token, |message| {
            let [first, second] = parts;
            let bytes = kind.iter().chain(&[0, 0]).chain(first).chain(second);
            for (to, from) in message.iter_mut().zip(bytes) {
                *to = *from;
            }
            match (self.source, self.destination) {
                #[cfg(feature = "ipv6")]
                (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
                    Icmpv6Packet::new_unchecked(message).fill_checksum(&source, &destination);
                }
                _ => Icmpv4Packet::new_unchecked(message).fill_checksum(),
            }
        });
    }
}

/// Bytes before what an ICMP message is about: type, code, checksum.
const ICMP_HEADER: usize = 4;

/// Writes the Ethernet header; the room behind it.
fn ethernet(
    frame: &mut [u8],
    ours: EthernetAddress,
    peer: EthernetAddress,
    kind: EthernetProtocol,
) -> &mut [u8] {
    let mut header = EthernetFrame::new_unchecked(&mut *frame);
    header.set_src_addr(ours);
    header.set_dst_addr(peer);
    header.set_ethertype(kind);
    frame.get_mut(ETHERNET_HEADER..).unwrap_or_default()
}
