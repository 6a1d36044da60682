//! Serving: the memory of a node, and the loop that drives it.

use std::fmt;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::process::ExitCode;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use r2_core::chat::{Peer, Room, Seat};
use r2_core::io::Pump;
use r2_node::node::{CallOutcome, Node};
use r2_node::{About, Config, Counters, Storage, World};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpCidr, IpEndpoint};

use crate::cli::{Link, Serve};
use crate::console::Console;
use crate::disk::{DiskStore, Limits};
use crate::link::tap::{Tap, ethernet_address};
use crate::memory::{Leaked, plan};
use crate::pcap::Tee;
use crate::ready::Ready;
use crate::signals::Signals;

/// Bytes of the last chat lines: hundreds of them, for peers that lag.
const ROOM: usize = 256 * 1024;

/// Bytes of the console that one write carries.
const CONSOLE_WRITE: usize = 4096;

/// How often the node is asked again while frames come, before the console, the store and the signals have their
/// turn: a fraction of a millisecond each.
const PASSES_BETWEEN_WAITS: usize = 16;

/// How long an upload rests before its last bytes go to the disk without company.
const GATHERED_RESTS: u16 = 100;

/// How long a call waits before it is tried again.
const CALL_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// The exit status of a server that could not start.
const CANNOT_SERVE: u8 = 2;

/// Serves until it is told to end.
pub fn run(options: &Serve) -> ExitCode {
    let served = Server::start(options).and_then(|mut server| server.serve());
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            eprintln!("hostapp: {refusal}");
            ExitCode::from(refusal.status)
        }
    }
}

/// Why the server did not start, or had to end: one line that says what to do.
struct Refusal {
    text: String,
    status: u8,
}

impl Refusal {
    fn at_start(text: impl fmt::Display) -> Self {
        Self {
            text: text.to_string(),
            status: CANNOT_SERVE,
        }
    }

    fn while_serving(text: impl fmt::Display) -> Self {
        Self {
            text: text.to_string(),
            status: 1,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Everything that serves.
struct Server {
    node: Node<'static, DiskStore>,
    world: World<'static, DiskStore>,
    link: Tee<Tap>,
    console: Pump<Console, Peer, CONSOLE_WRITE>,
    signals: Signals,
    clock: std::time::Instant,
    call: Option<Calling>,
    /// A signal has come.
    signalled: bool,
    stopping: bool,
}

/// A call that is made until it is answered.
struct Calling {
    remote: IpEndpoint,
    again_at: Option<Instant>,
    /// It was said once that nobody answers.
    told: bool,
}

impl Server {
    /// Opens everything that can be refused, and takes all memory.
    fn start(options: &Serve) -> Result<Self, Refusal> {
        let name = match &options.link {
            Link::Auto => "tap0",
            Link::Tap(name) => name,
            Link::Local => {
                return Err(Refusal::at_start(
                    "--link local is not built yet: use --link tap:NAME",
                ));
            }
        };
        let tap = Tap::open(name).map_err(Refusal::at_start)?;
        let limits = Limits {
            file: options.max_file.unwrap_or(u64::MAX),
            store: options.max_store.unwrap_or(u64::MAX),
            ..Limits::default()
        };
        let store = DiskStore::open(&options.store, limits).map_err(Refusal::at_start)?;
        let mut link = Tee::new(tap, options.pcap.as_deref()).map_err(|error| {
            let path = options
                .pcap
                .as_deref()
                .unwrap_or("the pcap file".as_ref())
                .display();
            Refusal::at_start(format!(
                "cannot write {path}: {error}; choose another with --pcap"
            ))
        })?;
        let no_signals = |error| Refusal::at_start(format!("cannot listen for signals: {error}"));
        let signals = Signals::listen().map_err(no_signals)?;

        let mut counters = Counters::default();
        let config = config(options)?;
        let plan = plan(options.sessions.into());
        let clock = std::time::Instant::now();
        let node = Node::new(
            &config,
            &plan,
            &mut link,
            &mut Leaked,
            &mut counters,
            Instant::ZERO,
        );
        let seats = Leaked.slice(plan.chat.connections, |_| Seat::default());
        let room = Room::new(Leaked.bytes(ROOM), seats, &options.name, &options.peer_name)
            .map_err(|_| Refusal::at_start("--name and --peer-name must be different names"))?;
        let about = About {
            version: env!("CARGO_PKG_VERSION"),
            board: "host",
            address: options.ip.address().into(),
            stack_high_water: None,
        };
        let no_console = |error| Refusal::at_start(format!("cannot use standard input and output: {error}"));
        let console = Pump::new(Console::open().map_err(no_console)?, Peer::host());

        let address = IpAddr::from(options.ip.address());
        let address6 = options.ip6.map(|cidr| IpAddr::from(cidr.address()));
        eprint!(
            "{}",
            Ready {
                address,
                address6,
                link: name
            }
        );
        let call = options.call.map(|remote| {
            let remote = IpEndpoint::new(IpAddress::from(remote.ip()), remote.port());
            Calling {
                remote,
                again_at: Some(Instant::ZERO),
                told: false,
            }
        });
        let world = World {
            room,
            store,
            counters,
            about,
        };
        Ok(Self {
            node,
            world,
            link,
            console,
            signals,
            clock,
            call,
            signalled: false,
            stopping: false,
        })
    }

    /// Drives the node until a signal comes, the operator quits, or the link is gone.
    fn serve(&mut self) -> Result<(), Refusal> {
        // R2 is in the room before its first peer can be: frames have been waiting since the link was opened.
        self.step_console(self.now());
        loop {
            let now = self.now();
            let mut next = self.pass(now);
            let heard = self.world.room.revision();
            self.step_console(now);
            if self.world.room.revision() != heard {
                // The node has not heard what was typed meanwhile.
                next = Some(now);
            }
            next = [next, self.go_on_calling(now)].into_iter().flatten().min();
            if let Some(error) = self.link.device_mut().take_error() {
                let name = self.link.device().name();
                return Err(Refusal::while_serving(format!(
                    "{name} is gone: {error}; make it again and start again"
                )));
            }
            // After the frames that came before the signal: the last acknowledgement of an upload may be among them.
            if (self.signalled || self.world.room.host_quit()) && !self.stopping {
                self.stopping = true;
                self.node.stop(now, &mut self.world);
                next = Some(now);
            }
            if self.node.is_stopped(now) {
                break;
            }
            self.wait(now, next);
            self.world.store.poll_completions();
            self.step_console(self.now());
        }
        self.step_console(self.now());
        self.flush_pcap();
        Ok(())
    }

    /// Lets the node work as long as frames come. An acknowledgement makes the kernel send more in our own time, so
    /// looking again is cheaper than asking whether to look.
    fn pass(&mut self, now: Instant) -> Option<Instant> {
        let mut next = None;
        for _ in 0..PASSES_BETWEEN_WAITS {
            let before = self.world.counters.frames_in;
            next = self.node.poll(now, &mut self.link, &mut self.world);
            if self.world.counters.frames_in == before {
                break;
            }
        }
        next
    }

    fn now(&self) -> Instant {
        Instant::from_micros(i64::try_from(self.clock.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    /// Moves lines between the console and the chat room.
    fn step_console(&mut self, now: Instant) {
        let now = r2_core::time::Instant::from_millis(now.total_millis().unsigned_abs());
        self.console.connection().clear();
        // The console has no errors of its own: where its output has gone, what is written is lost.
        let Ok(_) = self.console.step(now, &mut self.world.room);
    }

    /// Calls whoever is to be called, again and again until somebody answers; when to do so next.
    fn go_on_calling(&mut self, now: Instant) -> Option<Instant> {
        let call = self.call.as_mut()?;
        let failed = match self.node.take_call_outcome() {
            Some(CallOutcome::Answered) => {
                log::info!("{} answered the call", call.remote);
                self.call = None;
                return None;
            }
            Some(CallOutcome::Refused) => Some("nobody answers"),
            Some(CallOutcome::Unreachable) => Some("that address is not on the link"),
            None => None,
        };
        if let Some(reason) = failed {
            if !call.told {
                let IpEndpoint { addr, port } = call.remote;
                log::warn!("cannot call {addr}:{port} yet: {reason}; start `nc -l -p {port}` there");
                call.told = true;
            }
            call.again_at = Some(now + CALL_AGAIN_AFTER);
        }
        if call.again_at.is_some_and(|at| at <= now) && !self.stopping {
            call.again_at = match self.node.call(call.remote, now) {
                Ok(()) => None,
                Err(error) => {
                    log::debug!("call: {error:?}");
                    Some(now + CALL_AGAIN_AFTER)
                }
            };
            return Some(now);
        }
        call.again_at
    }

    /// Sleeps until a frame, a typed line, a signal or a worker's news comes, or it is `next`.
    fn wait(&mut self, now: Instant, next: Option<Instant>) {
        let timeout = match next {
            None => PollTimeout::NONE,
            // Rounded up: a millisecond too early would be a turn for nothing.
            Some(at) if at > now => {
                PollTimeout::try_from((at - now).total_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
            }
            Some(_) => PollTimeout::ZERO,
        };
        let gathered = self.world.store.has_gathered();
        let timeout = if gathered {
            earlier(timeout, GATHERED_RESTS)
        } else {
            timeout
        };
        if timeout != PollTimeout::ZERO {
            self.flush_pcap();
        }
        let tap = self.link.device();
        let wanted = if tap.wants_write() {
            PollFlags::POLLIN | PollFlags::POLLOUT
        } else {
            PollFlags::POLLIN
        };
        let mut fds = [
            PollFd::new(tap.as_fd(), wanted),
            PollFd::new(self.world.store.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.console.connection().as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        // Interrupted or not: the loop looks at everything again.
        let quiet = poll(&mut fds, timeout) == Ok(0) && timeout != PollTimeout::ZERO;
        let [.., signals] = fds;
        if signals.any() == Some(true) {
            self.signalled |= self.signals.take();
        }
        if quiet && gathered {
            self.world.store.flush();
        }
    }

    fn flush_pcap(&mut self) {
        if let Err(error) = self.link.flush() {
            log::error!("the pcap file ends here: {error}");
        }
    }
}

/// The earlier of a timeout and so many milliseconds.
fn earlier(timeout: PollTimeout, millis: u16) -> PollTimeout {
    match timeout.as_millis() {
        Some(other) if other < u32::from(millis) => timeout,
        _ => PollTimeout::from(millis),
    }
}

/// The node's addresses and secrets.
fn config(options: &Serve) -> Result<Config<'static>, Refusal> {
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
        mac: ethernet_address(options.ip.address()),
        ipv4: options.ip,
        ipv6: options.ip6,
        gateway,
        allow,
        secret,
    })
}
