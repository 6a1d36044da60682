//! [`R2`]: a node, its world and its link, without anybody who types.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime};

use nix::poll::{PollFd, PollFlags};
use r2_core::chat::{Room, Seat};
use r2_node::node::Node;
use r2_node::service::{Registry, Spec};
use r2_node::{About, Config, Counters, Size, Storage, World};
use smoltcp::time::Instant;
use smoltcp::wire::IpCidr;

use super::Refusal;
use super::clock::Clock;
use crate::cli::Serve;
use crate::disk::{DiskStore, Limits};
use crate::link::{Link, ethernet_address};
use crate::memory::{Leaked, plan};
use crate::pcap::{Tee, unix_time};
use crate::services;
use crate::wake::wait_for;

/// Bytes of the last chat lines: hundreds of them, for peers that lag.
const ROOM: usize = 256 * 1024;

/// How often the node is asked again while frames come, before the console, the store and the signals have their
/// turn: a fraction of a millisecond each.
const PASSES_BETWEEN_WAITS: usize = 16;

/// How long an upload rests before its last bytes go to the disk without company.
const GATHERED_RESTS: Duration = Duration::from_millis(100);

/// How long R2 looks for the next frame before it sleeps, if frames have come since it last slept. A sleeper costs its
/// waker and itself some 25 µs each on a virtual machine whose processor was idle, so that is about what looking may
/// cost; measured, one-byte round trips are three times as many and an upload is a third faster than without. While
/// the store works it sleeps at once: looking would take the processor from those who hash and write.
const LINGER: Duration = Duration::from_micros(50);

/// Descriptors that R2 itself waits for: the link's and the store's.
const OWN: usize = 2;

/// Descriptors that its owner may wait for besides.
const OTHERS_MAX: usize = 4;

/// A node on a link.
///
/// Call [`pass`](Self::pass), then [`wait`](Self::wait) until what that returned, again and again. In between,
/// `world.room` is where a console talks.
pub struct R2<L> {
    /// What all sessions share.
    pub world: World<'static, DiskStore>,
    pub(super) node: Node<'static, DiskStore>,
    link: Tee<L>,
    clock: Clock,
    /// How many frames had come when R2 last had nothing to do.
    frames_before: u64,
    /// Frames that are not in the pcap file.
    pcap_lost: u64,
}

impl<L: Link> R2<L> {
    /// Opens everything that can be refused, the link for these services first, and takes all memory.
    pub fn start(
        options: &Serve,
        open: impl FnOnce(&[(Spec, Size)]) -> Result<L, Refusal>,
    ) -> Result<Self, Refusal> {
        let plan = plan(options.sessions.into());
        let mut memory = Leaked;
        let mut registry = Registry::new(&mut memory);
        registry.serve_r2(&plan);
        // As small as R2's own services of questions and answers.
        services::register(&mut registry, &options.with, plan.secret);
        let offers: Vec<_> = registry.offers().collect();
        let link = open(&offers)?;
        let limits = Limits {
            file: options.max_file.unwrap_or(u64::MAX),
            store: options.max_store.unwrap_or(u64::MAX),
            ..Limits::default()
        };
        let store = DiskStore::open(&options.store, limits).map_err(Refusal::at_start)?;
        let address = link.address().unwrap_or(options.ipv4().address());
        let mut link = Tee::new(link, options.pcap.as_deref()).map_err(|error| {
            let path = options
                .pcap
                .as_deref()
                .unwrap_or("the pcap file".as_ref())
                .display();
            Refusal::at_start(format!(
                "cannot write {path}: {error}; choose another with --pcap"
            ))
        })?;
        let mut counters = Counters::default();
        let clock = Clock::start();
        let config = config(options, SystemTime::now())?;
        let node = Node::serving(registry, &config, &plan, &mut link, &mut counters, Instant::ZERO);
        let seats = Leaked.slice(plan.chat.connections, |_| Seat::default());
        let room = Room::new(Leaked.bytes(ROOM), seats, &options.name, &options.peer_name)
            .map_err(|_| Refusal::at_start("--name and --peer-name must be different names"))?;
        let about = About {
            version: env!("CARGO_PKG_VERSION"),
            board: "host",
            address: address.into(),
            stack_high_water: None,
        };
        let world = World {
            room,
            store,
            counters,
            about,
        };
        Ok(Self {
            world,
            node,
            link,
            clock,
            frames_before: 0,
            pcap_lost: 0,
        })
    }

    /// What it serves.
    pub fn services(&self) -> impl Iterator<Item = Spec> {
        self.node.services().copied()
    }

    /// The link.
    pub fn link(&self) -> &L {
        self.link.device()
    }

    /// The time since the start, which is the node's. What R2 stood still for does not count.
    pub fn now(&mut self) -> Instant {
        let (now, stood) = self.clock.now();
        if stood > Duration::ZERO {
            log::info!(
                "stood still for {:.1} s: that time counts for nobody",
                stood.as_secs_f64()
            );
            self.node.stood_still(stood.into());
        }
        Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
    }

    /// Lets node and link work as long as frames come, within a bound, and returns when to do so next. An
    /// acknowledgement makes the kernel send more in our own time, so looking again is cheaper than asking whether to
    /// look.
    pub fn pass(&mut self, now: Instant) -> Option<Instant> {
        let mut next = None;
        for _ in 0..PASSES_BETWEEN_WAITS {
            let before = self.world.counters.frames_in;
            let node_at = self.node.poll(now, &mut self.link, &mut self.world);
            let link = self.link.device_mut();
            let link_at = link.work(now);
            link.count_drops(&mut self.world.counters);
            self.count_pcap_lost();
            next = [node_at, link_at].into_iter().flatten().min();
            if self.world.counters.frames_in == before && link_at.is_none_or(|at| at > now) {
                break;
            }
        }
        next
    }

    /// Ends every connection in order. Go on until [`is_stopped`](Self::is_stopped).
    pub fn stop(&mut self, now: Instant) {
        self.node.stop(now, &mut self.world);
    }

    /// Whether every connection has ended since [`stop`](Self::stop), or had its time to.
    pub fn is_stopped(&self, now: Instant) -> bool {
        self.node.is_stopped(now)
    }

    /// What made the link unusable, once.
    pub fn take_link_error(&mut self) -> Option<io::Error> {
        self.link.device_mut().take_error()
    }

    /// Sleeps until a frame or a worker's news comes, one of `others` is readable, or it is `next`. Whether each of
    /// `others` is.
    pub fn wait<const N: usize>(
        &mut self,
        now: Instant,
        next: Option<Instant>,
        others: [BorrowedFd<'_>; N],
    ) -> [bool; N] {
        const { assert!(N <= OTHERS_MAX) };
        let gathered = self.world.store.has_gathered();
        let timeout = [next.map(|at| until(now, at)), gathered.then_some(GATHERED_RESTS)]
            .into_iter()
            .flatten()
            .min();
        self.clock.sleeps(timeout);
        let sleeps = timeout != Some(Duration::ZERO);
        if sleeps {
            tell_pcap_end(self.link.pass_on());
        }
        let (link, news) = (self.link.device(), self.world.store.as_fd());
        let mut fds: [_; OWN + OTHERS_MAX] = std::array::from_fn(|index| match index {
            0 => PollFd::new(link.as_fd(), link.wanted()),
            1 => PollFd::new(news, PollFlags::POLLIN),
            // Behind the others: not waited for.
            _ => PollFd::new(
                others.get(index - OWN).copied().unwrap_or(news),
                PollFlags::POLLIN,
            ),
        });
        let fds = &mut fds[..OWN + N];
        let mut wait = |timeout| wait_for(fds, timeout);
        let mut ready = Ok(0);
        if sleeps && self.world.counters.frames_in != self.frames_before && !self.world.store.is_working() {
            self.frames_before = self.world.counters.frames_in;
            let end = std::time::Instant::now() + timeout.map_or(LINGER, |timeout| timeout.min(LINGER));
            while ready == Ok(0) && std::time::Instant::now() < end {
                ready = wait(Some(Duration::ZERO));
            }
        }
        if ready == Ok(0) {
            ready = wait(timeout);
        }
        // Interrupted or not: the loop looks at everything again.
        let quiet = ready == Ok(0) && sleeps;
        let readable = std::array::from_fn(|index| fds[OWN + index].any() == Some(true));
        if quiet && gathered {
            self.world.store.flush();
        }
        self.world.store.poll_completions();
        readable
    }

    /// Ends the pcap file with the last frame, and says whether it has them all.
    pub fn finish_pcap(&mut self) {
        self.count_pcap_lost();
        tell_pcap_end(self.link.finish());
        if self.pcap_lost > 0 {
            log::warn!(
                "{} frames are not in the pcap file: it did not take them as fast as they came",
                self.pcap_lost
            );
        }
    }

    fn count_pcap_lost(&mut self) {
        let lost = self.link.take_lost();
        self.pcap_lost += lost;
        let counted = &mut self.world.counters.capture_lost;
        *counted = counted.saturating_add(lost);
    }
}

/// Says why a pcap file ends before R2 does.
fn tell_pcap_end(written: io::Result<()>) {
    if let Err(error) = written {
        log::error!("the pcap file ends here: {error}");
    }
}

/// The time from `now` to `at`; none where that is over.
fn until(now: Instant, at: Instant) -> Duration {
    if at > now {
        (at - now).into()
    } else {
        Duration::ZERO
    }
}

/// The node's addresses and secrets.
fn config(options: &Serve, started_at: SystemTime) -> Result<Config<'static>, Refusal> {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret)
        .map_err(|error| Refusal::at_start(format!("the system gives no random numbers: {error}")))?;
    let gateway = match options.gateway {
        None => None,
        Some(IpAddr::V4(gateway)) => Some(gateway),
        Some(IpAddr::V6(_)) => return Err(Refusal::at_start("--gateway takes an IPv4 address")),
    };
    let allow: &'static [IpCidr] = options.allow.clone().leak();
    Ok(Config {
        mac: ethernet_address(options.ipv4().address()),
        ipv4: options.ipv4(),
        ipv6: options.ip6,
        gateway,
        allow,
        secret,
        started_at: unix_time(started_at),
    })
}
