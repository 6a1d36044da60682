//! ARP (RFC 826).

use smoltcp::phy::TxToken;
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetProtocol, Ipv4Address};

use crate::gate::Neighbor;
use crate::wire::ETHERNET_HEADER;

/// Tells `asker` that `address` is at `ours`.
pub(crate) fn reply(
    asker: &Neighbor<Ipv4Address>,
    address: Ipv4Address,
    ours: EthernetAddress,
    token: impl TxToken,
) {
    let reply = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: ours,
        source_protocol_addr: address,
        target_hardware_addr: asker.at,
        target_protocol_addr: asker.address,
    };
    token.consume(ETHERNET_HEADER.saturating_add(reply.buffer_len()), |frame| {
        let packet = super::ethernet(frame, ours, asker.at, EthernetProtocol::Arp);
        reply.emit(&mut ArpPacket::new_unchecked(packet));
    });
}
