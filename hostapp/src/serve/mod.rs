//! Serving: a node on a link, R2's console, and the signals that end it.

mod call;
mod name;
mod options;
mod r2;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;

use r2_core::chat::Peer;
use r2_core::io::Pump;
use r2_links::Link;
use r2_links::local::{Local, Ports, R2_V4, R2_V6};
use r2_links::server::{OPERATOR, Operator};
use r2_links::stdio::is_standard_output;
#[cfg(target_os = "linux")]
use r2_links::tap::{Tap, TapError};
use r2_node::Size;
use r2_node::service::Spec;
use smoltcp::time::Instant;
use smoltcp::wire::IpCidr;

use self::call::Calling;
pub use self::options::{Ipv4Choice, LinkChoice, Options};
pub use self::r2::R2;
use crate::console::{Console, Screen};
#[cfg(target_os = "linux")]
use crate::privileges;
use crate::service_table::ServiceTable;
use crate::signals::{self, Signals};
use crate::stdio::say;

/// Bytes of the console that one write carries.
const CONSOLE_WRITE: usize = 4096;

/// The exit status of a server that could not start.
const CANNOT_SERVE: u8 = 2;

/// Serves until it is told to end, and says only errors where `quiet`.
pub fn run(options: &Options, quiet: bool) -> ExitCode {
    match run_on_link(options, quiet) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            say(format_args!("hostapp: {refusal}"));
            ExitCode::from(refusal.status)
        }
    }
}

/// Opens the link that the user asked for, and serves on it.
fn run_on_link(options: &Options, quiet: bool) -> Result<(), Refusal> {
    signals::go_on_in_background()
        .map_err(|error| Refusal::at_start(format!("cannot block signals: {error}")))?;
    if let (LinkChoice::Tap(name), false) = (&options.link, options.listen.is_empty()) {
        return Err(Refusal::at_start(format!(
            "--listen is for the local link, where R2 has this machine's addresses; on a TAP it has its own: leave --listen out \
             and choose that with --ip, or leave --link tap:{name} out"
        )));
    }
    #[cfg(target_os = "linux")]
    let tap = open_tap(options)?;
    #[cfg(target_os = "linux")]
    privileges::give_up()
        .map_err(|error| Refusal::at_start(format!("cannot give up root's privileges: {error}")))?;
    #[cfg(target_os = "linux")]
    if let Some(tap) = tap {
        return serve(options, quiet, |_| Ok(tap));
    }
    #[cfg(not(target_os = "linux"))]
    if let LinkChoice::Tap(_) = options.link {
        return Err(Refusal::at_start(
            "there are TAPs on Linux only: use --link local",
        ));
    }
    serve(&on_the_wire(options)?, quiet, |offers| {
        open_local(options, Ports::Fixed, offers)
    })
}

/// The TAP that the user asked for, or that is there to be had; `None` where R2 is to serve without one.
#[cfg(target_os = "linux")]
fn open_tap(options: &Options) -> Result<Option<Tap>, Refusal> {
    let opened = match &options.link {
        LinkChoice::Tap(name) => return Tap::open(name).map(Some).map_err(Refusal::at_start),
        LinkChoice::Local => return Ok(None),
        // Whoever says where to listen means this machine's addresses.
        LinkChoice::Auto if !options.listen.is_empty() => return Ok(None),
        LinkChoice::Auto => Tap::open("tap0"),
    };
    match opened {
        Ok(tap) => Ok(Some(tap)),
        Err(error @ TapError::Held(_)) => Err(Refusal::at_start(error)),
        Err(error) => {
            log::info!("serving on 127.0.0.1, without a TAP ({error})");
            Ok(None)
        }
    }
}

/// Offers R2's ports on this host.
pub(crate) fn open_local(options: &Options, ports: Ports, offers: &[(Spec, Size)]) -> Result<Local, Refusal> {
    let loopback = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let listen = if options.listen.is_empty() {
        &loopback[..]
    } else {
        &options.listen
    };
    let (local, refused) = Local::open(listen, ports, &options.allow, offers).map_err(Refusal::at_start)?;
    for port in refused {
        log::warn!("{port}");
    }
    Ok(local)
}

/// The options of a node whose wire leads to the gateway: whoever it calls is there.
pub(crate) fn on_the_wire(options: &Options) -> Result<Options, Refusal> {
    for (option, given) in [
        ("--ip", options.ip.is_some()),
        ("--ip6", options.ip6.is_some()),
        ("--gateway", options.gateway.is_some()),
    ] {
        if given {
            return Err(Refusal::at_start(format!(
                "on the local link R2 has this machine's addresses: leave {option} out, or use --link tap:NAME"
            )));
        }
    }
    Ok(Options {
        ip: Some(Ipv4Choice::Given(R2_V4)),
        ip6: Some(R2_V6),
        ..options.clone()
    })
}

/// Why the server did not start, or had to end: one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
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

/// Serves on a link, with a console, and says what it serves unless it is to be `quiet`.
fn serve<L: Link>(
    options: &Options,
    quiet: bool,
    open: impl FnOnce(&[(Spec, Size)]) -> Result<L, Refusal>,
) -> Result<(), Refusal> {
    let no_signals = |error| Refusal::at_start(format!("cannot listen for signals: {error}"));
    let signals = Signals::listen().map_err(no_signals)?;
    let mut r2 = R2::start(options, open)?;
    let no_console = |error| Refusal::at_start(format!("cannot use standard input and output: {error}"));
    let screen = match &options.pcap {
        Some(path) if is_standard_output(path) => Screen::Error,
        _ => Screen::Output,
    };
    let mut terminal = Terminal {
        console: Pump::new(Console::open(screen).map_err(no_console)?, Peer::host()),
        signals,
        call: options.call.map(Calling::begin),
        signalled: false,
        ready: Announcer {
            table: ServiceTable::new(&options.allow, r2.link(), r2.served.services()),
            hosts: r2.link().addresses().map(<[IpAddr]>::to_vec),
            told: Vec::new(),
            quiet,
        },
    };
    let own: Vec<_> = match r2.link().addresses() {
        Some(hosts) => hosts.to_vec(),
        None => r2.served.node.addresses().iter().map(address_of).collect(),
    };
    if let Some(remote) = options.call
        && call::is_own(remote, &own, r2.link(), r2.served.services())
    {
        return Err(Refusal::at_start(format!(
            "--call {remote}: that is R2 itself; call where somebody else waits, with `nc -l -p PORT`"
        )));
    }
    r2_threads::take_stack();
    r2.run(&mut terminal).map_err(|error| {
        let name = r2.link().name();
        Refusal::while_serving(format!("{name} is gone: {error}; make it again and start again"))
    })
}

/// Says where R2 is reached: when it is up and has an address, and again when that is another one.
struct Announcer {
    table: ServiceTable,
    /// This machine's addresses, where these are R2's.
    hosts: Option<Vec<IpAddr>>,
    /// The node's addresses as they were when they were told.
    told: Vec<IpCidr>,
    quiet: bool,
}

impl Announcer {
    fn tell(&mut self, r2: &mut R2) {
        if r2.node.addresses() == self.told {
            return;
        }
        self.told = r2.node.addresses().to_vec();
        let own = self
            .told
            .iter()
            .map(address_of)
            .filter(|own| !is_of_the_link(own));
        let own = self.hosts.clone().unwrap_or_else(|| own.collect());
        let first = own.first().copied();
        r2.world.about.address = first.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).into();
        if first.is_some() && !self.quiet {
            say(self.table.at(&own));
        }
    }
}

fn address_of(cidr: &IpCidr) -> IpAddr {
    cidr.address().into()
}

/// Whether that is the IPv6 address that R2 has wherever it is, and that a peer has to name an interface for.
fn is_of_the_link(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// R2's operator at a terminal, and the signals that end R2.
struct Terminal {
    console: Pump<Console, Peer, CONSOLE_WRITE>,
    signals: Signals,
    call: Option<Calling>,
    /// A signal has come.
    signalled: bool,
    ready: Announcer,
}

impl Operator<R2> for Terminal {
    fn descriptors(&self) -> [Option<BorrowedFd<'_>>; OPERATOR] {
        [
            Some(self.console.connection().as_fd()),
            Some(self.signals.as_fd()),
        ]
    }

    fn woken(&mut self, [_, signalled]: [bool; OPERATOR]) {
        if signalled {
            self.signalled |= self.signals.take();
        }
    }

    fn turn(&mut self, now: Instant, r2: &mut R2) -> Option<Instant> {
        self.ready.tell(r2);
        let heard = r2.world.room.revision();
        self.console.connection().clear();
        // The console has no errors of its own: where its output has gone, what is written is lost.
        let Ok(_) = self.console.step(core_time(now), &mut r2.world.room);
        if r2.world.room.revision() != heard {
            return Some(now);
        }
        let may_call = !self.ends(r2);
        self.call.as_mut()?.go_on(&mut r2.node, now, may_call)
    }

    fn ends(&self, r2: &R2) -> bool {
        self.signalled || r2.world.room.host_quit()
    }
}

/// The node's time as core takes it.
pub(crate) fn core_time(now: Instant) -> r2_core::time::Instant {
    r2_core::time::Instant::from_millis(now.total_millis().unsigned_abs())
}
