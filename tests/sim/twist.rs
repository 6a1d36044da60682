//! What a TCP may do with a peer's segments on their way to R2, and smoltcp's never does: FIN before the bytes that it
//! follows, or on bytes that are known; old acknowledgements, repeated ones, and windows that close with one.

use std::ops::Range;

use fastrand::Rng;
use r2_sim::simulation::R2_MAC;
use r2_sim::wire::Frame;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, TcpPacket};

use super::net::change_segment;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// No window that a peer shows is smaller for long: an acknowledgement may be so much older than the last one.
const OLD: i32 = 200;

/// For how long a peer shows a window that is no larger than so much, though it could take more: it says so with an
/// acknowledgement, and nobody tells R2 when that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Narrow {
    begins: Instant,
    ends: Instant,
    most: u16,
}

impl Narrow {
    /// A window that closes, or stays tiny, for a while.
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let begins = Instant::from_millis(rng.i64(0..5_000));
        Self {
            begins,
            ends: begins + Duration::from_millis(rng.u64(0..20_000)),
            most: *rng
                .choice([0, 0, 1, 3, 30, 200, 600].iter())
                .expect("one of them"),
        }
    }

    /// What goes onto the wire in the place of a peer's `frame`.
    pub(super) fn narrowed(&self, now: Instant, mut frame: Frame) -> Frame {
        if self.begins <= now && now < self.ends {
            change_segment(&mut frame, |tcp| {
                if !tcp.syn() {
                    tcp.set_window_len(tcp.window_len().min(self.most));
                }
            });
        }
        frame
    }
}

/// What goes onto the wire in the place of a peer's frame.
pub(super) fn twisted(frame: Frame, rng: &mut Rng) -> Vec<Frame> {
    let Some(Shape { payload, fin, plain }) = Shape::of(&frame) else {
        return vec![frame];
    };
    match rng.u32(0..12) {
        // A window that closes with an acknowledgement, and opens again.
        0 if plain && payload == 0 => vec![with(&frame, |tcp| tcp.set_window_len(0)), frame],
        1..=3 if plain && payload == 0 => vec![frame; 4],
        2 if payload > 0 => {
            let age = rng.i32(0..OLD);
            let older = |tcp: &mut TcpPacket<&mut [u8]>| {
                let ack = tcp.ack_number();
                tcp.set_ack_number(smoltcp::wire::TcpSeqNumber(ack.0.wrapping_sub(age)));
            };
            vec![with(&frame, older)]
        }
        4..6 if fin && payload > 0 => vec![piece(&frame, payload..payload, true), frame],
        6..9 if fin && payload > 0 => vec![piece(&frame, 0..payload, false), frame],
        9..12 if payload > 1 => {
            let cut = rng.usize(1..payload);
            vec![piece(&frame, cut..payload, fin), piece(&frame, 0..cut, false)]
        }
        _ => vec![frame],
    }
}

/// What arrives of a frame of R2's: all of it, or what stands before FIN, which a card has sent by itself and a wire lost.
pub(super) fn parted(frame: Frame, rng: &mut Rng) -> Frame {
    match Shape::of_segment(&frame) {
        Some(Shape {
            payload, fin: true, ..
        }) if payload > 0 && rng.u32(0..3) == 0 => piece(&frame, 0..payload, false),
        _ => frame,
    }
}

/// What there is to be twisted in a segment.
struct Shape {
    payload: usize,
    fin: bool,
    /// An acknowledgement, or bytes.
    plain: bool,
}

impl Shape {
    /// Of one to R2.
    fn of(frame: &Frame) -> Option<Self> {
        let to = EthernetFrame::new_checked(&**frame).ok()?.dst_addr();
        Self::of_segment(frame).filter(|_| to == R2_MAC)
    }

    fn of_segment(frame: &Frame) -> Option<Self> {
        let ethernet = EthernetFrame::new_checked(&**frame).ok()?;
        if ethernet.ethertype() != EthernetProtocol::Ipv4 {
            return None;
        }
        let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
        if ip.next_header() != IpProtocol::Tcp {
            return None;
        }
        let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
        // Where half a string may rest for a second, it is answered as it stands.
        let is_left_alone = tcp.syn() || tcp.rst() || tcp.dst_port() == 5010;
        (!is_left_alone).then(|| Self {
            payload: tcp.payload().len(),
            fin: tcp.fin(),
            plain: !tcp.fin(),
        })
    }
}

fn with(frame: &Frame, change: impl FnOnce(&mut TcpPacket<&mut [u8]>)) -> Frame {
    let mut frame = frame.clone();
    change_segment(&mut frame, change);
    frame
}

/// The segment with these bytes of its payload, and FIN or none.
fn piece(frame: &Frame, bytes: Range<usize>, fin: bool) -> Frame {
    let ip = Ipv4Packet::new_unchecked(&frame[ETHERNET..]);
    let tcp = TcpPacket::new_unchecked(ip.payload());
    let headers = usize::from(ip.header_len()) + usize::from(tcp.header_len());
    let payload = ETHERNET + headers;
    let mut cut = frame[..payload].to_vec();
    cut.extend(&frame[payload + bytes.start..payload + bytes.end]);
    let length = u16::try_from(headers + bytes.len()).expect("shorter than before");
    let mut ip = Ipv4Packet::new_unchecked(&mut cut[ETHERNET..]);
    ip.set_total_len(length);
    ip.fill_checksum();
    with(&cut, |tcp| {
        tcp.set_seq_number(tcp.seq_number() + bytes.start);
        tcp.set_fin(fin);
    })
}
