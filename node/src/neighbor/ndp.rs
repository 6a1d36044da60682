//! NDP (RFC 4861): the question for an IPv6 address.

use smoltcp::phy::{ChecksumCapabilities, TxToken};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Address,
    Ipv6Packet, Ipv6Repr, NdiscRepr, RawHardwareAddress,
};

use crate::gate::{ethernet_group, solicited_node};
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
            let mut ethernet = EthernetFrame::new_unchecked(frame);
            ethernet.set_src_addr(ours);
            ethernet.set_dst_addr(ethernet_group(group));
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
