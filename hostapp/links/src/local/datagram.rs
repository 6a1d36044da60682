//! Datagrams to R2: each is a frame, and nothing is remembered of it. R2's answer names its client.

use std::net::SocketAddr;

use mio::net::UdpSocket;
use smoltcp::wire::{EthernetProtocol, IpProtocol, IpRepr, Ipv4Address, UdpPacket, UdpRepr};

use super::interface::GatewayInterface;
use super::lane::{Lane, MTU};

/// The largest datagram that there is over IPv4, and on this wire.
pub(super) const LARGEST: usize = MTU - 20 - 8;

/// Carries one datagram from `socket` to `port` of R2, through `room`, which holds [`LARGEST`] bytes; whether there may be
/// more.
pub(super) fn carry(
    socket: &UdpSocket,
    room: &mut [u8],
    port: u16,
    r2: Ipv4Address,
    end: &GatewayInterface,
    to_r2: &mut Lane,
) -> bool {
    let (length, from) = match socket.recv_from(room) {
        Ok(came) => came,
        // An error of an answer that found nobody there is told here, and there may be more behind it.
        Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
    };
    let SocketAddr::V4(from) = from else {
        return true;
    };
    let payload = &room[..length];
    let udp = UdpRepr {
        src_port: from.port(),
        dst_port: port,
    };
    let (source, destination) = ((*from.ip()).into(), r2.into());
    let length = udp.header_len() + payload.len();
    let ip = IpRepr::new(source, destination, IpProtocol::Udp, length, 64);
    end.send_frame(to_r2, EthernetProtocol::Ipv4, ip.buffer_len(), |packet, wire| {
        ip.emit(&mut *packet, &wire.checksum);
        udp.emit(
            &mut UdpPacket::new_unchecked(&mut packet[ip.header_len()..]),
            &source,
            &destination,
            payload.len(),
            |room| room.copy_from_slice(payload),
            &wire.checksum,
        );
    });
    true
}
