//! Datagrams: answered in the frame, without a socket or a buffer.

use smoltcp::phy::{ChecksumCapabilities, TxToken};
use smoltcp::wire::{IpProtocol, UdpPacket, UdpRepr};

use super::Way;
use crate::gate::Flow;
use crate::wire::ETHERNET_HEADER;

/// Sends `payload` back along `flow`, over at most `hop_limit` routers. Whether it fits into a frame of `mtu` bytes, with
/// its Ethernet header: if it does not, nothing is sent.
pub(crate) fn send(
    way: &Way,
    flow: &Flow,
    payload: &[u8],
    hop_limit: u8,
    mtu: usize,
    token: impl TxToken,
) -> bool {
    let udp = UdpRepr {
        src_port: flow.local.port,
        dst_port: flow.remote.port,
    };
    let length = udp.header_len().saturating_add(payload.len());
    let ip = way.ip(IpProtocol::Udp, length, hop_limit);
    if ETHERNET_HEADER.saturating_add(ip.buffer_len()) > mtu {
        return false;
    }
    way.send(&ip, token, |bytes| {
        let write = |to: &mut [u8]| {
            for (to, from) in to.iter_mut().zip(payload) {
                *to = *from;
            }
        };
        udp.emit(
            &mut UdpPacket::new_unchecked(bytes),
            &way.source,
            &way.destination,
            payload.len(),
            write,
            &ChecksumCapabilities::default(),
        );
    });
    true
}
