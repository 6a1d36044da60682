//! What a stranger throws between the frames of the peers: nonsense, floods, and segments in a peer's name.

use fastrand::Rng;
use r2_sim::simulation::{R2_ADDRESS, R2_ADDRESS6, R2_MAC};
use r2_sim::stranger::{ADDRESS, FIRST, MAC, Said, arp, datagram, tampered, with_options};
use r2_sim::wire::Frame;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv4Repr, Icmpv6Packet,
    Icmpv6Repr, IpProtocol, Ipv4Address, Ipv4Repr, Ipv6Address, Ipv6Repr, NdiscNeighborFlags, NdiscRepr,
    TcpControl,
};

use super::peer::{self, Peer};

/// Ports of R2's, and two that nobody serves.
const PORTS: [u16; 9] = [5000, 5010, 5020, 5030, 5040, 7, 9, 4999, 5001];

/// Less than that beyond a window may be inside it when it arrives.
const FAR: u32 = 100_000;

/// Beyond the window by that much is its last place.
const INSIDE: u32 = u32::MAX;

/// Something that is thrown.
#[derive(Clone, Debug)]
pub(super) enum Throw {
    /// A frame.
    Frame(Frame),
    /// A segment of a peer that has a connection, as far as R2 can see, so far beyond the window that R2 shows it, or by
    /// somebody who does not know, by so much, what R2 has sent last.
    Forged {
        peer: usize,
        beyond: u32,
        ahead: u32,
        control: TcpControl,
        payload: Vec<u8>,
        window: u16,
    },
}

/// What the stranger throws at one moment; there are `peers`.
pub(super) fn throws(peers: usize, rng: &mut Rng) -> Vec<Throw> {
    match rng.u32(0..13) {
        0 => flood(rng).into_iter().map(Throw::Frame).collect(),
        1..3 => vec![Throw::Forged {
            peer: rng.usize(0..peers),
            beyond: rng.u32(FAR..1 << 30),
            ahead: 0,
            control: any_control(rng),
            payload: bytes(rng, 100),
            window: rng.u16(0..2) * rng.u16(..),
        }],
        3 => vec![Throw::Forged {
            peer: rng.usize(0..peers),
            beyond: INSIDE,
            ahead: 0,
            control: [TcpControl::Rst, TcpControl::Syn][rng.usize(0..2)],
            payload: Vec::new(),
            window: 0,
        }],
        // Every place in the window, and before it; no acknowledgement that a peer might send.
        4..7 => vec![Throw::Forged {
            peer: rng.usize(0..peers),
            beyond: rng.u32(0..20_000).wrapping_neg(),
            ahead: rng.u32(FAR..u32::MAX - (1 << 17)),
            control: [TcpControl::None, TcpControl::Psh, TcpControl::Fin][rng.usize(0..3)],
            payload: bytes(rng, 100),
            window: rng.u16(0..2) * rng.u16(..),
        }],
        _ => vec![Throw::Frame(nonsense(rng))],
    }
}

/// The segment in the name of `peer`, to which R2 has said `next` last, and that it takes bytes up to `edge`.
pub(super) fn forged(index: usize, peer: &Peer, (edge, next): (u32, u32), throw: &Throw) -> Option<Frame> {
    let Throw::Forged {
        beyond,
        ahead,
        control,
        payload,
        window,
        ..
    } = throw
    else {
        return None;
    };
    let said = Said {
        from: peer::PORT,
        to: peer.port(),
        control: *control,
        seq: edge.wrapping_add(*beyond).wrapping_sub(FIRST),
        ack: (*control != TcpControl::Syn).then_some(next.wrapping_add(*ahead)),
        payload,
    };
    let mut frame = tampered(said.frame_with(|tcp| tcp.window_len = *window), |ip| {
        ip[12..16].copy_from_slice(&peer::address(index).octets());
    });
    // Somebody who knows less sends from elsewhere, and wants to be answered there.
    let from = if *ahead == 0 { peer::mac(index) } else { MAC };
    EthernetFrame::new_unchecked(&mut frame).set_src_addr(from);
    Some(frame)
}

fn any_control(rng: &mut Rng) -> TcpControl {
    let controls = [
        TcpControl::None,
        TcpControl::Psh,
        TcpControl::Fin,
        TcpControl::Rst,
        TcpControl::Syn,
    ];
    controls[rng.usize(0..controls.len())]
}

fn bytes(rng: &mut Rng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; rng.usize(0..=most)];
    rng.fill(&mut bytes);
    bytes
}

/// A frame that no honest machine sends, or that belongs to nothing.
fn nonsense(rng: &mut Rng) -> Frame {
    let payload = bytes(rng, 60);
    let syn = Said {
        from: rng.u16(1..),
        to: PORTS[rng.usize(0..PORTS.len())],
        control: TcpControl::Syn,
        seq: rng.u32(..),
        ack: None,
        payload: b"",
    };
    match rng.u32(0..11) {
        0 => headless(rng, payload),
        // Flags of no meaning, and a header of another length.
        1 => tampered(syn.frame(), |ip| ip[33] = rng.u8(..)),
        2 => tampered(syn.frame(), |ip| ip[32] = rng.u8(..)),
        3 => tampered(syn.frame(), |ip| {
            ip[6..8].copy_from_slice(&rng.u16(1..0x4000).to_be_bytes());
        }),
        // LAND: from R2 to R2.
        4 => tampered(syn.frame(), |ip| {
            ip[12..16].copy_from_slice(&R2_ADDRESS.octets());
            ip.copy_within(22..24, 20);
        }),
        5 => with_options(syn.frame(), &bytes(rng, 40)),
        // Half-open for as long as R2 lets it.
        6 => syn.frame(),
        7 => {
            let (control, ack) = (any_control(rng), Some(rng.u32(..)));
            let payload = &payload[..];
            Said {
                control,
                ack,
                payload,
                ..syn
            }
            .frame()
        }
        8 => {
            let mut frame = syn.frame();
            let at = rng.usize(14..frame.len());
            frame[at] ^= rng.u8(1..);
            frame
        }
        9 => {
            let mut frame = syn.frame();
            frame.truncate(rng.usize(0..frame.len()));
            frame
        }
        _ => tampered(datagram(syn.from, syn.to, &payload), |ip| {
            ip[24..26].copy_from_slice(&rng.u16(..).to_be_bytes());
        }),
    }
}

/// A frame whose Ethernet header announces a packet, and whose `payload` is no such packet.
fn headless(rng: &mut Rng, payload: Vec<u8>) -> Frame {
    let types = [
        EthernetProtocol::Ipv4,
        EthernetProtocol::Ipv6,
        EthernetProtocol::Arp,
    ];
    let mut frame = vec![0; 14];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame);
    ethernet.set_src_addr(MAC);
    ethernet.set_dst_addr(R2_MAC);
    ethernet.set_ethertype(types[rng.usize(0..types.len())]);
    frame.extend(payload);
    frame
}

/// Many frames at once: lies about who has which address, by ARP or NDP, or echo requests.
fn flood(rng: &mut Rng) -> Vec<Frame> {
    let kind = rng.u32(0..3);
    (0..rng.u8(20..100))
        .map(|number| {
            let mac = EthernetAddress([2, 0, 0, 9, rng.u8(..), number]);
            match kind {
                0 => {
                    let operation = [ArpOperation::Request, ArpOperation::Reply][rng.usize(0..2)];
                    arp(operation, mac, Ipv4Address::new(192, 168, 69, rng.u8(1..255)))
                }
                1 => ping(&bytes(rng, 1_400)),
                _ => advertisement(mac, rng.u16(..)),
            }
        })
        .collect()
}

fn ping(data: &[u8]) -> Frame {
    let checksums = ChecksumCapabilities::default();
    let icmp = Icmpv4Repr::EchoRequest {
        ident: 1,
        seq_no: 1,
        data,
    };
    let ip = Ipv4Repr {
        src_addr: ADDRESS,
        dst_addr: R2_ADDRESS,
        next_header: IpProtocol::Icmp,
        payload_len: icmp.buffer_len(),
        hop_limit: 64,
    };
    packet(
        EthernetProtocol::Ipv4,
        ip.buffer_len() + icmp.buffer_len(),
        |bytes| {
            let (header, payload) = bytes.split_at_mut(ip.buffer_len());
            ip.emit(&mut smoltcp::wire::Ipv4Packet::new_unchecked(header), &checksums);
            icmp.emit(&mut Icmpv4Packet::new_unchecked(payload), &checksums);
        },
    )
}

/// Says that the neighbour of that number is at `mac`.
fn advertisement(mac: EthernetAddress, number: u16) -> Frame {
    let neighbor = Ipv6Address::new(0xfd69, 0, 0, 0, 0, 0, 0, number);
    let icmp = Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
        flags: NdiscNeighborFlags::OVERRIDE | NdiscNeighborFlags::SOLICITED,
        target_addr: neighbor,
        lladdr: Some(mac.into()),
    });
    let ip = Ipv6Repr {
        src_addr: neighbor,
        dst_addr: R2_ADDRESS6,
        next_header: IpProtocol::Icmpv6,
        payload_len: icmp.buffer_len(),
        hop_limit: 255,
    };
    packet(
        EthernetProtocol::Ipv6,
        ip.buffer_len() + icmp.buffer_len(),
        |bytes| {
            let (header, payload) = bytes.split_at_mut(ip.buffer_len());
            ip.emit(&mut smoltcp::wire::Ipv6Packet::new_unchecked(header));
            let mut payload = Icmpv6Packet::new_unchecked(payload);
            icmp.emit(
                &neighbor,
                &R2_ADDRESS6,
                &mut payload,
                &ChecksumCapabilities::default(),
            );
        },
    )
}

fn packet(protocol: EthernetProtocol, length: usize, write: impl FnOnce(&mut [u8])) -> Frame {
    let mut frame = vec![0; 14 + length];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame);
    ethernet.set_src_addr(MAC);
    ethernet.set_dst_addr(R2_MAC);
    ethernet.set_ethertype(protocol);
    write(ethernet.payload_mut());
    frame
}
