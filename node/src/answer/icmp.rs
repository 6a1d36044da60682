//! ICMP: the echo (RFC 792, RFC 4443, section 4.2), and what is wrong with a packet that nobody here takes.

use smoltcp::phy::TxToken;
use smoltcp::wire::IpAddress;

use super::{HOP_LIMIT, Way};
#[cfg(feature = "ipv6")]
use crate::gate::protocol_named_at;

/// Type and code of an echo reply.
const ECHO_REPLY: [u8; 2] = [0, 0];
#[cfg(feature = "ipv6")]
const ECHO_REPLY6: [u8; 2] = [129, 0];

/// How much of a packet an error brings back: the error is to have 576 bytes at most (RFC 1812, section 4.3.2.3), over
/// IPv6 1,280 (RFC 4443, section 2.4 (c)).
const QUOTED: usize = 576 - 20 - 8;
#[cfg(feature = "ipv6")]
const QUOTED6: usize = 1280 - 40 - 8;

/// What is wrong with a packet.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// Nobody takes datagrams at its port.
    Port,
    /// Nobody knows its protocol.
    Protocol,
}

/// Sends back what a request for an echo has behind its checksum.
pub(crate) fn echo(way: &Way, request: &[u8], token: impl TxToken) {
    let kind = match way.source {
        IpAddress::Ipv4(_) => ECHO_REPLY,
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(_) => ECHO_REPLY6,
    };
    way.send_icmp(kind, [request, &[]], HOP_LIMIT, token);
}

/// Says what is wrong with `packet`, as much of which goes back as fits.
pub(crate) fn error(way: &Way, fault: Fault, packet: &[u8], token: impl TxToken) {
    let (kind, rest, quoted) = match (way.source, fault) {
        // RFC 792: unreachable, port and protocol.
        (IpAddress::Ipv4(_), Fault::Port) => ([3, 3], 0, QUOTED),
        (IpAddress::Ipv4(_), Fault::Protocol) => ([3, 2], 0, QUOTED),
        // RFC 4443, sections 3.1 and 3.4: port unreachable, next header not known.
        #[cfg(feature = "ipv6")]
        (IpAddress::Ipv6(_), Fault::Port) => ([1, 4], 0, QUOTED6),
        #[cfg(feature = "ipv6")]
        (IpAddress::Ipv6(_), Fault::Protocol) => ([4, 1], protocol_named_at(packet), QUOTED6),
    };
    let packet = packet.get(..quoted).unwrap_or(packet);
    let [high, low] = u16::to_be_bytes(rest);
    way.send_icmp(kind, [&[0, 0, high, low], packet], HOP_LIMIT, token);
}
