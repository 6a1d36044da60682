//! Wires that delay, lose, double, reorder and change what they carry, all by a seed.

use std::env;

use fastrand::Rng;
use r2_sim::wire::{Frame, OnTheWay};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetFrame, EthernetProtocol, Ipv4Packet, PrettyPrinter, TcpPacket};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// Data in segments at least this long is what a lying wire changes: commands and answers are shorter.
const LIES_FROM: usize = 200;

/// How long a frame is held back.
const HELD: Duration = Duration::from_millis(12);

/// What a wire does to frames. Chances are of 1,000.
#[derive(Clone, Debug, Default)]
pub(super) struct Weather {
    /// How long a frame travels.
    pub(super) delay: Duration,
    /// How much longer one frame may travel than the next.
    pub(super) jitter: Duration,
    pub(super) lost: u32,
    pub(super) doubled: u32,
    /// A frame is held back for a while, as some wires do.
    pub(super) held: u32,
    /// Frames of one moment may change places with the three before and behind them.
    pub(super) shuffled: bool,
    /// A bit is changed, and the checksum shows it.
    pub(super) damaged: u32,
    /// A bit of a data segment is changed, and its checksum made right.
    pub(super) lies: u32,
}

/// Frames that travel.
pub(super) struct Net {
    pub(super) weather: Weather,
    rng: Rng,
    travelling: OnTheWay,
    sent: u64,
    /// Tells one run from another: all that was ever carried, and when.
    pub(super) digest: u64,
    /// Prints what is sent and what arrives.
    tells: bool,
}

impl Net {
    /// Wires with nothing on them.
    pub(super) fn new(weather: Weather, rng: Rng) -> Self {
        Self {
            weather,
            rng,
            travelling: OnTheWay::default(),
            sent: 0,
            digest: 0xcbf2_9ce4_8422_2325,
            tells: env::var_os("R2_SEED").is_some(),
        }
    }

    /// Takes a frame on its way.
    pub(super) fn send(&mut self, now: Instant, frame: Frame) {
        for byte in now.total_micros().to_le_bytes().iter().chain(&frame) {
            // FNV-1a.
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let is_lost = self.happens(self.weather.lost);
        self.tell(now, if is_lost { "lost" } else { "sent" }, &frame);
        if is_lost {
            return;
        }
        if self.happens(self.weather.doubled) {
            self.launch(now, frame.clone());
        }
        self.launch(now, frame);
    }

    fn launch(&mut self, now: Instant, mut frame: Frame) {
        if self.happens(self.weather.lies) {
            lie(&mut frame, &mut self.rng);
        }
        if self.happens(self.weather.damaged) {
            damage(&mut frame, &mut self.rng);
        }
        let jitter = self.rng.u64(0..=self.weather.jitter.total_micros());
        let held = if self.happens(self.weather.held) {
            HELD
        } else {
            Duration::ZERO
        };
        self.sent += 1;
        let moved = if self.weather.shuffled {
            self.rng.u64(0..4)
        } else {
            0
        };
        let at = now + self.weather.delay + Duration::from_micros(jitter) + held;
        self.travelling.send(at, self.sent + moved, frame);
    }

    fn happens(&mut self, chance: u32) -> bool {
        chance > 0 && self.rng.u32(0..1000) < chance
    }

    /// The next frame that has arrived by now.
    pub(super) fn arrived(&mut self, now: Instant) -> Option<Frame> {
        let frame = self.travelling.arrived(now)?;
        self.tell(now, "come", &frame);
        Some(frame)
    }

    fn tell(&self, now: Instant, what: &str, frame: &Frame) {
        if self.tells {
            let bytes: &dyn AsRef<[u8]> = frame;
            eprintln!(
                "{now} {what} {}",
                PrettyPrinter::<EthernetFrame<&[u8]>>::new("", &bytes)
            );
        }
    }

    /// When the next frame arrives.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.travelling.next_at()
    }
}

/// Changes a bit behind the Ethernet header, whose own checksum no device shows us; ARP relies on that one alone.
fn damage(frame: &mut Frame, rng: &mut Rng) {
    let is_ip = EthernetFrame::new_checked(&**frame).is_ok_and(|it| it.ethertype() == EthernetProtocol::Ipv4);
    if is_ip && frame.len() > ETHERNET {
        let at = rng.usize(ETHERNET..frame.len());
        frame[at] ^= 1 << rng.u32(0..8);
    }
}

/// Changes a file's data on its way to R2 so that TCP cannot see it.
fn lie(frame: &mut Frame, rng: &mut Rng) {
    change_segment(frame, |tcp| {
        let to_files = tcp.dst_port() == 5030;
        let data = tcp.payload_mut();
        if to_files && data.len() >= LIES_FROM {
            let at = rng.usize(0..data.len());
            data[at] ^= 1 << rng.u32(0..8);
        }
    });
}

/// Changes the TCP segment in a frame, if there is one, and makes its checksum right.
pub(super) fn change_segment(frame: &mut Frame, change: impl FnOnce(&mut TcpPacket<&mut [u8]>)) {
    let is_tcp = |frame: &Frame| {
        let ethernet = EthernetFrame::new_checked(&**frame).ok()?;
        let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
        let tcp = ip.next_header() == smoltcp::wire::IpProtocol::Tcp;
        (tcp && TcpPacket::new_checked(ip.payload()).is_ok()).then(|| (ip.src_addr(), ip.dst_addr()))
    };
    let Some((from, to)) = is_tcp(frame) else { return };
    let mut ip = Ipv4Packet::new_unchecked(&mut frame[ETHERNET..]);
    let mut tcp = TcpPacket::new_unchecked(ip.payload_mut());
    change(&mut tcp);
    tcp.fill_checksum(&from.into(), &to.into());
}
