//! Machines that are far from each other: a wire with delay, loss, reordering and a bottleneck, between R2 and KALI.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fastrand::Rng;
use r2_links::tap::Tap;
use r2_sim::wire::{Frame, OnTheWay};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smoltcp::phy::{Device, RxToken, TxToken};
use smoltcp::time::Instant as At;

use crate::lab::{Lab, hostapp};
use crate::namespace::Namespace;
use crate::program::Program;

/// How far R2's machine is from KALI, the same in each direction.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// How long a frame is on its way: half of the round trip.
    pub delay: Duration,
    /// How much longer it may be, at random: beyond the time between two frames, they overtake each other.
    pub jitter: Duration,
    /// How many of 100,000 frames begin a loss.
    pub loss: u32,
    /// How many frames in a row are lost at most, each number as often as another.
    pub burst: u32,
    /// Of how many frames in 100,000 each is held back by `held_back`.
    pub reordered: u32,
    /// For how long.
    pub held_back: Duration,
    /// What the bottleneck lets through, in bits a second; `None`: everything at once.
    pub rate: Option<NonZeroU64>,
    /// What waits before the bottleneck at most, as the time that it takes; what comes then is lost.
    pub queue: Duration,
}

impl Weather {
    /// So far, and nothing else happens.
    pub fn clear(round_trip: Duration) -> Self {
        Self {
            delay: round_trip / 2,
            jitter: Duration::ZERO,
            loss: 0,
            burst: 1,
            reordered: 0,
            held_back: Duration::ZERO,
            rate: None,
            queue: Duration::ZERO,
        }
    }

    /// The same, with so many of 100,000 frames lost, one by one.
    pub fn losing(mut self, loss: u32) -> Self {
        self.loss = loss;
        self
    }
}

/// The address of the kernel beside R2.
pub const LINUX: &str = "192.168.69.2";

/// KALI, and far from her a network with R2's `tap0` and a kernel at [`LINUX`].
pub struct Far {
    /// KALI's machine: at 192.168.69.100.
    pub kali: Namespace,
    /// R2, in a namespace whose kernel is at [`LINUX`].
    pub lab: Lab,
    stop: Arc<AtomicBool>,
    relay: Option<JoinHandle<()>>,
}

impl Far {
    /// Joins them by a wire of that weather, whose chances come from `seed`, and waits until R2 is ready.
    pub fn new(weather: Weather, seed: u64) -> Self {
        let (kali, there) = (Namespace::new(), Namespace::new());
        for step in [
            "addr flush dev tap0",
            "link add br0 type bridge",
            "link set tap0 master br0",
            "tuntap add name far0 mode tap",
            "link set far0 master br0",
            "link set far0 up",
            "link set br0 up",
            "addr add 192.168.69.2/24 dev br0",
        ] {
            there.ip(step);
        }
        // The kernel cuts super-frames before they get onto the wire, and queues more than a window of them.
        kali.ip("link set tap0 gso_max_segs 1 txqueuelen 10000");
        there.ip("link set far0 gso_max_segs 1 txqueuelen 10000");
        let near = kali.inside(|| Tap::open("tap0")).expect("KALI's end of the wire");
        let far = there
            .inside(|| Tap::open("far0"))
            .expect("the far end of the wire");
        let stop = Arc::new(AtomicBool::new(false));
        let relay = Relay {
            ends: [near, far],
            lanes: [Lane::default(), Lane::default()],
            weather,
            chance: Rng::with_seed(seed),
            start: Instant::now(),
        };
        let told = Arc::clone(&stop);
        Self {
            kali,
            lab: Lab::joining(there, ""),
            stop,
            relay: Some(thread::spawn(move || relay.run(&told))),
        }
    }

    /// Starts a command line of KALI's; `hostapp` in it is the program under test.
    pub fn start_kali(&self, line: &str) -> Program {
        let folder = hostapp();
        let folder = folder.parent().expect("a folder");
        self.kali
            .start(&format!("PATH={}:$PATH; {line}", folder.display()))
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.relay.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(!matches!(ended, Some(Err(_))), "the wire broke");
        }
    }
}

/// How long the relay waits at most before it looks whether it is to stop.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// The wire.
struct Relay {
    /// KALI's, and the far one.
    ends: [Tap; 2],
    /// What is on its way to each.
    lanes: [Lane; 2],
    weather: Weather,
    chance: Rng,
    start: Instant,
}

/// One direction.
#[derive(Default)]
struct Lane {
    frames: OnTheWay,
    order: u64,
    /// When the bottleneck has let through what waits before it.
    free_at: Duration,
    /// How many of the next frames are lost.
    losing: u32,
}

impl Relay {
    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let now = self.start.elapsed();
            let mut moved = false;
            for from in [0, 1] {
                moved |= self.take_in(from, now);
                moved |= self.hand_out(from, now);
            }
            if !moved {
                self.wait(now);
            }
        }
    }

    /// Takes in what has been sent at one end; whether anything was.
    fn take_in(&mut self, from: usize, now: Duration) -> bool {
        let mut any = false;
        while let Some((frame, _)) = self.ends[from].receive(at(now)) {
            any = true;
            let frame = frame.consume(<[u8]>::to_vec);
            self.lanes[1 - from].send(frame, now, &self.weather, &mut self.chance);
        }
        any
    }

    /// Hands out what has arrived at one end, as far as it has room; whether anything was.
    fn hand_out(&mut self, to: usize, now: Duration) -> bool {
        let mut any = false;
        while self.lanes[to]
            .frames
            .next_at()
            .is_some_and(|next| next <= at(now))
        {
            let Some(room) = self.ends[to].transmit(at(now)) else {
                break;
            };
            let frame = self.lanes[to].frames.arrived(at(now)).expect("one has arrived");
            room.consume(frame.len(), |room| room.copy_from_slice(&frame));
            any = true;
        }
        any
    }

    fn wait(&self, now: Duration) {
        let next = self.lanes.iter().filter_map(|lane| lane.frames.next_at()).min();
        let wait = next.map_or(LONGEST_WAIT, |next| {
            let next = Duration::from_micros(next.total_micros().unsigned_abs());
            next.saturating_sub(now).min(LONGEST_WAIT)
        });
        let [near, far] = &self.ends;
        let mut events = [PollFd::new(near, PollFlags::IN), PollFd::new(far, PollFlags::IN)];
        let wait = Timespec::try_from(wait).expect("a short time");
        poll(&mut events, Some(&wait)).expect("poll");
    }
}

impl Lane {
    /// Sends a frame on its way, or loses it.
    fn send(&mut self, frame: Frame, now: Duration, weather: &Weather, chance: &mut Rng) {
        if self.losing == 0 && chance.u32(..100_000) < weather.loss {
            self.losing = chance.u32(1..=weather.burst.max(1));
        }
        if self.losing > 0 {
            self.losing -= 1;
            return;
        }
        let mut arrives = now;
        if let Some(rate) = weather.rate {
            let waits = self.free_at.saturating_sub(now);
            if waits > weather.queue {
                return;
            }
            let takes = Duration::from_nanos(frame.len() as u64 * 8 * 1_000_000_000 / rate);
            self.free_at = now + waits + takes;
            arrives = self.free_at;
        }
        arrives += weather.delay;
        arrives += weather.jitter.mul_f64(chance.f64());
        if chance.u32(..100_000) < weather.reordered {
            arrives += weather.held_back;
        }
        self.order += 1;
        self.frames.send(at(arrives), self.order, frame);
    }
}

fn at(time: Duration) -> At {
    At::from_micros(i64::try_from(time.as_micros()).expect("no test takes so long"))
}
