//! [`Server`]: a node behind a link in real time, and the loop that drives it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{self, Duration};

use nix::poll::{PollFd, PollFlags};
use r2_node::Counters;
use smoltcp::phy::Device;
use smoltcp::time::Instant;

use crate::Link;
use crate::clock::Clock;
use crate::pcap::Tee;
use crate::wait::wait_for;

/// How often the node is asked again while frames come, before the operator and the workers have their turn: a fraction
/// of a millisecond each.
const PASSES_BETWEEN_WAITS: usize = 16;

/// How long an upload rests before its last bytes go to the disk without company.
const GATHERED_RESTS: Duration = Duration::from_millis(100);

/// How long the loop looks for the next frame before it sleeps, if frames have come since it last slept. A sleeper costs
/// its waker and itself some 25 µs each on a virtual machine whose processor was idle, so that is about what looking may
/// cost; measured, one-byte round trips are three times as many and an upload is a third faster than without. While
/// workers work it sleeps at once: looking would take the processor from those who hash and write.
const LINGER: Duration = Duration::from_micros(50);

/// Descriptors that an operator may wait for: what is typed, and the signals.
pub const OPERATOR: usize = 2;

/// What is served: a node, and what its sessions share.
pub trait Served {
    /// Gives the node a turn, and returns when it wants the next.
    fn poll(&mut self, now: Instant, device: &mut impl Device) -> Option<Instant>;

    /// The counters of the node.
    fn counters(&mut self) -> &mut Counters;

    /// Ends every connection in order, until [`is_stopped`](Self::is_stopped).
    fn stop(&mut self, now: Instant);

    /// Whether every connection has ended since [`stop`](Self::stop), or had its time to.
    fn is_stopped(&self, now: Instant) -> bool;

    /// Takes so much off the time in which peers were silent: the process could not hear them.
    fn stood_still(&mut self, time: Duration);

    /// The state of the threads that work for the sessions. Without any: idle.
    fn workers(&self) -> Workers<'_> {
        Workers::default()
    }

    /// Takes in what the workers have done: after every wait. In one that was `quiet` nothing has come until its time was
    /// over, so that what they have gathered may go to the disk.
    fn take_work(&mut self, quiet: bool) {
        let _ = quiet;
    }
}

/// The state of the threads that work for the sessions.
#[derive(Default)]
pub struct Workers<'a> {
    /// Readable when they have done something.
    pub news: Option<BorrowedFd<'a>>,
    /// They have something to do.
    pub working: bool,
    /// Bytes wait for more, to go to the disk together.
    pub gathered: bool,
}

/// Who has a say between two turns of the node: a console, a script, a test.
pub trait Operator<S> {
    /// What to wait for beside frames, for reading.
    fn descriptors(&self) -> [Option<BorrowedFd<'_>>; OPERATOR];

    /// Learns which of the [`descriptors`](Self::descriptors) are readable, or at their end: after every wait.
    fn woken(&mut self, readable: [bool; OPERATOR]);

    /// Says and hears what there is, before and after every turn of the node, and returns when it wants the next: `now`
    /// where the node has not heard what was said.
    fn turn(&mut self, now: Instant, served: &mut S) -> Option<Instant>;

    /// Whether the server is to end.
    fn ends(&self, served: &S) -> bool;
}

/// A node behind a link. [`start`](Self::start) it, then [`run`](Self::run) it once.
pub struct Server<S, L> {
    /// What is served.
    pub served: S,
    link: Tee<L>,
    clock: Clock,
    /// How many frames had come when there was last nothing to do.
    frames_before: u64,
    /// Frames that are not in the pcap file.
    pcap_lost: u64,
    /// The pcap file has ended with an error, which was told.
    pcap_ended: bool,
}

impl<S: Served, L: Link> Server<S, L> {
    /// Starts the node's clock, and then the node, on `link`.
    pub fn start<E>(mut link: Tee<L>, serve: impl FnOnce(&mut Tee<L>) -> Result<S, E>) -> Result<Self, E> {
        let clock = Clock::start();
        Ok(Self {
            served: serve(&mut link)?,
            link,
            clock,
            frames_before: 0,
            pcap_lost: 0,
            pcap_ended: false,
        })
    }

    /// The link.
    pub fn link(&self) -> &L {
        self.link.device()
    }

    /// Serves until the operator ends it, and then until every connection has ended, or had its time to. The error is the
    /// link's: it is gone.
    pub fn run(&mut self, operator: &mut impl Operator<S>) -> io::Result<()> {
        let mut stopping = false;
        loop {
            let now = self.now();
            // The operator is there before the first peer can be: frames have been waiting since the link was opened.
            operator.turn(now, &mut self.served);
            let node_at = self.pass(now);
            let operator_at = operator.turn(now, &mut self.served);
            let mut next = [node_at, operator_at].into_iter().flatten().min();
            if let Some(error) = self.link.device_mut().take_error() {
                self.finish_pcap();
                return Err(error);
            }
            // After the frames that came before the signal: the last acknowledgement of an upload may be among them.
            if !stopping && operator.ends(&self.served) {
                stopping = true;
                self.served.stop(now);
                next = Some(now);
            }
            if stopping && self.served.is_stopped(now) {
                break;
            }
            let readable = self.wait(now, next, operator.descriptors());
            operator.woken(readable);
        }
        operator.turn(self.now(), &mut self.served);
        self.finish_pcap();
        Ok(())
    }

    /// The time since the start, which is the node's. What the process stood still for does not count.
    fn now(&mut self) -> Instant {
        let (now, stood) = self.clock.now();
        if stood > Duration::ZERO {
            log::info!(
                "stood still for {:.1} s: that time counts for nobody",
                stood.as_secs_f64()
            );
            self.served.stood_still(stood);
        }
        Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
    }

    /// Lets node and link work as long as frames come, within a bound, and returns when to do so next. An
    /// acknowledgement makes the kernel send more in our own time, so looking again is cheaper than asking whether to
    /// look.
    fn pass(&mut self, now: Instant) -> Option<Instant> {
        let mut next = None;
        for _ in 0..PASSES_BETWEEN_WAITS {
            let before = self.served.counters().frames_in;
            let node_at = self.served.poll(now, &mut self.link);
            let link = self.link.device_mut();
            let link_at = link.work(now);
            link.count_drops(self.served.counters());
            self.count_pcap_lost();
            next = [node_at, link_at].into_iter().flatten().min();
            if self.served.counters().frames_in == before && link_at.is_none_or(|at| at > now) {
                break;
            }
        }
        next
    }

    /// Sleeps until a frame or a worker's news comes, one of `others` is readable, or it is `next`. Whether each of
    /// `others` is.
    fn wait(
        &mut self,
        now: Instant,
        next: Option<Instant>,
        others: [Option<BorrowedFd<'_>>; OPERATOR],
    ) -> [bool; OPERATOR] {
        let frames = self.served.counters().frames_in;
        let gathered = self.served.workers().gathered;
        let timeout = [next.map(|at| until(now, at)), gathered.then_some(GATHERED_RESTS)]
            .into_iter()
            .flatten()
            .min();
        self.clock.sleeps(timeout);
        let sleeps = timeout != Some(Duration::ZERO);
        if sleeps && let Err(error) = self.link.pass_on() {
            self.pcap_ended = true;
            log::error!(
                "the pcap file ends here: {error}; the frames that follow are counted as capture_lost"
            );
        }
        let (link, workers) = (self.link.device(), self.served.workers());
        let awaited = |fd: Option<_>| {
            // An absent one is the link's once more, of which nothing is wanted.
            let absent = (link.as_fd(), PollFlags::empty());
            let (fd, wanted) = fd.map_or(absent, |fd| (fd, PollFlags::POLLIN));
            PollFd::new(fd, wanted)
        };
        let mut fds = [
            PollFd::new(link.as_fd(), link.wanted()),
            awaited(workers.news),
            awaited(others[0]),
            awaited(others[1]),
        ];
        let lingers = sleeps && !workers.working && frames != self.frames_before;
        let ready = sleep(&mut fds, timeout, lingers);
        let [_, _, readable @ ..] = fds.map(|fd| fd.any() == Some(true));
        if lingers {
            self.frames_before = frames;
        }
        // Interrupted or not: the loop looks at everything again.
        self.served.take_work(ready == Ok(0) && sleeps);
        readable
    }

    /// Ends the pcap file with the last frame, and says whether it has them all, unless its end was told already.
    fn finish_pcap(&mut self) {
        self.count_pcap_lost();
        if self.pcap_ended {
            return;
        }
        if let Err(error) = self.link.finish() {
            log::error!("the pcap file ends here: {error}");
        }
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
        let counted = &mut self.served.counters().capture_lost;
        *counted = counted.saturating_add(lost);
    }
}

/// Waits for one of `fds`, for at most `timeout`; where it lingers, it looks for a while before it sleeps. How many are
/// ready.
fn sleep(fds: &mut [PollFd<'_>], timeout: Option<Duration>, lingers: bool) -> nix::Result<i32> {
    if lingers {
        let end = time::Instant::now() + timeout.map_or(LINGER, |timeout| timeout.min(LINGER));
        while time::Instant::now() < end {
            let ready = wait_for(fds, Some(Duration::ZERO));
            if ready != Ok(0) {
                return ready;
            }
        }
    }
    wait_for(fds, timeout)
}

/// The time from `now` to `at`; none where that is over.
fn until(now: Instant, at: Instant) -> Duration {
    if at > now {
        (at - now).into()
    } else {
        Duration::ZERO
    }
}

/// An operator that says nothing, and ends the server when the other end of this descriptor is closed.
pub struct UntilClosed<F> {
    end: F,
    closed: bool,
}

impl<F: AsFd> UntilClosed<F> {
    /// Waits for the other end of `end`, through which nothing is ever sent.
    pub fn new(end: F) -> Self {
        Self { end, closed: false }
    }
}

impl<F: AsFd, S> Operator<S> for UntilClosed<F> {
    fn descriptors(&self) -> [Option<BorrowedFd<'_>>; OPERATOR] {
        [Some(self.end.as_fd()), None]
    }

    fn woken(&mut self, [closed, _]: [bool; OPERATOR]) {
        self.closed |= closed;
    }

    fn turn(&mut self, _: Instant, _: &mut S) -> Option<Instant> {
        None
    }

    fn ends(&self, _: &S) -> bool {
        self.closed
    }
}
