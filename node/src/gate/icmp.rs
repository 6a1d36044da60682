//! ICMP (RFC 792, RFC 4443), and what is neither that nor TCP nor UDP.

#[cfg(feature = "ipv6")]
use smoltcp::wire::Icmpv6Packet;
use smoltcp::wire::{EthernetAddress, Icmpv4Packet, IpAddress, IpProtocol};

use super::parse::Packet;
use super::{Border, Parsed};
use crate::counters::Reason;

/// The type of a request for an echo.
const ECHO_REQUEST: u8 = 8;
#[cfg(feature = "ipv6")]
const ECHO_REQUEST6: u8 = 128;

impl Border<'_> {
    /// Reads ICMP, and what is neither that nor TCP nor UDP. A request for an echo to a broadcast or multicast address
    /// does not come here: one frame would bring as many answers as there are machines (RFC 1122, section 3.2.2.6).
    pub(super) fn other<'f>(&self, packet: &Packet<'f>, from: EthernetAddress) -> Result<Parsed<'f>, Reason> {
        let (request, holds) = match (packet.protocol, packet.source, packet.destination) {
            (IpProtocol::Icmp, IpAddress::Ipv4(_), _) => {
                let icmp = Icmpv4Packet::new_unchecked(packet.payload);
                (ECHO_REQUEST, !self.checksum.icmpv4.rx() || icmp.verify_checksum())
            }
            #[cfg(feature = "ipv6")]
            (IpProtocol::Icmpv6, IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
                let icmp = Icmpv6Packet::new_unchecked(packet.payload);
                (
                    ECHO_REQUEST6,
                    !self.checksum.icmpv6.rx() || icmp.verify_checksum(&source, &destination),
                )
            }
            // Nothing follows (RFC 8200, section 4.7).
            #[cfg(feature = "ipv6")]
            (IpProtocol::Ipv6NoNxt, IpAddress::Ipv6(_), _) => return Err(Reason::NoAnswer),
            _ => return Ok(Parsed::Unknown(packet.asked(from, packet.bytes))),
        };
        // Type, code and checksum; then what an echo is known by.
        let Some((&[kind, code, _, _], rest)) = packet.payload.split_first_chunk() else {
            return Err(Reason::Malformed);
        };
        if !holds {
            return Err(Reason::Checksum);
        }
        if kind != request {
            return Err(Reason::NoAnswer);
        }
        if code != 0 || rest.len() < 4 {
            return Err(Reason::Malformed);
        }
        Ok(Parsed::Echo(packet.asked(from, rest)))
    }
}
