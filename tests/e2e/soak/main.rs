//! Everything at once, for as long as is asked, over a wire that loses one frame of a hundred in each direction:
//!
//!     tests/ci.sh soak              for ten minutes
//!     tests/ci.sh soak 3600s        for an hour
//!
//! Every client runs its round again and again, and every answer is compared. Afterwards every connection is over, the
//! store holds what was kept and nothing else, and R2 has the memory that it had.

mod answers;
mod bytes;
mod capture;
mod chat;
mod files;

use std::collections::BTreeMap;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use r2_sim::payload::sha256_of;
use r2_tests::aftermath::PAGES;
use r2_tests::lab::Lab;
use r2_tests::wire::wire;

/// How long the load lasts where nobody says.
const SHORT: Duration = Duration::from_secs(10);

/// How long every client has run before R2's memory is looked at for the first time.
const WARM_UP: Duration = Duration::from_secs(3);

const LOSS: &str = "numgen random mod 100 < 1 drop";

/// R2, and what it is to hold in the end.
struct Soak {
    lab: Lab,
    /// The SHA-256 of every file that was left in the store.
    kept: Mutex<BTreeMap<String, String>>,
    /// Datagrams that were sent again since no answer came.
    repeated: AtomicU64,
    /// How often R2 told a netcat that it waits: five seconds without a byte, be it the wire's or the machine's fault.
    hints: AtomicU64,
    /// A round has failed: the others need not go on.
    has_failed: AtomicBool,
}

/// One round of a client: it panics where anything is not as it must be, and returns how many bytes were compared. Its
/// number is no other round's.
type Round = fn(&Soak, u64) -> u64;

/// What is done, by how many clients at once.
const LOADS: [(&str, Round, u64); 10] = [
    ("20 chat lines heard by two netcats", chat::lines, 1),
    ("8 questions of a netcat answered", answers::by_netcat, 2),
    ("question of hostapp secret answered", answers::by_hostapp, 1),
    ("question by UDP answered", answers::by_udp, 1),
    ("status page read", answers::status, 1),
    ("raw drop by netcat, its receipt right", files::dropped, 4),
    ("verified send, ls, get", files::sent_and_got, 3),
    ("echo by TCP and UDP", bytes::echo, 1),
    ("chargen and discard", bytes::chargen_and_discard, 1),
    ("capture read", capture::frames, 1),
];

/// What clients have done of one load.
#[derive(Default)]
struct Tally {
    rounds: AtomicU64,
    bytes: AtomicU64,
}

impl Soak {
    /// Lets every client run its rounds for `duration`, the first of which has this number.
    fn run(&self, duration: Duration, first: u64) -> [Tally; LOADS.len()] {
        let tallies = [(); LOADS.len()].map(|()| Tally::default());
        let end = Instant::now() + duration;
        thread::scope(|scope| {
            for ((_, round, clients), tally) in LOADS.iter().zip(&tallies) {
                for client in 0..*clients {
                    scope.spawn(move || {
                        let mut number = first + client;
                        while Instant::now() < end && !self.has_failed.load(Ordering::Relaxed) {
                            let bytes = catch_unwind(AssertUnwindSafe(|| round(self, number)));
                            let bytes = bytes.unwrap_or_else(|panic| {
                                self.has_failed.store(true, Ordering::Relaxed);
                                resume_unwind(panic)
                            });
                            tally.bytes.fetch_add(bytes, Ordering::Relaxed);
                            tally.rounds.fetch_add(1, Ordering::Relaxed);
                            number += clients;
                        }
                    });
                }
            }
        });
        self.lab.wait_until_alone();
        tallies
    }

    /// Asserts that the store holds what was kept, and nothing else.
    fn has_what_was_kept(&self) {
        let kept = self.kept.lock().expect("no client has panicked");
        assert!(
            self.lab.store.names().iter().eq(kept.keys()),
            "{:?} and not {kept:?}",
            self.lab.store.names()
        );
        let mut bytes = 0;
        for (name, sha256) in &*kept {
            let path = self.lab.store.file(name);
            assert_eq!(sha256_of(&path), *sha256, "{name}");
            bytes += path.metadata().expect("it was read").len();
        }
        let status = self.lab.status();
        assert_eq!(status["store_files"], kept.len().to_string());
        assert_eq!(status["store_bytes"], bytes.to_string());
    }
}

#[test]
fn mixed_load_over_a_wire_that_loses_1_percent_leaves_nothing_behind() {
    let duration = env::var("R2_SOAK_SECONDS").map_or(SHORT, |seconds| {
        Duration::from_secs(seconds.parse().expect("R2_SOAK_SECONDS is a number"))
    });
    let soak = Soak {
        lab: wire(LOSS, LOSS),
        kept: Mutex::default(),
        repeated: AtomicU64::new(0),
        hints: AtomicU64::new(0),
        has_failed: AtomicBool::new(false),
    };
    soak.run(WARM_UP, 1_000_000);
    let before = soak.lab.memory();
    let tallies = soak.run(duration, 0);
    let after = soak.lab.memory();
    println!(
        "\n{:>9} {:>13}  what, in {duration:?} at 1 % loss",
        "times", "bytes"
    );
    for ((what, ..), tally) in LOADS.iter().zip(&tallies) {
        let [rounds, bytes] = [&tally.rounds, &tally.bytes].map(|count| count.load(Ordering::Relaxed));
        println!("{rounds:>9} {bytes:>13}  {what}");
        assert!(rounds > 0, "{what}");
    }
    for (count, what) in [
        (&soak.repeated, "datagrams repeated"),
        (&soak.hints, "hints to netcats, after 5 s without a byte"),
    ] {
        println!("{:>9} {:>13}  {what}", count.load(Ordering::Relaxed), "");
    }
    println!("R2 before: {before:?}\nR2 after:  {after:?}");
    assert!(after.own <= before.own + PAGES, "R2 has grown");
    soak.has_what_was_kept();
    let errors = soak.lab.r2.stderr.text();
    assert!(
        !errors.contains("warn") && !errors.contains("error") && !errors.contains("panicked"),
        "{errors}"
    );
}
