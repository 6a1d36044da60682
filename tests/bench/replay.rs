//! R2's node alone, with frames from memory: no kernel, no thread, no chance. What callgrind counts of it is the same
//! to the digit at every run.

use std::num::NonZeroUsize;

use hostapp::plan::plan;
use r2_core::store::ram::RamStore;
use r2_node::Node;
use r2_services::Shared;
use r2_sim::simulation::switch_on;
use r2_sim::stranger::{FIRST, Said};
use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Packet, TcpControl, TcpOption, TcpPacket};

use crate::client::Pattern;

/// The function whose instructions callgrind counts.
pub(crate) const COUNTED: &str = "*replay::pass*";

const ETHERNET_HEADER: usize = 14;

/// The largest frame: an IPv4 packet of 65,535 bytes.
const FRAME_MAX: usize = ETHERNET_HEADER + 65_535;

/// What a segment carries on Ethernet.
const SEGMENT: usize = 1460;

/// What a super-frame carries: so many segments fit an IPv4 packet of 65,535 bytes.
const SUPER: usize = 44 * SEGMENT;

/// How often R2 is looked at: often enough beside its timers of milliseconds.
const TICK: Duration = Duration::from_micros(100);

/// How many ticks R2 may keep its window closed.
const PATIENCE: u32 = 1000;

/// The peer's window, open wider than R2's buffers: 65,535 shifted by this.
const PEER_WINDOW_SHIFT: u8 = 7;

/// A network card that gives R2 the frames it holds, and keeps the last that R2 sent.
struct Card {
    arriving: Vec<Vec<u8>>,
    taken: usize,
    sent: Box<[u8]>,
    sent_len: usize,
    /// Frames of 64 KiB, and checksums that are not R2's affair.
    offload: bool,
}

impl Device for Card {
    type RxToken<'a> = Arrived<'a>;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived<'_>, Leaving<'_>)> {
        let frame = self.arriving.get(self.taken)?;
        self.taken += 1;
        Some((Arrived(frame), Leaving(&mut self.sent, &mut self.sent_len)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        Some(Leaving(&mut self.sent, &mut self.sent_len))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = ETHERNET_HEADER + 1500;
        if self.offload {
            capabilities.checksum.tcp = Checksum::None;
            capabilities.segmentation.tcpv4 = NonZeroUsize::new(FRAME_MAX);
        }
        capabilities
    }
}

struct Arrived<'a>(&'a [u8]);

impl phy::RxToken for Arrived<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

struct Leaving<'a>(&'a mut [u8], &'a mut usize);

impl phy::TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        *self.1 = len;
        f(&mut self.0[..len])
    }
}

/// R2, its card, and a peer whose segments are written here.
struct Machine {
    node: Node<'static, Shared<'static, RamStore<'static>>>,
    world: Shared<'static, RamStore<'static>>,
    card: Card,
    now: Instant,
    to: u16,
    ack: u32,
    window_shift: u8,
}

impl Machine {
    /// R2 with a host's buffers, and an established connection to `port`.
    fn connected_to(port: u16, offload: bool) -> Self {
        let mut card = Card {
            arriving: Vec::new(),
            taken: 0,
            sent: vec![0; FRAME_MAX].into(),
            sent_len: 0,
            offload,
        };
        let (node, world) = switch_on(&plan(16), [7; 16], &mut card);
        let mut machine = Self {
            node,
            world,
            card,
            now: Instant::ZERO,
            to: port,
            ack: 0,
            window_shift: 0,
        };
        let syn = machine.says(TcpControl::Syn, 0, None, &[]).frame_with(|tcp| {
            tcp.max_seg_size = u16::try_from(SEGMENT).ok();
            tcp.window_scale = Some(PEER_WINDOW_SHIFT);
        });
        machine.bring(vec![syn]);
        machine.window_shift = machine.last_sent(window_shift);
        machine.acknowledge(1);
        machine
    }

    fn says<'a>(&self, control: TcpControl, seq: u32, ack: Option<u32>, payload: &'a [u8]) -> Said<'a> {
        Said {
            from: 40_000,
            to: self.to,
            control,
            seq,
            ack,
            payload,
        }
    }

    /// The frame of a segment that acknowledges all that R2 has sent.
    fn segment(&self, seq: u32, payload: &[u8]) -> Vec<u8> {
        let said = self.says(TcpControl::Psh, seq, Some(self.ack), payload);
        said.frame_with(|tcp| tcp.window_len = u16::MAX)
    }

    /// Lets R2 take these frames, and do what they make it do.
    fn bring(&mut self, frames: Vec<Vec<u8>>) {
        (self.card.arriving, self.card.taken) = (frames, 0);
        loop {
            let next = pass(&mut self.node, self.now, &mut self.card, &mut self.world);
            let all = self.card.taken == self.card.arriving.len();
            if all && next.is_none_or(|at| at > self.now) {
                self.now += TICK;
                return;
            }
        }
    }

    /// Acknowledges what R2 has sent last; how many bytes that are.
    fn acknowledge(&mut self, seq: u32) -> u32 {
        let (seq_of_last, length) = self.last_sent(|last| (last.seq_number(), last.segment_len()));
        let end = (seq_of_last + length).0.cast_unsigned();
        let before = std::mem::replace(&mut self.ack, end);
        let frame = self.segment(seq, &[]);
        self.bring(vec![frame]);
        end.wrapping_sub(before)
    }

    /// The right edge of R2's window, counted as [`Said::seq`] is.
    fn edge(&self) -> u32 {
        self.last_sent(|last| {
            // A SYN's own window is not scaled (RFC 7323, section 2.2).
            let shift = if last.syn() { 0 } else { self.window_shift };
            let ack = last.ack_number().0.cast_unsigned().wrapping_sub(FIRST);
            ack + (u32::from(last.window_len()) << shift)
        })
    }

    /// Looks at the last segment that R2 has sent.
    fn last_sent<T>(&self, look: impl FnOnce(&TcpPacket<&[u8]>) -> T) -> T {
        let frame = &self.card.sent[ETHERNET_HEADER..self.card.sent_len];
        let packet = Ipv4Packet::new_checked(frame).expect("R2 sends whole headers");
        look(&TcpPacket::new_checked(packet.payload()).expect("R2 sends whole headers"))
    }
}

/// One turn of R2's. Everything else in this file is the peer.
#[inline(never)]
fn pass(
    node: &mut Node<'static, Shared<'static, RamStore<'static>>>,
    now: Instant,
    card: &mut Card,
    world: &mut Shared<'static, RamStore<'static>>,
) -> Option<Instant> {
    node.poll(now, card, world)
}

/// Lets R2 receive or send so many bytes; what the command line says of it.
pub(crate) fn run(direction: &str, frames: &str, bytes: u64) {
    let offload = frames == "super-frames";
    if direction == "upload" {
        upload(if offload { SUPER } else { SEGMENT }, offload, bytes);
    } else {
        download(offload, bytes);
    }
}

/// The shift in the options of a SYN.
fn window_shift(syn: &TcpPacket<&[u8]>) -> u8 {
    let mut options = syn.options();
    while let Ok((rest, option)) = TcpOption::parse(options) {
        match option {
            TcpOption::WindowScale(shift) => return shift,
            TcpOption::EndOfList => break,
            _ => options = rest,
        }
    }
    0
}

fn upload(piece: usize, offload: bool, bytes: u64) {
    let (mut machine, pattern) = (Machine::connected_to(9, offload), Pattern::random());
    let (mut sent, mut waited) = (0, 0);
    while sent < bytes {
        let (mut flight, edge) = (Vec::new(), u64::from(machine.edge()));
        while sent + (piece as u64) < edge {
            let seq = u32::try_from(sent + 1).expect("less than 4 GiB");
            flight.push(machine.segment(seq, pattern.at(sent, piece as u64)));
            sent += piece as u64;
        }
        waited = if flight.is_empty() { waited + 1 } else { 0 };
        assert!(waited < PATIENCE, "R2 keeps its window closed after {sent} bytes");
        machine.bring(flight);
    }
    let taken = machine
        .world
        .counters
        .services()
        .iter()
        .find(|service| service.name == "discard")
        .map(|service| service.bytes_in);
    assert_eq!(taken, Some(sent), "R2 has not taken every frame");
    println!("{sent}");
}

fn download(offload: bool, bytes: u64) {
    let mut machine = Machine::connected_to(19, offload);
    let mut got = 0;
    while got < bytes {
        got += u64::from(machine.acknowledge(1));
    }
    println!("{got}");
}
