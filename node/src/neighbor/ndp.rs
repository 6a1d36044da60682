//! NDP (RFC 4861): the question for an IPv6 address, and its answer.

use smoltcp::phy::{ChecksumCapabilities, TxToken};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Address,
    Ipv6Packet, Ipv6Repr, NdiscRepr, RawHardwareAddress,
};

use crate::wire::ETHERNET_HEADER;

pub(super) fn send(token: impl TxToken, ours: EthernetAddress, local: Ipv6Address, target: Ipv6Address) {
    let lladdr = Some(RawHardwareAddress::from(ours));
    let solicit = Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit {
        target_addr: target,
        lladdr,
    });
    let group = solicited_node(target);
    let ip = Ipv6Repr {
        src_addr: local,
        dst_addr: group,
        next_header: IpProtocol::Icmpv6,
        payload_len: solicit.buffer_len(),
        hop_limit: 255,
    };
    token.consume(
        ETHERNET_HEADER
            .saturating_add(ip.buffer_len())
            .saturating_add(solicit.buffer_len()),
        |frame| {
            let [.., a, b, c, d] = group.octets();
            let mut ethernet = EthernetFrame::new_unchecked(frame);
            ethernet.set_src_addr(ours);
            // RFC 2464, section 7.
            ethernet.set_dst_addr(EthernetAddress([0x33, 0x33, a, b, c, d]));
            ethernet.set_ethertype(EthernetProtocol::Ipv6);
            let mut packet = Ipv6Packet::new_unchecked(ethernet.payload_mut());
            ip.emit(&mut packet);
            let checksums = ChecksumCapabilities::default();
            solicit.emit(
                &local,
                &group,
                &mut Icmpv6Packet::new_unchecked(packet.payload_mut()),
                &checksums,
            );
        },
    );
}

/// The multicast group in which `address` is asked for (RFC 4291, section 2.7.1).
fn solicited_node(address: Ipv6Address) -> Ipv6Address {
    let [.., a, b, c] = address.octets();
    Ipv6Address::from([0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

pub(super) fn answer(frame: &[u8], target: Ipv6Address) -> Option<EthernetAddress> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    let ip = Ipv6Packet::new_checked(ethernet.payload()).ok()?;
    // RFC 4861, section 7.1.2: anything but 255 came through a router.
    if ethernet.ethertype() != EthernetProtocol::Ipv6
        || ip.next_header() != IpProtocol::Icmpv6
        || ip.hop_limit() != 255
    {
        return None;
    }
    let icmp = Icmpv6Packet::new_checked(ip.payload()).ok()?;
    let checksums = ChecksumCapabilities::default();
    match Icmpv6Repr::parse(&ip.src_addr(), &ip.dst_addr(), &icmp, &checksums).ok()? {
        Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
            target_addr, lladdr, ..
        }) if target_addr == target => {
            let bytes: [u8; 6] = lladdr?.as_bytes().try_into().ok()?;
            Some(EthernetAddress(bytes))
        }
        _ => None,
    }
}
