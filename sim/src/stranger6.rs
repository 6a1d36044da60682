//! What the stranger says over IPv6.

use crate::wire::Frame;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Address, Ipv6Packet, Ipv6Repr, TcpPacket,
    UdpPacket,
};

use crate::simulation::R2_MAC;
use crate::stranger::{self, Said};

/// The stranger's address in R2's network.
pub const ADDRESS: Ipv6Address = Ipv6Address::new(0xfd69, 0, 0, 0, 0, 0, 0, 0x66);

/// The stranger's address on the link.
pub const ON_LINK: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x66);

/// All nodes.
pub const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Bytes of an Ethernet header, and of one of IPv6 behind it.
const HEADERS: usize = 14 + 40;

/// The Ethernet address of a multicast group (RFC 2464, section 7).
pub fn group(address: Ipv6Address) -> EthernetAddress {
    let [.., a, b, c, d] = address.octets();
    EthernetAddress([0x33, 0x33, a, b, c, d])
}

/// The group in which who has `address` is asked for it (RFC 4291, section 2.7.1).
pub fn solicited_node(address: Ipv6Address) -> Ipv6Address {
    let [.., a, b, c] = address.octets();
    Ipv6Address::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// A packet whose hop limit says that no router has touched it.
pub fn packet(source: Ipv6Address, destination: Ipv6Address, next_header: u8, payload: &[u8]) -> Frame {
    let ip = Ipv6Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: IpProtocol::from(next_header),
        payload_len: payload.len(),
        hop_limit: 255,
    };
    let mut header = vec![0; ip.buffer_len()];
    ip.emit(&mut Ipv6Packet::new_unchecked(&mut header[..]));
    let mac = if destination.is_multicast() {
        group(destination)
    } else {
        R2_MAC
    };
    [&mac.0[..], &stranger::MAC.0, &[0x86, 0xdd], &header, payload].concat()
}

/// A message of ICMP over IPv6.
pub fn icmp(source: Ipv6Address, destination: Ipv6Address, message: &Icmpv6Repr<'_>) -> Frame {
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(
        &source,
        &destination,
        &mut Icmpv6Packet::new_unchecked(&mut bytes[..]),
        &ChecksumCapabilities::default(),
    );
    packet(source, destination, 58, &bytes)
}

/// The message of ICMP in `frame` with something in it changed, and its checksum right.
pub fn changed(mut frame: Frame, change: impl FnOnce(&mut Vec<u8>)) -> Frame {
    let ip = Ipv6Packet::new_unchecked(&frame[14..]);
    let (source, destination) = (ip.src_addr(), ip.dst_addr());
    let mut message = frame.split_off(HEADERS);
    change(&mut message);
    Icmpv6Packet::new_unchecked(&mut message[..]).fill_checksum(&source, &destination);
    packet(source, destination, 58, &message)
}

/// A segment that goes to R2's `destination`.
pub fn segment(said: &Said<'_>, destination: Ipv6Address) -> Frame {
    let mut bytes = said.frame().split_off(14 + 20);
    TcpPacket::new_unchecked(&mut bytes[..]).fill_checksum(&ADDRESS.into(), &destination.into());
    packet(ADDRESS, destination, 6, &bytes)
}

/// A datagram from the stranger's port `from` to port `to` of R2's `destination`.
pub fn datagram(from: u16, to: u16, destination: Ipv6Address, payload: &[u8]) -> Frame {
    let mut bytes = stranger::datagram(from, to, payload).split_off(14 + 20);
    UdpPacket::new_unchecked(&mut bytes[..]).fill_checksum(&ADDRESS.into(), &destination.into());
    packet(ADDRESS, destination, 17, &bytes)
}

/// `frame` with `headers` between its IPv6 header and what it carries: each is its own number and its bytes, the first
/// of which is overwritten by the number of what follows.
pub fn behind(mut frame: Frame, headers: &[(u8, &[u8])]) -> Frame {
    let ip = Ipv6Packet::new_unchecked(&frame[14..]);
    let (source, destination) = (ip.src_addr(), ip.dst_addr());
    let mut next = u8::from(ip.next_header());
    let mut payload = frame.split_off(HEADERS);
    for (number, header) in headers.iter().rev() {
        let mut before = header.to_vec();
        before[0] = next;
        next = *number;
        before.append(&mut payload);
        payload = before;
    }
    packet(source, destination, next, &payload)
}

/// The IPv6 packet of R2's in `frame`, if there is one: whom it is from and to, its protocol, its hop limit, and what it
/// carries.
pub fn heard(frame: &[u8]) -> Option<(Ipv6Address, Ipv6Address, u8, u8, Vec<u8>)> {
    if frame[12..14] != [0x86, 0xdd] {
        return None;
    }
    let ip = Ipv6Packet::new_checked(&frame[14..]).expect("R2 sends whole headers");
    let payload = ip.payload().to_vec();
    Some((
        ip.src_addr(),
        ip.dst_addr(),
        ip.next_header().into(),
        ip.hop_limit(),
        payload,
    ))
}

/// The message of ICMP of R2's in `frame`, if there is one. Its checksum must be right.
pub fn heard_icmp(frame: &[u8]) -> Option<Vec<u8>> {
    let (source, destination, protocol, _, message) = heard(frame)?;
    if protocol != 58 {
        return None;
    }
    assert!(Icmpv6Packet::new_unchecked(&message).verify_checksum(&source, &destination));
    Some(message)
}
