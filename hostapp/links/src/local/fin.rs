//! R2's FIN, held back until the client has it.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpProtocol, IpRepr, Ipv4Address, Ipv4Packet, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
};

use super::flow::Key;

/// Bytes of an IPv4 and a TCP header without options.
const HEADERS: usize = 20 + 20;

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
    r2: Ipv4Address,
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
        let Ok(mut ip) = Ipv4Packet::new_checked(packet) else {
            return nothing;
        };
        let r2 = ip.src_addr();
        let Ok(mut tcp) = TcpPacket::new_checked(ip.payload_mut()) else {
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

    /// The packet that brings the FIN to smoltcp; `None` where none is held.
    pub(super) fn release(&mut self, key: Key) -> Option<[u8; HEADERS]> {
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
        let (source, destination) = (fin.r2.into(), key.client.addr);
        let ip = IpRepr::new(source, destination, IpProtocol::Tcp, tcp.buffer_len(), 64);
        let mut packet = [0; HEADERS];
        let checksums = ChecksumCapabilities::ignored();
        ip.emit(&mut packet, &checksums);
        let mut segment = TcpPacket::new_unchecked(&mut packet[ip.header_len()..]);
        tcp.emit(&mut segment, &source, &destination, &checksums);
        Some(packet)
    }
}
