//! Show 3 and part of 4: what any netcat sends is the file, and the store says how far it can be trusted.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::RangeInclusive;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use r2_sim::payload::{random, sha256, sha256_of};
use r2_tests::lab::Lab;
use r2_tests::program::PATIENCE;
use r2_tests::tmpfs::Tmpfs;
use rustix::process::{Signal, kill_process};
use socket2::SockRef;

/// Nothing, one byte, one segment and its neighbours, the largest window without scaling, and more than any buffer.
const SIZES: [u64; 8] = [0, 1, 1459, 1460, 1461, 65_535, 65_536, 10 << 20];

/// How long it may take until R2 has given up waiting for a FIN, and a little.
const GIVE_UP: Duration = Duration::from_secs(75);

fn receipt(name: &str, file: &Path) -> String {
    let length = fs::metadata(file).expect("the sent file").len();
    format!("stored {name} {length} bytes sha256 {}\n", sha256_of(file))
}

fn assert_same(sent: &Path, stored: &Path) {
    assert_eq!(
        fs::metadata(stored).expect("the stored file").len(),
        fs::metadata(sent).expect("the sent file").len()
    );
    assert_eq!(
        sha256_of(stored),
        sha256_of(sent),
        "{} differs from {}",
        stored.display(),
        sent.display()
    );
}

/// Every size through a client that half-closes and waits: receipt, confirmed file, end of the connection.
fn confirms(client: &str) {
    let lab = Lab::new();
    for (size, number) in SIZES.into_iter().zip(1..) {
        let file = lab.file("sent", size);
        let name = format!("drop-{number:04}");
        assert_eq!(
            lab.kali(&format!("{client} < {}", file.display())),
            receipt(&name, &file),
            "{size} bytes"
        );
        lab.store.wait_until(&name, |store| store.names().contains(&name));
        assert_same(&file, &lab.store.file(&name));
    }
}

/// Every size but 0 through a client that closes without waiting: all bytes are there, and nobody confirms them
/// (but its kernel does, where the receipt was quicker than the end of the process).
fn is_stored_whole(client: &str) {
    let lab = Lab::new();
    for (size, number) in SIZES.into_iter().filter(|size| *size > 0).zip(1..) {
        let file = lab.file("sent", size);
        lab.start_kali(&format!("{client} < {}", file.display())).finish();
        let confirmed = format!("drop-{number:04}");
        let unconfirmed = format!("{confirmed}.unconfirmed");
        let last = || {
            lab.store
                .names()
                .pop()
                .filter(|name| [&confirmed, &unconfirmed].contains(&name))
        };
        lab.store.wait_until(&unconfirmed, |_| last().is_some());
        assert_eq!(
            fs::metadata(lab.store.file(&last().unwrap())).unwrap().len(),
            size
        );
        assert_eq!(sha256_of(&lab.store.file(&last().unwrap())), sha256_of(&file));
    }
}

#[test]
fn openbsd_netcat_with_n_confirms() {
    confirms("nc.openbsd -N 192.168.69.1 5020");
}

#[test]
fn ncat_confirms() {
    confirms("ncat 192.168.69.1 5020");
}

#[test]
fn socat_confirms() {
    confirms("socat -t 60 - TCP:192.168.69.1:5020");
}

#[test]
fn openbsd_netcat_over_ipv6_confirms() {
    let lab = Lab::with("--ip6 fd69::1/64");
    let file = lab.file("sent", 1 << 20);
    let printed = lab.kali(&format!("nc.openbsd -N fd69::1 5020 < {}", file.display()));
    assert_eq!(printed, receipt("drop-0001", &file));
}

#[test]
fn traditional_netcat_with_q_confirms() {
    // It leaves when R2 has closed, and at the latest after so many seconds.
    confirms("nc.traditional -q 20 192.168.69.1 5020");
}

#[test]
fn ncat_that_only_sends_is_stored() {
    is_stored_whole("ncat --send-only 192.168.69.1 5020");
}

#[test]
fn socat_that_only_sends_is_stored() {
    is_stored_whole("socat -u - TCP:192.168.69.1:5020");
}

#[test]
fn traditional_netcat_without_q_that_pauses_is_not_cut() {
    let lab = Lab::new();
    let file = lab.file("sent", 300_000);
    let mut nc = lab.start_kali(&format!(
        "(head -c 100000 {0}; sleep 7; tail -c +100001 {0}) | nc.traditional 192.168.69.1 5020",
        file.display()
    ));
    nc.sees("waiting: 100000 bytes so far; end with FIN (nc -N, -q 1) or Ctrl-C\n");
    nc.sees("waiting: 300000 bytes so far; end with FIN (nc -N, -q 1) or Ctrl-C\n");
    nc.signal(Signal::INT);
    nc.wait();
    lab.store.holds(&["drop-0001.unconfirmed"]);
    assert_same(&file, &lab.store.file("drop-0001.unconfirmed"));
}

#[test]
fn traditional_netcat_without_q_gets_its_receipt_after_a_minute() {
    let lab = Lab::new();
    let file = lab.file("sent", 100_000);
    let line = format!("nc.traditional 192.168.69.1 5020 < {}", file.display());
    let mut nc = lab.start_kali(&line).patiently(GIVE_UP);
    let printed = nc.wait().stdout;
    let hint = "waiting: 100000 bytes so far; end with FIN (nc -N, -q 1) or Ctrl-C\n";
    assert_eq!(printed, format!("{hint}{}", receipt("drop-0001", &file)));
    lab.store.holds(&["drop-0001.unconfirmed"]);
    assert_same(&file, &lab.store.file("drop-0001.unconfirmed"));
}

#[test]
fn a_reset_upload_is_partial_and_a_prefix() {
    let lab = Lab::new();
    let sent = random(1 << 20, 7);
    let mut peer = lab.connect(5020);
    peer.write_all(&sent).unwrap();
    lab.store.wait_until("the first bytes", |store| store.bytes() > 0);
    reset(peer);
    lab.store.holds(&["drop-0001.partial"]);
    let kept = fs::read(lab.store.file("drop-0001.partial")).unwrap();
    assert!(sent.starts_with(&kept), "{} bytes that are no prefix", kept.len());
}

#[test]
fn an_upload_of_a_peer_that_closed_at_once_is_unconfirmed() {
    let lab = Lab::new();
    let mut peer = lab.connect(5020);
    peer.write_all(b"hello").unwrap();
    // Closed for both directions: the kernel sends FIN now, and RST in answer to the receipt.
    drop(peer);
    lab.store.holds(&["drop-0001.unconfirmed"]);
    assert_eq!(
        fs::read(lab.store.file("drop-0001.unconfirmed")).unwrap(),
        b"hello"
    );
    assert!(
        lab.kali("echo next | nc.openbsd -N 192.168.69.1 5020")
            .starts_with("stored drop-0002 5 bytes ")
    );
    lab.store.holds(&["drop-0001.unconfirmed", "drop-0002"]);
}

#[test]
fn a_receipt_that_was_delivered_confirms() {
    let lab = Lab::new();
    let mut peer = lab.connect(5020);
    peer.write_all(b"hello").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert_eq!(
        answer,
        "stored drop-0001 5 bytes sha256 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n"
    );
    lab.store.holds(&["drop-0001"]);
}

#[test]
fn a_port_scan_leaves_nothing() {
    let lab = Lab::new();
    lab.kali("nc.openbsd -z 192.168.69.1 5020");
    lab.kali("nc.traditional -z 192.168.69.1 5020");
    reset(lab.connect(5020));
    let file = lab.file("sent", 1);
    let printed = lab.kali(&format!("nc.openbsd -N 192.168.69.1 5020 < {}", file.display()));
    let name = printed.split(' ').nth(1).unwrap().to_owned();
    lab.store.holds(&[&name]);
}

#[test]
fn numbers_go_on_after_the_highest_in_the_store() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("drop-0007"), "x").unwrap();
    fs::write(folder.path().join("drop-0041.partial"), "x").unwrap();
    let lab = Lab::on(folder.path(), "");
    assert!(
        lab.kali("echo y | nc.openbsd -N 192.168.69.1 5020")
            .starts_with("stored drop-0042 2 bytes ")
    );
}

#[test]
fn a_full_store_says_so_and_serves_on() {
    let disk = Tmpfs::new(1 << 20);
    let lab = Lab::on(disk.path(), "");
    let large = lab.file("large", 8 << 20);
    let printed = lab.kali(&format!("nc.openbsd -N 192.168.69.1 5020 < {}", large.display()));
    let bytes = printed
        .strip_prefix("failed drop-0001 no space after ")
        .and_then(|rest| rest.strip_suffix(" bytes\n"));
    assert!(
        bytes.is_some_and(|bytes| bytes.parse::<u64>().is_ok()),
        "{printed:?}"
    );
    assert!(!lab.store.names().contains(&"drop-0001".to_owned()));

    let small = lab.file("small", 100_000);
    let printed = lab.kali(&format!("nc.openbsd -N 192.168.69.1 5020 < {}", small.display()));
    assert!(
        printed.starts_with("stored drop-000") && printed.ends_with(&format!("{}\n", sha256_of(&small))),
        "{printed:?}"
    );
}

#[test]
fn uploads_at_the_same_time_do_not_mix() {
    let lab = Lab::new();
    let file = lab.file("sent", 3_000_000);
    let line = format!("nc.openbsd -N 192.168.69.1 5020 < {}", file.display());
    let uploads: Vec<_> = (0..8).map(|_| lab.start_kali(&line)).collect();
    for mut upload in uploads {
        assert!(upload.prints().contains(&sha256_of(&file)));
    }
    lab.store.holds(&[
        "drop-0001",
        "drop-0002",
        "drop-0003",
        "drop-0004",
        "drop-0005",
        "drop-0006",
        "drop-0007",
        "drop-0008",
    ]);
    for name in lab.store.names() {
        assert_same(&file, &lab.store.file(&name));
    }
}

/// Ends a connection with RST.
fn reset(peer: TcpStream) {
    SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .expect("linger");
    drop(peer);
}

/// The receive buffer of an upload. The window in it that R2 shows ends up to 32 bytes before its end: it is told in units
/// of 16 bytes, and need never be taken back.
const BUFFER: usize = 512 * 1024;

/// How much less and more than that is sent.
const AROUND: RangeInclusive<isize> = -36..=4;

/// How often: 205 uploads.
const TIMES: usize = 5;

/// How many at once, of the 32 that R2 takes.
const AT_ONCE: usize = 30;

/// What of each connection to R2's drop KALI's kernel still holds, its FIN counted as a byte.
fn held_back(lab: &Lab) -> Vec<usize> {
    let connections = lab.kali("ss -Htn dport = 5020");
    let send_queue = |line: &str| line.split_whitespace().nth(2)?.parse().ok();
    connections.lines().filter_map(send_queue).collect()
}

/// While R2 cannot read, KALI's kernel sends what fits the window; the rest and FIN when it can again.
#[test]
fn uploads_of_every_size_around_the_window_are_exact_where_r2_reads_late() {
    // While its tracer is stopped, R2's store cannot open its folder: nobody's first byte is taken.
    let lab = Lab::traced_by(|store| {
        let store = store.display();
        format!("strace -f --seccomp-bpf -o /dev/null -e trace=openat -P {store}")
    });
    let tracer = lab.r2.pid();
    let lengths: Vec<_> = AROUND
        .map(|difference| BUFFER.strict_add_signed(difference))
        .cycle()
        .take(AROUND.count() * TIMES)
        .collect();
    for (lengths, round) in lengths.chunks(AT_ONCE).zip(0..) {
        kill_process(tracer, Signal::STOP).expect("the tracer lives");
        let uploads: Vec<_> = lengths
            .iter()
            .zip(0..)
            .map(|(length, number)| (lab.connect(5020), random(*length, 100 * round + number)))
            .collect();
        thread::scope(|scope| {
            for (mut peer, bytes) in uploads.iter().map(|(peer, bytes)| (peer, bytes)) {
                scope.spawn(move || {
                    peer.write_all(bytes).expect("room in KALI's kernel");
                    peer.shutdown(Shutdown::Write).expect("FIN");
                });
            }
        });
        let begin = Instant::now();
        let held = loop {
            let held = held_back(&lab);
            if held.iter().all(|bytes| *bytes <= AROUND.count()) {
                break held;
            }
            assert!(begin.elapsed() < PATIENCE, "{held:?} bytes are still to be sent");
        };
        let beyond = |length: &&usize| **length >= BUFFER;
        assert!(
            held.iter().filter(|bytes| **bytes > 0).count() >= lengths.iter().filter(beyond).count(),
            "R2 has read: {held:?}"
        );
        kill_process(tracer, Signal::CONT).expect("the tracer lives");
        for (mut peer, bytes) in uploads {
            let mut receipt = String::new();
            peer.read_to_string(&mut receipt).expect("R2's FIN");
            let right = format!(" {} bytes sha256 {}\n", bytes.len(), sha256(&*bytes));
            assert!(
                receipt.starts_with("stored drop-") && receipt.ends_with(&right),
                "{receipt}"
            );
        }
        lab.wait_until_alone();
    }
    let names = lab.store.names();
    assert_eq!(names.len(), lengths.len());
    assert!(names.iter().all(|name| !name.contains('.')), "{names:?}");
}
