//! Datagrams: answered in the frame, without a socket or a buffer.

use r2_core::bytes;
use smoltcp::phy::{ChecksumCapabilities, TxToken};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, IpRepr, UdpPacket, UdpRepr,
};

use crate::gate::Datagram;
use crate::service::Spec;
use crate::wire::ETHERNET_HEADER;

/// Hops that an answer may take (RFC 1700).
const HOP_LIMIT: u8 = 64;

/// Ports whose owner answers every datagram: an answer to them would go back and forth for ever. They are the
/// services of R2 that answer anything at all.
const ANSWERING_PORTS: [u16; 3] = [7, 19, 5010];

/// Answers `datagram` to where it came from and returns how many bytes the answer has; 0 where it wants none and
/// `None` where it gets none: it comes from a port that would answer the answer, or the answer does not fit into a
/// frame of `mtu` bytes (with its Ethernet header) or into `scratch`, where it is written first.
pub(crate) fn answer(
    datagram: &Datagram<'_>,
    spec: &Spec,
    ours: EthernetAddress,
    mtu: usize,
    scratch: &mut [u8],
    token: impl TxToken,
) -> Option<usize> {
    let write = spec.datagram?;
    if ANSWERING_PORTS.contains(&datagram.flow.remote.port) {
        return None;
    }
    let len = write(datagram.payload, scratch)?;
    let payload = scratch.get(..len)?;
    if payload.is_empty() {
        return Some(0);
    }
    let udp = UdpRepr {
        src_port: datagram.flow.local.port,
        dst_port: datagram.flow.remote.port,
    };
    let (source, destination): (IpAddress, IpAddress) = (datagram.flow.local.addr, datagram.flow.remote.addr);
    let ip = IpRepr::new(
        source,
        destination,
        IpProtocol::Udp,
        udp.header_len().saturating_add(len),
        HOP_LIMIT,
    );
    let frame_len = ETHERNET_HEADER.saturating_add(ip.buffer_len());
    if frame_len > mtu {
        return None;
    }
    let checksums = ChecksumCapabilities::default();
    token.consume(frame_len, |frame| {
        let mut ethernet = EthernetFrame::new_unchecked(frame);
        ethernet.set_src_addr(ours);
        ethernet.set_dst_addr(datagram.from);
        ethernet.set_ethertype(match source {
            IpAddress::Ipv4(_) => EthernetProtocol::Ipv4,
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => EthernetProtocol::Ipv6,
        });
        ip.emit(&mut *ethernet.payload_mut(), &checksums);
        if let Some(udp_bytes) = ethernet.payload_mut().get_mut(ip.header_len()..) {
            let mut packet = UdpPacket::new_unchecked(udp_bytes);
            let write = |to: &mut [u8]| {
                bytes::copy(to, payload);
            };
            udp.emit(&mut packet, &source, &destination, len, write, &checksums);
        }
    });
    Some(len)
}
