//! TCP and UDP in a frame, for links that leave their checksums to others.

#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Packet;
use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, checksum};

use crate::gate::behind_ethernet;
#[cfg(feature = "ipv6")]
use crate::gate::carried;

/// A whole TCP segment or UDP datagram in a frame, found as the gate finds it: behind a tag of VLAN 0, behind IPv6's
/// extension headers.
#[derive(Clone, Copy, Debug)]
pub struct Transport<'f> {
    /// TCP or UDP.
    pub protocol: IpProtocol,
    /// Where it begins, in bytes from the beginning of the frame.
    pub start: usize,
    /// Its header and what it carries.
    pub bytes: &'f [u8],
    /// Whom the packet is from.
    pub source: IpAddress,
    /// Whom it is to.
    pub destination: IpAddress,
}

impl<'f> Transport<'f> {
    /// The one in `frame`. `None` where there is none: another protocol, a fragment, or not well-formed.
    pub fn of(frame: &'f [u8]) -> Option<Self> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        let (kind, start) = behind_ethernet(&ethernet);
        let packet = frame.get(start..)?;
        let transport = match kind {
            EthernetProtocol::Ipv4 => {
                let ip = Ipv4Packet::new_checked(packet).ok()?;
                if ip.more_frags() || ip.frag_offset() > 0 {
                    return None;
                }
                Self {
                    protocol: ip.next_header(),
                    start: start.saturating_add(ip.header_len().into()),
                    bytes: ip.payload(),
                    source: ip.src_addr().into(),
                    destination: ip.dst_addr().into(),
                }
            }
            #[cfg(feature = "ipv6")]
            EthernetProtocol::Ipv6 => {
                let ip = Ipv6Packet::new_checked(packet).ok()?;
                let packet = packet.get(..ip.total_len())?;
                let carried = carried(packet, ip.next_header()).ok()?;
                Self {
                    protocol: carried.protocol,
                    start: start.saturating_add(carried.start),
                    bytes: packet.get(carried.start..)?,
                    source: ip.src_addr().into(),
                    destination: ip.dst_addr().into(),
                }
            }
            _ => return None,
        };
        matches!(transport.protocol, IpProtocol::Tcp | IpProtocol::Udp).then_some(transport)
    }

    /// The whole checksum, and where it stands in the frame. `None` for a datagram that has none, and for what is too
    /// short to have one.
    pub fn checksum(&self) -> Option<(usize, [u8; 2])> {
        let at = match self.protocol {
            IpProtocol::Tcp => 16,
            _ => 6,
        };
        let (before, rest) = self.bytes.split_at_checked(at)?;
        let (partial, behind) = rest.split_first_chunk::<2>()?;
        if self.protocol == IpProtocol::Udp && *partial == [0; 2] {
            return None;
        }
        let length = u32::try_from(self.bytes.len()).ok()?;
        let sum = !checksum::combine(&[
            checksum::pseudo_header(&self.source, &self.destination, self.protocol, length),
            checksum::data(before),
            checksum::data(behind),
        ]);
        // A datagram's 0 would say that it has none (RFC 768).
        let sum = if sum == 0 { u16::MAX } else { sum };
        Some((self.start.saturating_add(at), sum.to_be_bytes()))
    }
}
