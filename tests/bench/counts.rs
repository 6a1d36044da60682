//! Show 8: what R2 asks of the kernel and of the processor, counted: figures that no other program on the machine
//! changes.

use std::env;
use std::fs;

use r2_tests::lab::Lab;
use r2_tests::program::Program;
use rustix::process::Signal;
use tempfile::NamedTempFile;

use crate::bulk::{chargen_rate, discard_rate};
use crate::client::{self, Pattern};
use crate::peers::Cable;
use crate::replay::COUNTED;
use crate::report::{Bound, Row};
use crate::sizes::Sizes;

/// What strace is to count: the calls on the TAP, or all.
const ON_THE_TAP: &str = "-P /dev/net/tun -e trace=read,readv,write,writev";
const ALL: &str = "";

/// How often a system call was made; how often without success, since there was nothing to read.
#[derive(Default)]
struct Calls {
    reads: f64,
    empty_reads: f64,
    writes: f64,
    all: f64,
}

pub(crate) fn counted(sizes: &Sizes) -> Vec<Row> {
    let mut rows = tap_calls(sizes);
    rows.extend(calls_per_request(sizes));
    rows.extend(instructions(sizes));
    rows
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Reads and writes of the TAP for each MiB that is received or sent.
fn tap_calls(sizes: &Sizes) -> Vec<Row> {
    let lab = Lab::new();
    let (random, chargen) = (Pattern::random(), Pattern::chargen());
    let mebibytes = mebibytes(sizes.traced);
    let up = calls(&lab.r2, ON_THE_TAP, || {
        discard_rate(&lab, &random, sizes.traced);
    });
    let down = calls(&lab.r2, ON_THE_TAP, || {
        chargen_rate(&lab, &chargen, sizes.traced);
    });
    let row = |what, unit, figure: f64| Row::figure(8, what, unit, figure / mebibytes);
    vec![
        row("TAP reads, upload", "a MiB received", up.reads)
            .must(Bound::AtMost(20.0))
            .always(),
        row("…of them without a frame", "a MiB received", up.empty_reads),
        row("TAP writes, upload", "a MiB received", up.writes),
        row("TAP writes, download", "a MiB sent", down.writes)
            .must(Bound::AtMost(20.0))
            .always(),
        row("TAP reads, download", "a MiB sent", down.reads),
    ]
}

/// All system calls for each request, R2's beside those of a server on a kernel socket.
fn calls_per_request(sizes: &Sizes) -> Vec<Row> {
    const ECHO: u16 = 7;
    let (lab, cable) = (Lab::new(), Cable::new());
    let epoll = cable.epoll_echo(ECHO);
    let (mut to_r2, mut to_epoll) = (lab.connect(ECHO), cable.connect_to_new(&epoll, ECHO));
    let requests = sizes.requests / 10;
    let a_request = |server: &Program, to: &mut std::net::TcpStream| {
        let counted = calls(server, ALL, || {
            client::echo_rate(to, requests);
        });
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let requests = requests as f64;
        counted.all / requests
    };
    let (ours, theirs) = (a_request(&lab.r2, &mut to_r2), a_request(&epoll, &mut to_epoll));
    let what = "system calls for a byte to echo and back";
    vec![Row::ratio(
        8,
        what,
        "epoll server over veth",
        "a request",
        &[ours],
        &[theirs],
    )]
}

/// Counts the system calls of a server during `work`.
fn calls(server: &Program, which: &str, work: impl FnOnce()) -> Calls {
    let counted = NamedTempFile::new().expect("a temporary file");
    let pid = server.pid().as_raw_nonzero();
    let path = counted.path().display();
    let mut strace = Program::start(&format!(
        "exec strace -f -c -U calls,errors,name {which} -o {path} -p {pid}"
    ));
    strace.complains("attached");
    work();
    strace.signal(Signal::INT);
    strace.wait();
    let table = fs::read_to_string(counted.path()).expect("strace's table");
    let mut calls = Calls::default();
    for line in table.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |word: &str| word.parse::<f64>().ok();
        // No errors, no word.
        let (Some(count), Some(name)) = (words.first().and_then(|word| number(word)), words.last()) else {
            continue;
        };
        match *name {
            "read" | "readv" => {
                calls.reads += count;
                calls.empty_reads += words.get(1).and_then(|word| number(word)).unwrap_or(0.0);
            }
            "write" | "writev" => calls.writes += count,
            "total" => calls.all += count,
            _ => {}
        }
    }
    calls
}

/// Instructions of the node for each KiB, from memory to memory.
fn instructions(sizes: &Sizes) -> Vec<Row> {
    let row = |what, direction, frames| {
        Row::figure(
            8,
            what,
            "a KiB",
            instructions_a_kib(direction, frames, sizes.replayed),
        )
    };
    vec![
        row(
            "instructions, upload in segments of 1,460 bytes",
            "upload",
            "segments",
        ),
        row("instructions, upload in super-frames", "upload", "super-frames"),
        row(
            "instructions, download in segments of 1,460 bytes",
            "download",
            "segments",
        ),
        row(
            "instructions, download in super-frames",
            "download",
            "super-frames",
        ),
    ]
}

fn instructions_a_kib(direction: &str, frames: &str, bytes: u64) -> f64 {
    let own = env::current_exe().expect("a program has a path");
    // Else each byte of a long copy counts, by an instruction that repeats itself.
    let copies = "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000";
    let line = format!(
        "{copies} exec valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='{COUNTED}' {} replay {direction} {frames} {bytes}",
        own.display()
    );
    let ended = Program::start(&line).finish();
    let moved: Option<f64> = ended.stdout.trim().parse().ok();
    let counted: Option<f64> = ended
        .stderr
        .lines()
        .find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok());
    match (counted, moved) {
        (Some(counted), Some(moved)) => counted / (moved / 1024.0),
        _ => panic!("callgrind counted nothing: {ended:?}"),
    }
}
