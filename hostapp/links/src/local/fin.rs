//! R2's FIN, held back until the client has it.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpProtocol, IpRepr, IpVersion, Ipv4Packet, Ipv6Packet, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber,
};

use super::flow::Key;

/// Bytes of an IPv6 and a TCP header without options: as long as the headers get.
pub(super) const HEADERS: usize = 40 + 20;

/// R2's FIN and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum HeldFin {
    /// It has not come.
    None,
    /// It came, and smoltcp was not shown it.
    Held(Fin),
    /// smoltcp knows of it.
    Released,
}

/// A FIN, and what else R2's last segment said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fin {
    at: u32,
    r2: IpAddress,
    ack: TcpSeqNumber,
    window: u16,
}

/// What of a segment matters to the flow.
pub(super) struct Seen {
    /// The sequence number of R2's first byte, where the segment is its SYN.
    pub(super) syn: Option<u32>,
}

impl HeldFin {
    /// Takes the FIN off a packet of R2's, until it was released.
    pub(super) fn hold(&mut self, packet: &mut [u8]) -> Seen {
        let nothing = Seen { syn: None };
        let Some((r2, segment)) = segment_of(packet) else {
            return nothing;
        };
        let Ok(mut tcp) = TcpPacket::new_checked(segment) else {
            return nothing;
        };
        let seq = tcp.seq_number().0.cast_unsigned();
        if tcp.syn() {
            return Seen {
                syn: Some(seq.wrapping_add(1)),
            };
        }
        if tcp.rst() {
            return nothing;
        }
        if let Self::Held(fin) = self {
            // smoltcp drops what acknowledges less than was acknowledged before.
            (fin.ack, fin.window) = (tcp.ack_number(), tcp.window_len());
        }
        if tcp.fin() && !matches!(self, Self::Released) {
            tcp.set_fin(false);
            #[allow(clippy::cast_possible_truncation, reason = "a segment is shorter than 64 KiB")]
            let length = tcp.payload_mut().len() as u32;
            *self = Self::Held(Fin {
                at: seq.wrapping_add(length),
                r2,
                ack: tcp.ack_number(),
                window: tcp.window_len(),
            });
        }
        nothing
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// Whether the FIN comes next behind everything that was received up to `next`.
    pub(super) fn is_next(&self, next: u32) -> bool {
        matches!(self, Self::Held(fin) if fin.at == next)
    }

    /// The packet that brings the FIN to smoltcp, written into `room`; `None` where none is held.
    pub(super) fn release<'r>(&mut self, key: Key, room: &'r mut [u8; HEADERS]) -> Option<&'r [u8]> {
        let Self::Held(fin) = *self else { return None };
        *self = Self::Released;
        let tcp = TcpRepr {
            src_port: key.r2_port,
            dst_port: key.client.port,
            control: TcpControl::Fin,
            seq_number: TcpSeqNumber(fin.at.cast_signed()),
            ack_number: Some(fin.ack),
            window_len: fin.window,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        let (source, destination) = (fin.r2, key.client.addr);
        let ip = IpRepr::new(source, destination, IpProtocol::Tcp, tcp.buffer_len(), 64);
        let packet = &mut room[..ip.buffer_len()];
        let checksums = ChecksumCapabilities::ignored();
        ip.emit(&mut *packet, &checksums);
        let mut segment = TcpPacket::new_unchecked(&mut packet[ip.header_len()..]);
        tcp.emit(&mut segment, &source, &destination, &checksums);
        Some(packet)
    }
}

/// Whom the packet is from, and the segment in it. R2 sends no extension headers.
fn segment_of(packet: &mut [u8]) -> Option<(IpAddress, &mut [u8])> {
    let (source, start) = match IpVersion::of_packet(packet).ok()? {
        IpVersion::Ipv4 => {
            let ip = Ipv4Packet::new_checked(&*packet).ok()?;
            (ip.src_addr().into(), ip.header_len().into())
        }
        IpVersion::Ipv6 => {
            let ip = Ipv6Packet::new_checked(&*packet).ok()?;
            (ip.src_addr().into(), ip.header_len())
        }
    };
    Some((source, packet.get_mut(start..)?))
}
