//! `hostapp lab`: an experiment, and what came of it printed.

use std::io::{self, Write};
use std::process::ExitCode;

use r2_lab::WireOptions;

use crate::cli::{self, BenchWire, Experiment};
use crate::demo;
use crate::serve::LinkChoice;
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
    let on_a_wire = |measure: r2_lab::Measure, bench: &cli::Bench| {
        Ok::<_, io::Error>((
            measure(&bench.wire.clone().into(), bench.pcap.as_deref())?,
            bench.json,
            bench.part.clone(),
        ))
    };
    let (measured, json, part) = match experiment {
        Experiment::Rtt(bench) => on_a_wire(r2_lab::rtt, bench)?,
        Experiment::Nagle(bench) => on_a_wire(r2_lab::nagle, bench)?,
        Experiment::DelayedAck(bench) => on_a_wire(r2_lab::delayed_ack, bench)?,
        Experiment::Ports(bench) => on_a_wire(r2_lab::ports, bench)?,
        Experiment::Journey(bench) => on_a_wire(r2_lab::journey, bench)?,
        Experiment::Syscalls { json } => (r2_lab::syscalls()?, *json, None),
        Experiment::Report { output, author, wire } => {
            let played = demo::play(&mut io::sink())?;
            let wrote = r2_lab::report(output, &wire.clone().into(), author.as_deref(), &played)?;
            return writeln!(io::stdout().lock(), "{wrote}");
        }
    };
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", measured.findings)
    } else if let Some(name) = part {
        let excerpt = measured.account.excerpt(&name).map_err(io::Error::other)?;
        write!(out, "{excerpt}")
    } else {
        write!(out, "{}", measured.account)
    }
}

impl From<BenchWire> for WireOptions {
    fn from(wire: BenchWire) -> Self {
        Self {
            tap: match wire.link {
                LinkChoice::Local => None,
                LinkChoice::Auto => Some("tap0".into()),
                LinkChoice::Tap(name) => Some(name),
            },
            ip: wire.ip,
            rtt: wire.rtt,
            loss: wire.loss,
            seed: wire.seed,
        }
    }
}
