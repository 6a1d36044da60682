//! Peers that do not read, for a while and for ever, and an R2 that does not run: what takes minutes.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use r2_tests::aftermath::{AT_ONCE, SOON, survives};
use rustix::process::Signal;

/// How long a live peer's closed window is borne.
const BORNE: Duration = Duration::from_secs(150);

/// Shortly before its end.
const ALMOST: Duration = Duration::from_secs(140);

/// What the machine's own slowness may add to a time of R2's.
const SLACK: Duration = Duration::from_secs(5);

#[test]
fn a_window_that_is_closed_for_a_minute_and_opens_again() {
    survives("", AT_ONCE, SOON, |lab, _| {
        let mut slow = lab.connect(19);
        lab.start_kali("sleep 60")
            .patiently(Duration::from_secs(70))
            .finish();
        assert_eq!(
            lab.kali("echo 1 SECRET | nc.openbsd -N 192.168.69.1 5010"),
            "Digits: 1 Count: 1\n"
        );
        let mut text = vec![0; 10_000_000];
        slow.read_exact(&mut text).unwrap();
        let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
        let first = usize::from(lines[0][0] - b' ');
        for (line, number) in lines[..lines.len() - 1].iter().zip(first..) {
            assert_eq!(usize::from(line[0] - b' '), number % 95);
            assert_eq!(line.len(), 73);
        }
    });
}

#[test]
fn a_window_that_stays_closed_is_borne_for_150_s_and_no_longer() {
    survives("", AT_ONCE, SOON, |lab, _| {
        let open = |lab: &r2_tests::lab::Lab| lab.status()["sessions_open"].clone();
        // Its pipe is full at once.
        let stopped = lab.start_kali("nc.openbsd 192.168.69.1 19 | sleep 1000");
        while open(lab) != "2" {
            lab.kali("sleep 0.1");
        }
        stopped.signal(Signal::STOP);
        let mut late = lab.connect(19);
        let begin = Instant::now();
        lab.start_kali(&format!("sleep {}", ALMOST.as_secs()))
            .patiently(BORNE)
            .finish();
        assert_eq!(open(lab), "3", "after {:?}", begin.elapsed());
        // One of them reads again, and is as live as before.
        let mut text = vec![0; 10_000_000];
        late.read_exact(&mut text).unwrap();
        while open(lab) != "2" {
            assert!(
                begin.elapsed() <= BORNE + SLACK,
                "still there after {:?}",
                begin.elapsed()
            );
            // The status page is R2's own news, and it has no other: ask again a moment later.
            lab.kali("sleep 0.2");
        }
        assert!(
            begin.elapsed() + SLACK >= BORNE,
            "gone after {:?}",
            begin.elapsed()
        );
        late.read_exact(&mut text).unwrap();
    });
}

/// Longer than any peer may be silent.
const STOPPED: Duration = Duration::from_secs(100);

#[test]
fn an_r2_that_is_stopped_and_goes_on_has_lost_nobody() {
    survives("", AT_ONCE, SOON, |lab, _| {
        let mut talks = lab.start_kali("nc.openbsd -N 192.168.69.1 5000");
        let reads = lab.start_kali("nc.openbsd -N 192.168.69.1 5000");
        let mut drops = lab.connect(5020);
        drops.write_all(b"first ").unwrap();
        lab.r2.sees("* KALI-2 joined");
        lab.r2.signal(Signal::STOP);
        lab.start_kali(&format!("sleep {}", STOPPED.as_secs()))
            .patiently(BORNE)
            .finish();
        lab.r2.signal(Signal::CONT);
        talks.types("are you there?\n");
        reads.sees(": are you there?");
        drops.write_all(b"second").unwrap();
        drops.shutdown(Shutdown::Write).unwrap();
        let mut receipt = String::new();
        drops.read_to_string(&mut receipt).unwrap();
        assert!(receipt.contains(" 12 bytes sha256 "), "{receipt}");
    });
}
