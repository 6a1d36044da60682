//! Serving: a node on a link, R2's console, and the signals that end it.

mod call;
mod clock;
mod r2;

use std::fmt;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::process::ExitCode;

use r2_core::chat::Peer;
use r2_core::io::Pump;
use r2_node::Size;
use r2_node::service::Spec;
use smoltcp::time::Instant;
use smoltcp::wire::Ipv4Cidr;

use self::call::Calling;
pub use self::r2::R2;
use crate::cli::{self, Serve};
use crate::console::{Console, Screen};
use crate::link::Link;
use crate::link::local::{self, Local, Ports};
#[cfg(target_os = "linux")]
use crate::link::tap::Tap;
use crate::memory;
#[cfg(target_os = "linux")]
use crate::privileges;
use crate::ready::Ready;
use crate::signals::{self, Signals};
use crate::stdio::{is_standard_output, say};

/// Bytes of the console that one write carries.
const CONSOLE_WRITE: usize = 4096;

/// The exit status of a server that could not start.
const CANNOT_SERVE: u8 = 2;

/// Serves until it is told to end, and says only errors where `quiet`.
pub fn run(options: &Serve, quiet: bool) -> ExitCode {
    match run_on_link(options, quiet) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            say(format_args!("hostapp: {refusal}"));
            ExitCode::from(refusal.status)
        }
    }
}

/// Opens the link that the user asked for, and serves on it.
fn run_on_link(options: &Serve, quiet: bool) -> Result<(), Refusal> {
    signals::go_on_in_background()
        .map_err(|error| Refusal::at_start(format!("cannot block signals: {error}")))?;
    #[cfg(target_os = "linux")]
    let tap = open_tap(&options.link)?;
    #[cfg(target_os = "linux")]
    privileges::give_up()
        .map_err(|error| Refusal::at_start(format!("cannot give up root's privileges: {error}")))?;
    #[cfg(target_os = "linux")]
    if let Some(tap) = tap {
        return Server::start(options, quiet, |_| Ok(tap))?.serve();
    }
    #[cfg(not(target_os = "linux"))]
    if let cli::Link::Tap(_) = options.link {
        return Err(Refusal::at_start(
            "there are TAPs on Linux only: use --link local",
        ));
    }
    Server::start(&on_the_wire(options)?, quiet, |offers| {
        open_local(options, Ports::Fixed, offers)
    })?
    .serve()
}

/// The TAP that the user asked for, or that is there to be had; `None` where R2 is to serve without one.
#[cfg(target_os = "linux")]
fn open_tap(link: &cli::Link) -> Result<Option<Tap>, Refusal> {
    let opened = match link {
        cli::Link::Tap(name) => return Tap::open(name).map(Some).map_err(Refusal::at_start),
        cli::Link::Local => return Ok(None),
        cli::Link::Auto => Tap::open("tap0"),
    };
    match opened {
        Ok(tap) => Ok(Some(tap)),
        Err(error) if error.is_held() => Err(Refusal::at_start(error)),
        Err(error) => {
            log::info!("no TAP ({error}): serving on 127.0.0.1");
            Ok(None)
        }
    }
}

/// Offers R2's ports on this host.
pub(crate) fn open_local(options: &Serve, ports: Ports, offers: &[(Spec, Size)]) -> Result<Local, Refusal> {
    let local = local::Options {
        ip: options.ipv4().address(),
        ports,
        allow: &options.allow,
    };
    let (local, refused) = Local::open(&local, offers).map_err(Refusal::at_start)?;
    for port in refused {
        log::warn!("{port}");
    }
    Ok(local)
}

/// The options of a node whose wire leads to the gateway: whoever it calls is there, and there is IPv4 only.
pub(crate) fn on_the_wire(options: &Serve) -> Result<Serve, Refusal> {
    if options.ip6.is_some() || options.call.is_some_and(|remote| remote.is_ipv6()) {
        return Err(Refusal::at_start(
            "there is no IPv6 on the local link: leave --ip6 out, call an IPv4 address, or use --link tap:NAME",
        ));
    }
    for (option, given) in [
        ("--ip", options.ip.is_some()),
        ("--gateway", options.gateway.is_some()),
    ] {
        if given {
            return Err(Refusal::at_start(format!(
                "on the local link R2 has this machine's addresses: leave {option} out, or use --link tap:NAME"
            )));
        }
    }
    Ok(Serve {
        ip: Some(Ipv4Cidr::new(options.ipv4().address(), 0)),
        gateway: None,
        ..options.clone()
    })
}

/// Why the server did not start, or had to end: one line that says what to do.
pub struct Refusal {
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

/// R2 with its console.
struct Server<L> {
    r2: R2<L>,
    console: Pump<Console, Peer, CONSOLE_WRITE>,
    signals: Signals,
    call: Option<Calling>,
    /// A signal has come.
    signalled: bool,
    stopping: bool,
}

impl<L: Link> Server<L> {
    /// Opens everything that can be refused, and takes all memory.
    fn start(
        options: &Serve,
        quiet: bool,
        open: impl FnOnce(&[(Spec, Size)]) -> Result<L, Refusal>,
    ) -> Result<Self, Refusal> {
        let no_signals = |error| Refusal::at_start(format!("cannot listen for signals: {error}"));
        let signals = Signals::listen().map_err(no_signals)?;
        let r2 = R2::start(options, open)?;
        let no_console = |error| Refusal::at_start(format!("cannot use standard input and output: {error}"));
        let screen = match &options.pcap {
            Some(path) if is_standard_output(path) => Screen::Error,
            _ => Screen::Output,
        };
        let console = Pump::new(Console::open(screen).map_err(no_console)?, Peer::host());
        let address = r2.link().address().unwrap_or(options.ipv4().address()).into();
        let address6 = options.ip6.map(|cidr| IpAddr::from(cidr.address()));
        let ready = Ready::new(address, address6, r2.link(), r2.services());
        if !quiet {
            say(ready);
        }
        Ok(Self {
            r2,
            console,
            signals,
            call: options.call.map(Calling::begin),
            signalled: false,
            stopping: false,
        })
    }

    /// Drives the node until a signal comes, the operator quits, or the link is gone.
    fn serve(&mut self) -> Result<(), Refusal> {
        memory::take_stack();
        // R2 is in the room before its first peer can be: frames have been waiting since the link was opened.
        let now = self.r2.now();
        self.step_console(now);
        loop {
            let now = self.r2.now();
            let mut next = self.r2.pass(now);
            let heard = self.r2.world.room.revision();
            self.step_console(now);
            if self.r2.world.room.revision() != heard {
                // The node has not heard what was typed meanwhile.
                next = Some(now);
            }
            next = [next, self.go_on_calling(now)].into_iter().flatten().min();
            if let Some(error) = self.r2.take_link_error() {
                let name = self.r2.link().name();
                return Err(Refusal::while_serving(format!(
                    "{name} is gone: {error}; make it again and start again"
                )));
            }
            // After the frames that came before the signal: the last acknowledgement of an upload may be among them.
            if (self.signalled || self.r2.world.room.host_quit()) && !self.stopping {
                self.stopping = true;
                self.r2.stop(now);
                next = Some(now);
            }
            if self.r2.is_stopped(now) {
                break;
            }
            self.wait(now, next);
            let now = self.r2.now();
            self.step_console(now);
        }
        let now = self.r2.now();
        self.step_console(now);
        self.r2.finish_pcap();
        Ok(())
    }

    /// Moves lines between the console and the chat room.
    fn step_console(&mut self, now: Instant) {
        let now = r2_core::time::Instant::from_millis(now.total_millis().unsigned_abs());
        self.console.connection().clear();
        // The console has no errors of its own: where its output has gone, what is written is lost.
        let Ok(_) = self.console.step(now, &mut self.r2.world.room);
    }

    /// Calls whoever is to be called, until somebody answers; when to do so next.
    fn go_on_calling(&mut self, now: Instant) -> Option<Instant> {
        let call = self.call.as_mut()?;
        call.go_on(&mut self.r2.node, now, !self.stopping)
    }

    /// Sleeps until a frame, a typed line, a signal or a worker's news comes, or it is `next`.
    fn wait(&mut self, now: Instant, next: Option<Instant>) {
        let others = [self.console.connection().as_fd(), self.signals.as_fd()];
        let [_, signalled] = self.r2.wait(now, next, others);
        if signalled {
            self.signalled |= self.signals.take();
        }
    }
}
