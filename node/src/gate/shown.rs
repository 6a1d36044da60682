//! A segment as smoltcp is to see it, where that is not as it came.

use r2_core::bytes;
#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Packet;
use smoltcp::wire::{Ipv4Packet, TcpPacket};

use super::Segment;

/// What stands in a segment in place of what its sender wrote. FIN never does: the slot hands that in by itself, once
/// all bytes before it are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) ack: u32,
    pub(crate) window: u16,
    /// How many bytes of the payload are left.
    pub(crate) payload: usize,
}

impl Shown {
    /// Writes the packet of `segment` to the front of `room`, changed so, and returns it; `None` where it has no room.
    /// Its checksums were looked at, and nobody looks again.
    pub(crate) fn write<'r>(self, segment: &Segment<'_>, room: &'r mut [u8]) -> Option<&'r [u8]> {
        let kept = segment.headers.saturating_add(self.payload);
        let packet = segment.packet.get(..kept)?;
        let room = room.get_mut(..kept)?;
        bytes::copy(room, packet);
        if kept < segment.packet.len() {
            shorten(room);
        }
        let mut tcp = TcpPacket::new_unchecked(room.get_mut(segment.tcp_at..)?);
        tcp.set_ack_number(smoltcp::wire::TcpSeqNumber(self.ack.cast_signed()));
        tcp.set_window_len(self.window);
        tcp.set_fin(false);
        Some(room)
    }
}

/// Lets the IP header say how long the packet is.
fn shorten(packet: &mut [u8]) {
    let len = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    match packet.first().map(|byte| byte >> 4) {
        #[cfg(feature = "ipv6")]
        Some(6) => {
            let mut ip = Ipv6Packet::new_unchecked(packet);
            let header = u16::try_from(ip.header_len()).unwrap_or(u16::MAX);
            ip.set_payload_len(len.saturating_sub(header));
        }
        _ => {
            let mut ip = Ipv4Packet::new_unchecked(packet);
            ip.set_total_len(len);
        }
    }
}
