//! `hostapp lab`: what the lab asks about TCP and UDP, answered by measuring R2's own wire.
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

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use self::account::Account;
use self::diary::Call;
use self::kali::{Kali, Setting};
use self::packet::{Frame, Packet};
use self::wire::InMemory;
use crate::cli::{BenchWire, Experiment, Link};
use crate::link::ethernet_address;
use crate::pcap;
use crate::stdio::say;

/// The exit status of an experiment that could not be made.
const CANNOT_MEASURE: u8 = 2;

/// Measures, and prints what came of it; what it returns is the exit status of the program.
pub fn run(experiment: &Experiment) -> ExitCode {
    match measure(experiment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            say(format_args!("hostapp: lab: {error}"));
            ExitCode::from(CANNOT_MEASURE)
        }
    }
}

fn measure(experiment: &Experiment) -> io::Result<()> {
    let (account, json) = match experiment {
        Experiment::Rtt(bench) => (rtt(&bench.wire, bench.pcap.as_deref())?, bench.json),
        Experiment::Nagle(bench) => (nagle(&bench.wire, bench.pcap.as_deref())?, bench.json),
        Experiment::DelayedAck(bench) => (delayed_ack(&bench.wire, bench.pcap.as_deref())?, bench.json),
        Experiment::Ports(bench) => (ports(&bench.wire, bench.pcap.as_deref())?, bench.json),
        Experiment::Journey(bench) => (journey(&bench.wire, bench.pcap.as_deref())?, bench.json),
        Experiment::Syscalls { json } => (syscalls::run()?, *json),
        Experiment::Report { output, wire } => {
            return writeln!(io::stdout().lock(), "{}", report::write(output, wire)?);
        }
    };
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", account.json)
    } else {
        write!(out, "{account}")
    }
}

fn ports(wire: &BenchWire, pcap: Option<&Path>) -> io::Result<Account> {
    on_a_wire(wire, 50, pcap, ports::run, ports::tell)
}

fn journey(wire: &BenchWire, pcap: Option<&Path>) -> io::Result<Account> {
    on_a_wire(wire, 50, pcap, journey::run, journey::tell)
}

fn rtt(wire: &BenchWire, pcap: Option<&Path>) -> io::Result<Account> {
    on_a_wire(wire, 50, pcap, rtt::run, rtt::tell)
}

fn nagle(wire: &BenchWire, pcap: Option<&Path>) -> io::Result<Account> {
    on_a_wire(wire, 50, pcap, nagle::run, nagle::tell)
}

/// On a short wire, where the timers are what one waits for.
fn delayed_ack(wire: &BenchWire, pcap: Option<&Path>) -> io::Result<Account> {
    on_a_wire(wire, 1, pcap, delayed_ack::run, delayed_ack::tell)
}

/// Opens the wire, `rtt` milliseconds long where nothing else is wished, makes an experiment on it, writes the capture,
/// and tells what it shows.
fn on_a_wire<T>(
    wire: &BenchWire,
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

fn open(wire: &BenchWire, rtt: u16) -> io::Result<Box<dyn Kali>> {
    match &wire.link {
        Link::Local => Ok(Box::new(InMemory::new(&wire::Options {
            ip: wire.ip,
            rtt: Duration::from_millis(wire.rtt.unwrap_or(rtt).into()),
            loss: wire.loss.unwrap_or(0),
            seed: wire.seed,
        }))),
        Link::Auto => open_tap(wire, "tap0"),
        Link::Tap(name) => open_tap(wire, name),
    }
}

#[cfg(target_os = "linux")]
fn open_tap(wire: &BenchWire, name: &str) -> io::Result<Box<dyn Kali>> {
    if wire.rtt.is_some() || wire.loss.is_some() {
        return Err(io::Error::other(
            "a TAP has the delay that it has, and loses nothing: leave --rtt and --loss out, or use --link local",
        ));
    }
    Ok(Box::new(tap::OnTap::open(name, wire.ip)?))
}

#[cfg(not(target_os = "linux"))]
fn open_tap(_: &BenchWire, _: &str) -> io::Result<Box<dyn Kali>> {
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
