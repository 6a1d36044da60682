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
    send(&reply, ours, asker.at, token);
}

/// Asks everybody for `address`, from `local`: from nobody, and it is a probe; from the address itself, and everybody is told
/// that it is at `ours` (RFC 5227, section 1.1).
#[cfg(any(feature = "call", feature = "dhcp"))]
pub(crate) fn ask(local: Ipv4Address, address: Ipv4Address, ours: EthernetAddress, token: impl TxToken) {
    let question = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: ours,
        source_protocol_addr: local,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: address,
    };
    send(&question, ours, EthernetAddress::BROADCAST, token);
}

fn send(arp: &ArpRepr, ours: EthernetAddress, to: EthernetAddress, token: impl TxToken) {
    token.consume(ETHERNET_HEADER.saturating_add(arp.buffer_len()), |frame| {
        let packet = super::ethernet(frame, ours, to, EthernetProtocol::Arp);
        arp.emit(&mut ArpPacket::new_unchecked(packet));
    });
}
