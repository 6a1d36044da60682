//! A netcat on port 5050 writes a file that Wireshark reads.

use std::fs;
use std::time::Instant;

use r2_sim::pcap;
use r2_tests::lab::Lab;
use r2_tests::program::{PATIENCE, Program};
use rustix::process::Signal;

/// Less than R2 can keep for a reader that has not begun to read, and more than one super-frame carries.
const SENT: u64 = 300_000;

/// More than R2 and KALI's kernel can keep for a reader that does not read.
const TOO_MUCH: u64 = 32 << 20;

/// A netcat of KALI's that captures into `x.pcap`, and has begun.
fn capture(lab: &Lab, host: &str) -> Program {
    let path = lab.path("x.pcap");
    // Without any input: it half-closes at once.
    let reader = lab.start_kali(&format!(
        "exec nc.openbsd -N {host} 5050 </dev/null >{}",
        path.display()
    ));
    let begun = Instant::now();
    while lab.status()["capture_connections"] != "1" {
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for the capture");
    }
    reader
}

fn an_upload_is_captured(mut lab: Lab, host: &str) {
    let mut reader = capture(&lab, host);
    let file = lab.file("file", SENT);
    let receipt = lab.kali(&format!("nc.openbsd -N {host} 5020 <{}", file.display()));
    assert!(receipt.starts_with("stored drop-0001 300000 bytes"), "{receipt}");
    assert_eq!(lab.status()["capture_lost"], "0");
    // R2 ends in order: its readers get what they are owed.
    assert_eq!(lab.stop().status.code(), Some(0));
    assert_eq!(reader.wait().status.code(), Some(0));

    let path = lab.path("x.pcap");
    assert_eq!(pcap::complaints(&path), "");
    assert_eq!(pcap::tshark(&path, &["-Y", "tcp.port == 5050"]), "");
    assert!(
        pcap::sent_to(&path, 5020) == fs::read(file).unwrap(),
        "the upload is not in the capture"
    );
    let captured = fs::read(&path).unwrap();
    let with_receipt = |frame: &&&[u8]| frame.ends_with(receipt.as_bytes());
    assert_eq!(pcap::frames(&captured).iter().filter(with_receipt).count(), 1);
}

#[test]
fn an_upload_over_a_tap_is_captured() {
    an_upload_is_captured(Lab::new(), "192.168.69.1");
}

#[test]
fn an_upload_on_the_local_link_is_captured() {
    an_upload_is_captured(Lab::local(""), "127.0.0.1");
}

#[test]
fn a_reader_that_is_stopped_harms_nobody() {
    let mut lab = Lab::new();
    let mut reader = capture(&lab, "192.168.69.1");
    reader.signal(Signal::STOP);
    let file = lab.file("file", TOO_MUCH);
    let upload = format!("nc.openbsd -N 192.168.69.1 5020 <{}", file.display());
    lab.kali(&upload);
    let before = lab.memory().own;
    lab.kali(&upload);
    let grown = lab.memory().own.saturating_sub(before);
    assert!(grown < 1 << 20, "R2 has grown by {grown} bytes");
    let lost: u64 = lab.status()["capture_lost"].parse().unwrap();
    assert!(lost > 0);
    reader.signal(Signal::CONT);
    assert_eq!(lab.stop().status.code(), Some(0));
    assert_eq!(reader.wait().status.code(), Some(0));
    // Whole frames to the last.
    assert!(!pcap::frames(&fs::read(lab.path("x.pcap")).unwrap()).is_empty());
    assert_eq!(pcap::complaints(&lab.path("x.pcap")), "");
}
