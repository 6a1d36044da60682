//! What the lab asks about TCP and UDP, answered by measuring R2's own wire.
//!
//! Each experiment makes socket calls at KALI's end (`Kali`) and then looks at the frames that were on the wire:
//! what it tells is read off these, not off what the calls meant to do.

mod account;
mod delayed_ack;
mod diary;
mod html;
mod journey;
mod kali;
mod ladder;
mod nagle;
mod packet;
mod pdf;
mod ports;
mod r2;
mod report;
mod rtt;
mod syscalls;
#[cfg(target_os = "linux")]
mod tap;
mod wire;

use std::io;
use std::path::Path;
use std::time::Duration;

use self::diary::Call;
use self::kali::{Kali, Setting};
use self::packet::{Frame, Packet};
use self::wire::InMemory;
use r2_links::{ethernet_address, pcap};
use smoltcp::wire::Ipv4Cidr;

pub use self::account::Account;
pub use self::report::write as report;
pub use self::syscalls::run as syscalls;

/// Where to measure.
#[derive(Clone, Debug)]
pub struct Bench {
    /// A TAP interface, where KALI's end is this machine's kernel; `None` for the wire in memory, with a clock of its own.
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

/// An experiment on a wire: makes it, writes its frames into a capture, where one is wished, and tells what they show.
pub type Experiment = fn(&Bench, Option<&Path>) -> io::Result<Account>;

/// Which port of the client the server sends to, who chose it and when; a connection from beginning to end.
pub fn ports(wire: &Bench, pcap: Option<&Path>) -> io::Result<Account> {
    on_a_wire(wire, 50, pcap, ports::run, ports::tell)
}

/// How a byte of a question and of a file travels: every frame on the wire, and every call inside R2.
pub fn journey(wire: &Bench, pcap: Option<&Path>) -> io::Result<Account> {
    on_a_wire(wire, 50, pcap, journey::run, journey::tell)
}

/// The urgent message: UDP, a new TCP connection, and one kept open; what a round trip and a lost packet cost.
pub fn rtt(wire: &Bench, pcap: Option<&Path>) -> io::Result<Account> {
    on_a_wire(wire, 50, pcap, rtt::run, rtt::tell)
}

/// What Nagle's algorithm does to one, two and ten small writes.
pub fn nagle(wire: &Bench, pcap: Option<&Path>) -> io::Result<Account> {
    on_a_wire(wire, 50, pcap, nagle::run, nagle::tell)
}

/// Where Nagle's algorithm and delayed acknowledgements wait for each other, and what helps.
///
/// On a short wire, where the timers are what one waits for.
pub fn delayed_ack(wire: &Bench, pcap: Option<&Path>) -> io::Result<Account> {
    on_a_wire(wire, 1, pcap, delayed_ack::run, delayed_ack::tell)
}

/// Opens the wire, `rtt` milliseconds long where nothing else is wished, makes an experiment on it, writes the capture,
/// and tells what it shows.
fn on_a_wire<T>(
    wire: &Bench,
    rtt: u16,
    pcap: Option<&Path>,
    run: fn(&mut dyn Kali) -> io::Result<T>,
    tell: fn(&Setting, &T, &Evidence) -> Account,
) -> io::Result<Account> {
    let mut kali = open(wire, rtt)?;
    let made = run(&mut *kali)?;
    let setting = kali.setting().clone();
    let (frames, calls) = kali.finish()?;
    if let Some(path) = pcap {
        write_pcap(&frames, path)?;
    }
    let packets = packet::read(&frames, ethernet_address(wire.ip.address()));
    Ok(tell(&setting, &made, &Evidence { packets, calls }))
}

/// What was seen of an experiment.
struct Evidence {
    packets: Vec<Packet>,
    calls: Vec<Call>,
}

fn open(wire: &Bench, rtt: u16) -> io::Result<Box<dyn Kali>> {
    match &wire.tap {
        None => Ok(Box::new(InMemory::new(&wire::Options {
            ip: wire.ip,
            rtt: Duration::from_millis(wire.rtt.unwrap_or(rtt).into()),
            loss: wire.loss.unwrap_or(0),
            seed: wire.seed,
        }))),
        Some(name) => open_tap(wire, name),
    }
}

#[cfg(target_os = "linux")]
fn open_tap(wire: &Bench, name: &str) -> io::Result<Box<dyn Kali>> {
    if wire.rtt.is_some() || wire.loss.is_some() {
        return Err(io::Error::other(
            "a TAP has the delay that it has, and loses nothing: leave --rtt and --loss out, or use --link local",
        ));
    }
    Ok(Box::new(tap::OnTap::open(name, wire.ip)?))
}

#[cfg(not(target_os = "linux"))]
fn open_tap(_: &Bench, _: &str) -> io::Result<Box<dyn Kali>> {
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

/// Milliseconds, as tables show them.
fn millis(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}

/// Milliseconds, as a sentence says them.
fn ms(time: Duration) -> String {
    format!("{} ms", in_millis(time))
}

/// Milliseconds, for a script.
fn in_millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
