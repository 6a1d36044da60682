//! What is sent to the group that a service of this node is in.

use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpProtocol};

use super::parse::Packet;
use super::{Border, Datagram, Parsed};

impl Border<'_> {
    /// Whether a packet that came to the Ethernet address `to` is a datagram of another machine to the group.
    pub(super) fn is_to_group(&self, packet: &Packet<'_>, to: EthernetAddress) -> bool {
        let mut groups = self.group.iter().flat_map(|group| group.of_each_family());
        packet.protocol == IpProtocol::Udp
            && groups.any(|group| group == (packet.destination, to))
            && self.is_host(packet.source)
    }

    /// The datagram as the group's, where it is to its port.
    pub(super) fn grouped<'f>(&self, datagram: Datagram<'f>) -> Result<Parsed<'f>, Datagram<'f>> {
        match &self.group {
            Some(group) if group.port == datagram.flow.local.port => Ok(Parsed::Grouped(datagram)),
            _ => Err(datagram),
        }
    }

    /// The address from which an answer leaves to `source`: the one that was asked, or where that is a group's, ours in the
    /// network of `source`. `None` where that is no network of ours: it is not on this link.
    pub(crate) fn address_beside(&self, source: IpAddress, asked: IpAddress) -> Option<IpAddress> {
        let beside = self.addresses.iter().find(|ours| ours.contains_addr(&source))?;
        Some(if self.is_ours(asked) {
            asked
        } else {
            beside.address()
        })
    }

    /// Our address of the family of `group`: over IPv6 that of the link.
    pub(crate) fn address_in(&self, group: IpAddress) -> Option<IpAddress> {
        let mut ours = self.addresses.iter().map(IpCidr::address);
        ours.find(|ours| match (ours, group) {
            (IpAddress::Ipv4(_), IpAddress::Ipv4(_)) => true,
            #[cfg(feature = "ipv6")]
            (IpAddress::Ipv6(ours), IpAddress::Ipv6(_)) => ours.is_unicast_link_local(),
            #[cfg(feature = "ipv6")]
            _ => false,
        })
    }
}
