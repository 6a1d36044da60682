//! Over a wire with delay and loss: every byte arrives, as fast as from a kernel on the same wire or nearly so.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::num::NonZeroU64;
use std::thread;
use std::time::{Duration, Instant};

use r2_sim::payload::{self, sha256_of};
use r2_tests::far::{Far, LINUX, Weather};
use r2_tests::lab::R2;

/// The round trip of a local network.
const LAN: Duration = Duration::from_millis(1);

/// How much is downloaded.
const SIZE: u64 = 2 << 20;

/// Downloads what R2 has stored; how long that took.
fn downloads(far: &Far, name: &str) -> Duration {
    let to = far.lab.path(&format!("back-{name}"));
    let begun = Instant::now();
    far.start_kali(&format!("hostapp get {R2} {name} -o {}", to.display()))
        .prints();
    let time = begun.elapsed();
    assert_eq!(sha256_of(&to), sha256_of(&far.lab.store.file(name)));
    time
}

/// Downloads as much from the kernel beside R2; how long that took.
fn downloads_from_linux(far: &Far) -> Duration {
    let listener = far
        .lab
        .namespace
        .inside(|| TcpListener::bind((LINUX, 9000)))
        .expect("a free port");
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("KALI");
            stream
                .write_all(&payload::random(
                    usize::try_from(SIZE).expect("a few megabytes"),
                    1,
                ))
                .expect("KALI reads");
        });
        let begun = Instant::now();
        let mut stream = far.kali.connect(&format!("{LINUX}:9000")).expect("a connection");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("all of it");
        assert_eq!(got.len() as u64, SIZE);
        begun.elapsed()
    })
}

#[test]
fn a_download_over_a_wire_that_loses_is_exact_and_not_much_slower_than_a_kernels() {
    for (round_trip, loss) in [(LAN, 1_000), (Duration::from_millis(20), 2_000)] {
        let far = Far::new(Weather::clear(round_trip).losing(loss), 1);
        let file = far.lab.file("f", SIZE);
        std::fs::copy(&file, far.lab.store.file("f")).expect("a file in the store");
        downloads(&far, "f");
        let (r2, linux) = (downloads(&far, "f"), downloads_from_linux(&far));
        println!("{round_trip:?} {loss}: R2 {r2:?}, Linux {linux:?}");
        assert!(r2 < linux * 4 + Duration::from_secs(1), "{r2:?} {linux:?}");
    }
}

/// Whatever a wire does: frames are lost in bursts, overtake each other, and wait before a bottleneck.
#[test]
fn a_download_over_a_wire_of_every_fault_is_exact() {
    let weather = Weather {
        jitter: Duration::from_micros(300),
        burst: 8,
        reordered: 2_000,
        held_back: Duration::from_millis(3),
        rate: NonZeroU64::new(50_000_000),
        queue: Duration::from_millis(50),
        ..Weather::clear(Duration::from_millis(10)).losing(300)
    };
    for seed in 1..=2 {
        let far = Far::new(weather, seed);
        let file = far.lab.file("f", SIZE);
        std::fs::copy(&file, far.lab.store.file("f")).expect("a file in the store");
        println!("{seed}: {:?}", downloads(&far, "f"));
    }
}
