//! What the lab asks about TCP and UDP, answered by measuring R2's own wire.
//!
//! Each experiment makes socket calls at KALI's end (`Kali`) and then looks at the frames that were on the wire:
//! what it tells is read off these, not off what the calls meant to do.

mod account;
mod code;
mod delayed_ack;
mod diary;
mod html;
mod in_memory;
mod journey;
mod kali;
mod ladder;
mod machine;
mod nagle;
#[cfg(target_os = "linux")]
mod on_tap;
mod packet;
mod pdf;
mod played;
mod ports;
mod report;
mod rtt;
mod syscalls;

use std::io;
use std::path::Path;
use std::time::Duration;

use r2_links::{ethernet_address, pcap};
use serde::{Serialize, Serializer};
use serde_json::Value;
use smoltcp::wire::Ipv4Cidr;

use self::diary::NotedCall;
use self::in_memory::InMemory;
use self::kali::{Kali, Setting};
use self::packet::{Frame, Packet};

pub use self::account::Account;
pub use self::played::{Played, SentFile};
pub use self::report::write as report;

/// Where to measure.
#[derive(Clone, Debug)]
pub struct WireOptions {
    /// A TAP interface, where KALI's end is this machine's kernel; `None` for the wire in memory, with a clock of its
    /// own.
    pub tap: Option<String>,
    /// R2's IPv4 address and its network.
    pub ip: Ipv4Cidr,
    /// The round trip of the wire in memory, in milliseconds; `None` for what suits the experiment.
    pub rtt: Option<u16>,
    /// How many of a hundred packets the wire in memory loses.
    pub loss: Option<u8>,
    /// Chooses which packets are lost: the same number, the same ones.
    pub seed: u64,
}

/// What an experiment has shown.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What was found, for a script.
    pub findings: Value,
    /// What there is to tell of it.
    pub account: Account,
}

impl Measured {
    fn new<F: Serialize>(findings: &F, account: Account) -> io::Result<Self> {
        let findings = serde_json::to_value(findings)?;
        Ok(Self { findings, account })
    }
}

/// Makes an experiment on a wire, writes its frames into a capture where one is wished, and tells what they show.
pub type Measure = fn(&WireOptions, Option<&Path>) -> io::Result<Measured>;

/// Which port of the client the server sends to, who chose it and when; a connection from beginning to end.
pub fn ports(bench: &WireOptions, pcap: Option<&Path>) -> io::Result<Measured> {
    on_a_wire(bench, 50, pcap, ports::run, ports::find, ports::tell)
}

/// How a byte of a question and of a file travels: every frame on the wire, and every call inside R2.
pub fn journey(bench: &WireOptions, pcap: Option<&Path>) -> io::Result<Measured> {
    on_a_wire(bench, 50, pcap, journey::run, journey::find, journey::tell)
}

/// The urgent message: UDP, a new TCP connection, and one kept open; what a round trip and a lost packet cost.
pub fn rtt(bench: &WireOptions, pcap: Option<&Path>) -> io::Result<Measured> {
    on_a_wire(bench, 50, pcap, rtt::run, rtt::find, rtt::tell)
}

/// What Nagle's algorithm does to one, two and ten small writes.
pub fn nagle(bench: &WireOptions, pcap: Option<&Path>) -> io::Result<Measured> {
    on_a_wire(bench, 50, pcap, nagle::run, nagle::find, nagle::tell)
}

/// Where Nagle's algorithm and delayed acknowledgements wait for each other, and what helps.
///
/// On a short wire, where the timers are what one waits for.
pub fn delayed_ack(bench: &WireOptions, pcap: Option<&Path>) -> io::Result<Measured> {
    on_a_wire(
        bench,
        1,
        pcap,
        delayed_ack::run,
        delayed_ack::find,
        delayed_ack::tell,
    )
}

/// The socket calls of a server and a client on this machine, one by one.
pub fn syscalls() -> io::Result<Measured> {
    let findings = syscalls::find()?;
    Measured::new(&findings, syscalls::tell(&findings))
}

/// Opens the wire, `rtt` milliseconds long where nothing else is wished, makes an experiment on it, writes the capture,
/// finds what it shows, and tells that.
fn on_a_wire<M, F: Serialize>(
    bench: &WireOptions,
    rtt: u16,
    pcap: Option<&Path>,
    run: fn(&mut dyn Kali) -> io::Result<M>,
    find: fn(&Setting, M, &Evidence) -> F,
    tell: fn(&Setting, &F) -> Account,
) -> io::Result<Measured> {
    let mut kali = open(bench, rtt)?;
    let made = run(&mut *kali)?;
    let setting = kali.setting().clone();
    let (frames, calls) = kali.finish()?;
    if let Some(path) = pcap {
        write_pcap(&frames, path)?;
    }
    let packets = packet::read(&frames, ethernet_address(bench.ip.address()));
    let numbers = packet::about_numbers(&packets);
    let findings = find(&setting, made, &Evidence { packets, calls });
    let mut account = tell(&setting, &findings);
    account.introduce(&numbers);
    Measured::new(&findings, account)
}

/// What was seen of an experiment.
struct Evidence {
    packets: Vec<Packet>,
    calls: Vec<NotedCall>,
}

fn open(bench: &WireOptions, rtt: u16) -> io::Result<Box<dyn Kali>> {
    match &bench.tap {
        None => Ok(Box::new(InMemory::new(&in_memory::InMemoryOptions {
            ip: bench.ip,
            rtt: Duration::from_millis(bench.rtt.unwrap_or(rtt).into()),
            loss: bench.loss.unwrap_or(0),
            seed: bench.seed,
        }))),
        Some(name) => open_tap(bench, name),
    }
}

#[cfg(target_os = "linux")]
fn open_tap(bench: &WireOptions, name: &str) -> io::Result<Box<dyn Kali>> {
    if bench.rtt.is_some() || bench.loss.is_some() {
        return Err(io::Error::other(
            "a TAP has the delay that it has, and loses nothing: leave --rtt and --loss out, or use --link local",
        ));
    }
    Ok(Box::new(on_tap::OnTap::open(name, bench.ip)?))
}

#[cfg(not(target_os = "linux"))]
fn open_tap(_: &WireOptions, _: &str) -> io::Result<Box<dyn Kali>> {
    Err(io::Error::other("there are TAPs on Linux only: use --link local"))
}

fn write_pcap(frames: &[Frame], path: &Path) -> io::Result<()> {
    let frames = frames.iter().map(|frame| (frame.at, &*frame.bytes));
    pcap::write_all(path, frames).map_err(|error| {
        let path = path.display();
        io::Error::other(format!(
            "cannot write {path}: {error}; choose another with --pcap"
        ))
    })
}

/// A switch.
fn on(flag: bool) -> &'static str {
    if flag { "on" } else { "off" }
}

/// Milliseconds, as tables show them.
fn millis(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}

/// Milliseconds, as a sentence says them.
fn ms(time: Duration) -> String {
    format!("{} ms", in_millis(time))
}

/// Writes a time in milliseconds into findings.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn as_millis<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(in_millis(*time))
}

/// Milliseconds, for a script.
fn in_millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
