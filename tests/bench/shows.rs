//! Shows 6 and 7: what a crowd of idle connections costs one more, and how drop compares with smoltcp's own benchmark.
//!
//!     tests/ci.sh bench           measures, prints the ratios, and fails where one is out of its bound
//!     tests/ci.sh bench_smoke     runs the same with small sizes and judges nothing
//!
//! The two sides of a ratio alternate in one run, and their medians are compared: the machine may be shared.

use std::env;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use r2_tests::lab::Lab;
use r2_tests::namespace::Namespace;
use r2_tests::tmpfs::Tmpfs;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Descriptors that are not idle connections.
const OTHER_DESCRIPTORS: u64 = 200;

/// How much is measured.
struct Sizes {
    rounds: usize,
    idle: usize,
    crowd_bytes: usize,
    drop_bytes: usize,
    questions: usize,
    judge: bool,
}

const FULL: Sizes = Sizes {
    rounds: 7,
    idle: 10_000,
    crowd_bytes: 512 << 20,
    drop_bytes: 1_000_000_000,
    questions: 500,
    judge: true,
};

const SMOKE: Sizes = Sizes {
    rounds: 1,
    idle: 200,
    crowd_bytes: 16 << 20,
    drop_bytes: 64 << 20,
    questions: 20,
    judge: false,
};

/// Two medians, and what their ratio must be.
struct Row {
    what: &'static str,
    unit: &'static str,
    ours: f64,
    reference: f64,
    bound: Bound,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
    None,
}

fn main() -> ExitCode {
    let sizes = if env::args().any(|word| word == "smoke") {
        SMOKE
    } else {
        FULL
    };
    let mut rows = crowd(&sizes);
    rows.extend(against_the_writer(&sizes));
    let mut table = String::from(
        "| measured | unit | R2 | reference | ratio | bound | |\n|---|---|---|---|---|---|---|\n",
    );
    let mut good = true;
    for row in &rows {
        let ratio = row.ours / row.reference;
        let (bound, holds) = match row.bound {
            Bound::AtLeast(least) => (format!("≥ {least}"), ratio >= least),
            Bound::AtMost(most) => (format!("≤ {most}"), ratio <= most),
            Bound::None => (String::new(), true),
        };
        let verdict = if !sizes.judge {
            "not judged"
        } else if holds {
            "good"
        } else {
            "OUT OF BOUND"
        };
        good &= holds || !sizes.judge;
        let Row {
            what,
            unit,
            ours,
            reference,
            ..
        } = row;
        writeln!(
            table,
            "| {what} | {unit} | {ours:.2} | {reference:.2} | {ratio:.2} | {bound} | {verdict} |"
        )
        .expect("a string takes it");
    }
    println!("\n{table}");
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Show 6: the same server with one idle connection and with a crowd of them.
fn crowd(sizes: &Sizes) -> Vec<Row> {
    let idle = sizes.idle.min(idle_connections_within_descriptors());
    println!(
        "show 6: 1 and {idle} idle connections, {} bytes, {} rounds",
        sizes.crowd_bytes, sizes.rounds
    );
    let disk = Tmpfs::new(4 << 30);
    let alone = Lab::on(&disk.path().join("alone"), "--sessions 10000");
    let crowded = Lab::on(&disk.path().join("crowded"), "--sessions 10000");
    let _one = alone.connect(5010);
    // Half of the crowd sits on each of two services, so that there is a slot for one more on both.
    let _crowd: Vec<_> = (0..idle)
        .map(|number| crowded.connect(if number % 2 == 0 { 5010 } else { 7 }))
        .collect();

    // Whether a peer and R2 happen to share a processor makes more of a difference than any crowd.
    let everywhere = sched_getaffinity(None).expect("the processors of this thread");
    for lab in [&alone, &crowded] {
        keep_on(0, Some(lab.r2.pid()));
    }
    keep_on(1, None);

    let (mut rates, mut times) = ([vec![], vec![]], [vec![], vec![]]);
    for _ in 0..sizes.rounds {
        for (number, lab) in [&alone, &crowded].into_iter().enumerate() {
            times[number].push(answer_time(lab, sizes.questions));
            rates[number].push(discard_rate(lab, sizes.crowd_bytes));
        }
    }
    sched_setaffinity(None, &everywhere).expect("the processors as they were");
    let ([alone_rates, crowded_rates], [alone_times, crowded_times]) = (rates, times);
    vec![
        Row {
            what: "throughput of discard beside the crowd; beside one",
            unit: "Gbit/s",
            ours: median(crowded_rates),
            reference: median(alone_rates),
            bound: Bound::AtLeast(0.9),
        },
        Row {
            what: "time from connecting to the answer beside the crowd; beside one",
            unit: "µs",
            ours: median(crowded_times),
            reference: median(alone_times),
            bound: Bound::AtMost(1.1),
        },
    ]
}

/// Keeps a thread (`None`: this one) on one processor, where the machine has that one.
fn keep_on(processor: usize, thread: Option<Pid>) {
    let mut only = CpuSet::new();
    only.set(processor);
    let _ = sched_setaffinity(thread, &only);
}

/// Show 7: drop, hashed and stored, and the benchmark that throws away what it receives.
fn against_the_writer(sizes: &Sizes) -> Vec<Row> {
    println!(
        "show 7: {} bytes into drop, 1 GB into smoltcp's benchmark, {} rounds",
        sizes.drop_bytes, sizes.rounds
    );
    let disk = Tmpfs::new(4 << 30);
    let lab = Lab::on(&disk.path().join("store"), "");
    let file = disk.path().join("sent");
    r2_tests::payload::write_random(&file, sizes.drop_bytes as u64, 1);
    let (mut ours, mut netcat, mut reference) = (vec![], vec![], vec![]);
    for _ in 0..sizes.rounds {
        ours.push(drop_rate(&lab, sizes.drop_bytes));
        netcat.push(netcat_rate(&lab, &file, sizes.drop_bytes));
        reference.push(writer_rate());
    }
    let reference = median(reference);
    vec![
        Row {
            what: "drop to tmpfs, to its receipt; smoltcp's `writer`",
            unit: "Gbit/s",
            ours: median(ours),
            reference,
            bound: Bound::AtLeast(0.6),
        },
        Row {
            what: "the same with `nc -N` from start to end; smoltcp's `writer`",
            unit: "Gbit/s",
            ours: median(netcat),
            reference,
            bound: Bound::None,
        },
    ]
}

/// The median time, in µs, from opening a connection to its answer.
fn answer_time(lab: &Lab, questions: usize) -> f64 {
    lab.namespace.inside(|| {
        let times = (0..questions).map(|_| {
            let start = Instant::now();
            let mut peer = TcpStream::connect("192.168.69.1:5010").expect("one more connection");
            peer.write_all(b"SECRET 1\n").expect("a question");
            peer.read_exact(&mut [0; "Digits: 1 Count: 1\n".len()])
                .expect("an answer");
            let time = start.elapsed();
            drop(peer);
            time.as_secs_f64() * 1e6
        });
        median(times.collect())
    })
}

/// Sends so many bytes to discard, until R2 has closed too. In Gbit/s. Without a disk, whose threads the two cores
/// would be shared with, the figure is steady.
fn discard_rate(lab: &Lab, bytes: usize) -> f64 {
    let (rate, answer) = send_all(lab, 9, bytes);
    assert_eq!(answer, "");
    rate
}

/// The same with drop, until the receipt is there.
fn drop_rate(lab: &Lab, bytes: usize) -> f64 {
    let (rate, receipt) = send_all(lab, 5020, bytes);
    forget(lab, &receipt, bytes);
    rate
}

/// Sends so many bytes, in the pieces that the benchmark sends, and reads to the end: the rate in Gbit/s, and what
/// R2 said.
fn send_all(lab: &Lab, port: u16, bytes: usize) -> (f64, String) {
    let piece = vec![0x55; 1_000_000];
    let mut peer = lab.connect(port);
    let start = Instant::now();
    let mut left = bytes;
    while left > 0 {
        left -= peer.write(&piece[..left.min(piece.len())]).expect("R2 takes it");
    }
    peer.shutdown(Shutdown::Write).expect("FIN");
    let mut answer = String::new();
    peer.read_to_string(&mut answer).expect("R2's FIN");
    (gigabits(bytes, start.elapsed()), answer)
}

/// The same as drop with a file and a real netcat, its start included.
fn netcat_rate(lab: &Lab, file: &Path, bytes: usize) -> f64 {
    let start = Instant::now();
    let receipt = lab.kali(&format!("nc.openbsd -N 192.168.69.1 5020 < {}", file.display()));
    let time = start.elapsed();
    forget(lab, &receipt, bytes);
    gigabits(bytes, time)
}

/// Checks the receipt and makes room for the next round.
fn forget(lab: &Lab, receipt: &str, bytes: usize) {
    let mut words = receipt.split(' ').skip(1);
    let name = words.next().unwrap_or_else(|| panic!("no receipt: {receipt:?}"));
    assert_eq!(words.next(), Some(bytes.to_string().as_str()), "{receipt:?}");
    lab.kali(&format!("echo DEL {name} | nc.openbsd -N 192.168.69.1 5030"));
}

/// How often smoltcp's benchmark is started for one figure.
const PEER_TRIES: usize = 10;

/// How long it may take to move its gigabyte.
const PEER_PATIENCE: Duration = Duration::from_secs(60);

/// What smoltcp's benchmark says of the direction from the kernel to smoltcp, in Gbit/s.
fn writer_rate() -> f64 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/release/examples/benchmark");
    let peer: PathBuf = path
        .canonicalize()
        .unwrap_or_else(|_| panic!("{} is not built", path.display()));
    // Its client does not wait for its server to listen: where it comes too early, both are started again.
    for _ in 0..PEER_TRIES {
        let namespace = Namespace::new();
        let peer = namespace.start(&format!("{} --tap tap0 writer 2>&1", peer.display()));
        let told = peer.stdout.wait(PEER_PATIENCE, |text, ended| {
            ended || text.contains("Gbps") || text.contains("panicked")
        });
        assert!(told, "smoltcp's benchmark says nothing");
        let printed = peer.stdout.text();
        if let Some(rate) = printed.split("throughput: ").nth(1) {
            let rate = rate.split(' ').next().and_then(|rate| rate.parse().ok());
            return rate.unwrap_or_else(|| panic!("no throughput in {printed:?}"));
        }
    }
    panic!("smoltcp's benchmark does not start");
}

fn gigabits(bytes: usize, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    let bits = bytes as f64 * 8.0;
    bits / time.as_secs_f64() / 1e9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How many idle connections fit the descriptors that this process may have: 10,000, or 1,000 where they are short.
fn idle_connections_within_descriptors() -> usize {
    let hard = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: hard,
            maximum: hard,
        },
    );
    let enough = getrlimit(Resource::Nofile)
        .current
        .is_none_or(|limit| limit >= 10_000 + OTHER_DESCRIPTORS);
    if enough { 10_000 } else { 1_000 }
}
