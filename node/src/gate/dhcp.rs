//! What a DHCP server says to a client that may have no address yet (RFC 2131, section 4.1).

use smoltcp::wire::{EthernetAddress, IpAddress, IpProtocol};

use super::parse::Packet;
use super::{Border, Parsed};
use crate::counters::Reason;
use crate::ipv4::is_answer;

/// What a DHCP server says, and its Ethernet address, or its relay's.
pub(crate) struct DhcpAnswer<'f> {
    pub(crate) from: EthernetAddress,
    pub(crate) message: &'f [u8],
}

/// Whether a packet is a DHCP server's, for a client.
pub(super) fn is_dhcp(packet: &Packet<'_>) -> bool {
    let of_ipv4 = matches!(packet.source, IpAddress::Ipv4(_));
    of_ipv4 && !packet.fragment && packet.protocol == IpProtocol::Udp && is_answer(packet.payload)
}

impl Border<'_> {
    /// Reads what a DHCP server says. It may be sent to everybody, or to the address that it offers; and the server need not
    /// be among those that may talk to the node.
    pub(super) fn dhcp<'f>(&self, packet: &Packet<'f>, from: EthernetAddress) -> Result<Parsed<'f>, Reason> {
        let message = self.udp(packet, from)?.payload;
        Ok(Parsed::Dhcp(DhcpAnswer { from, message }))
    }
}
