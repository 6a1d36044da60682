//! R2 asks who has an address before it calls it: every address but its own is the gateway's.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetProtocol, Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Packet,
    Ipv6Repr, NdiscNeighborFlags, NdiscRepr,
};

use super::interface::{GATEWAY, GatewayInterface};
use super::lane::Lane;

/// A hop limit that no router lets by (RFC 4861, section 3.1).
const ON_LINK: u8 = 255;

/// Answers an ARP request.
pub(super) fn answer_arp(packet: &[u8], end: &GatewayInterface, to_r2: &mut Lane) {
    let asked = ArpPacket::new_checked(packet).and_then(|arp| ArpRepr::parse(&arp));
    let Ok(ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr,
        source_protocol_addr,
        target_protocol_addr,
        ..
    }) = asked
    else {
        return;
    };
    if source_protocol_addr == target_protocol_addr {
        // R2 announces itself.
        return;
    }
    let answer = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: GATEWAY,
        source_protocol_addr: target_protocol_addr,
        target_hardware_addr: source_hardware_addr,
        target_protocol_addr: source_protocol_addr,
    };
    end.send_frame(
        to_r2,
        GATEWAY,
        EthernetProtocol::Arp,
        answer.buffer_len(),
        |room, _| {
            answer.emit(&mut ArpPacket::new_unchecked(room));
        },
    );
}

/// Answers a neighbour solicitation.
pub(super) fn answer_solicitation(packet: &[u8], end: &GatewayInterface, to_r2: &mut Lane) {
    let Ok(ip) = Ipv6Packet::new_checked(packet) else {
        return;
    };
    let Ok(icmp) = Icmpv6Packet::new_checked(ip.payload()) else {
        return;
    };
    let (r2, ignored) = (ip.src_addr(), ChecksumCapabilities::ignored());
    let asked = Icmpv6Repr::parse(&r2, &ip.dst_addr(), &icmp, &ignored);
    let Ok(Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr, .. })) = asked else {
        return;
    };
    if r2.is_unspecified() {
        // R2 looks whether its own address is another's.
        return;
    }
    let answer = Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
        flags: NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE,
        target_addr,
        lladdr: Some(GATEWAY.into()),
    });
    let ip = Ipv6Repr {
        src_addr: target_addr,
        dst_addr: r2,
        next_header: IpProtocol::Icmpv6,
        payload_len: answer.buffer_len(),
        hop_limit: ON_LINK,
    };
    let length = ip.buffer_len() + answer.buffer_len();
    end.send_frame(to_r2, GATEWAY, EthernetProtocol::Ipv6, length, |room, _| {
        ip.emit(&mut Ipv6Packet::new_unchecked(&mut *room));
        let mut packet = Icmpv6Packet::new_unchecked(&mut room[ip.buffer_len()..]);
        answer.emit(&target_addr, &r2, &mut packet, &ChecksumCapabilities::default());
    });
}
