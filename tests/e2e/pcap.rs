//! `--pcap` writes every frame of both directions into a file that tcpdump reads, and never holds R2 up.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;

use r2_sim::pcap::frames;
use r2_sim::stranger::Heard;
use r2_tests::lab::{Lab, serve};
use r2_tests::namespace::Namespace;
use r2_tests::program::Program;
use r2_tests::tmpfs::Tmpfs;
use rustix::process::Signal;

#[test]
fn the_frames_of_a_conversation_are_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r2.pcap");
    let mut lab = Lab::with(&format!("--pcap {}", path.display()));
    assert_eq!(
        lab.kali("echo 123 SECRET | nc.openbsd -N 192.168.69.1 5010"),
        "Digits: 123 Count: 3\n"
    );
    assert_eq!(lab.stop().status.code(), Some(0));

    let file = fs::read(&path).unwrap();
    let frames = frames(&file);
    let with = |text: &str| {
        frames
            .iter()
            .filter(|frame| frame.windows(text.len()).any(|part| part == text.as_bytes()))
            .count()
    };
    assert_eq!(with("123 SECRET\n"), 1);
    assert_eq!(with("Digits: 123 Count: 3\n"), 1);
    // Ethernet, IPv4 without options, TCP: a SYN in one direction and one in the other.
    let syns = frames
        .iter()
        .filter(|frame| frame.get(23) == Some(&6) && frame.get(47).is_some_and(|flags| flags & 2 != 0));
    assert_eq!(syns.count(), 2);
}

/// Enough for the peer's kernel to have its congestion window open.
const SENT: usize = 8 << 20;

#[test]
fn super_frames_are_in_the_file_with_checksums() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r2.pcap");
    let mut lab = Lab::with(&format!("--pcap {}", path.display()));
    // At once: what comes in small pieces leaves in small frames.
    let mut peer = lab.connect(9);
    peer.write_all(&vec![0; SENT]).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    peer.read_to_end(&mut Vec::new()).unwrap();
    lab.kali("nc.openbsd 192.168.69.1 19 < /dev/null | head -c 1000000 > /dev/null");
    assert_eq!(lab.stop().status.code(), Some(0));

    let file = fs::read(&path).unwrap();
    // Reading one panics where a checksum is wrong.
    let carried = |port: usize| -> Vec<usize> {
        let to_or_from = |frame: &&&[u8]| frame[12..14] == [8, 0] && frame[port..port + 2] < [4, 0][..];
        let frames = frames(&file);
        let segments = frames
            .iter()
            .filter(to_or_from)
            .filter_map(|frame| Heard::read(frame));
        segments.map(|segment| segment.payload.len()).collect()
    };
    let (from_r2, to_r2) = (carried(34), carried(36));
    assert_eq!(to_r2.iter().sum::<usize>(), SENT);
    for direction in [from_r2, to_r2] {
        assert!(direction.iter().any(|&length| length > 20_000), "{direction:?}");
    }
}

/// More than R2 and a pipe hold of frames that nobody takes.
const FLOOD: usize = 64 << 20;

fn discard(lab: &Lab, bytes: usize) {
    let mut peer = lab.connect(9);
    peer.write_all(&vec![0; bytes]).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    peer.read_to_end(&mut Vec::new()).unwrap();
}

fn answers(lab: &Lab) {
    assert_eq!(
        lab.kali("echo 123 SECRET | nc.openbsd -N 192.168.69.1 5010"),
        "Digits: 123 Count: 3\n"
    );
}

fn capture_lost(lab: &Lab) -> u64 {
    lab.status()["capture_lost"].parse().unwrap()
}

/// No frame is in the file any more, and each is counted.
fn assert_counts_every_frame(lab: &Lab) {
    /// A connection that asks has more: SYN, ACK, question, answer and FINs.
    const FRAMES: u64 = 6;
    let before = capture_lost(lab);
    for _ in 0..10 {
        answers(lab);
    }
    let lost = capture_lost(lab) - before;
    assert!(lost >= 10 * FRAMES, "{lost}");
}

/// R2 with a pipe for its frames, and whoever copies them into the file beside it.
fn with_pipe() -> (Lab, Program, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, copy) = (folder.path().join("pipe"), folder.path().join("copy"));
    let namespace = Namespace::new();
    namespace.start(&format!("mkfifo {}", pipe.display())).prints();
    let reader = namespace.start(&format!("exec cat {} > {}", pipe.display(), copy.display()));
    let lab = Lab::joining(namespace, &format!("--pcap {}", pipe.display()));
    (lab, reader, folder)
}

#[test]
fn a_reader_that_pauses_costs_whole_frames_and_nothing_else() {
    let (mut lab, mut reader, folder) = with_pipe();
    answers(&lab);
    reader.signal(Signal::STOP);
    discard(&lab, FLOOD);
    answers(&lab);
    assert!(capture_lost(&lab) > 0);
    reader.signal(Signal::CONT);
    let ended = lab.stop();
    assert_eq!(ended.status.code(), Some(0));
    assert!(
        ended.stderr.contains(" frames are not in the pcap file: "),
        "{}",
        ended.stderr
    );
    assert!(reader.wait().status.success());
    let file = fs::read(folder.path().join("copy")).unwrap();
    assert!(frames(&file).len() > 100);
}

#[test]
fn a_reader_that_pauses_for_good_does_not_hold_up_the_end_and_has_whole_frames() {
    let (mut lab, mut reader, folder) = with_pipe();
    answers(&lab);
    reader.signal(Signal::STOP);
    discard(&lab, FLOOD);
    let ended = lab.stop();
    assert_eq!(ended.status.code(), Some(0));
    assert!(
        ended.stderr.contains("error: the pcap file ends here: "),
        "{}",
        ended.stderr
    );
    reader.signal(Signal::CONT);
    assert!(reader.wait().status.success());
    let file = fs::read(folder.path().join("copy")).unwrap();
    assert!(frames(&file).len() > 1);
}

#[test]
fn a_reader_that_leaves_is_told_once() {
    let (mut lab, mut reader, _folder) = with_pipe();
    answers(&lab);
    reader.signal(Signal::KILL);
    reader.wait();
    answers(&lab);
    answers(&lab);
    lab.r2.complains("error: the pcap file ends here: ");
    assert_counts_every_frame(&lab);
    let ended = lab.stop();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(
        ended.stderr.matches("the pcap file").count(),
        1,
        "{}",
        ended.stderr
    );
}

#[test]
fn a_pipe_that_nobody_reads_yet_is_said_and_waited_for_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, copy) = (folder.path().join("pipe"), folder.path().join("copy"));
    let namespace = Namespace::new();
    namespace.start(&format!("mkfifo {}", pipe.display())).prints();
    let mut lab = Lab::joining(namespace, &format!("--pcap {}", pipe.display()));
    lab.r2.complains("info: nobody reads ");
    answers(&lab);
    let mut reader = lab
        .namespace
        .start(&format!("exec cat {} > {}", pipe.display(), copy.display()));
    while fs::metadata(&copy).map_or(0, |found| found.len()) < 100 {
        answers(&lab);
    }
    assert_eq!(lab.stop().status.code(), Some(0));
    assert!(reader.wait().status.success());
    let file = fs::read(copy).unwrap();
    let first = frames(&file)
        .iter()
        .any(|frame| frame.windows(10).any(|part| part == b"123 SECRET"));
    assert!(first, "what passed before the reader came is there");

    // Nobody comes at all.
    let mut lab = Lab::with(&format!("--pcap {}", pipe.display()));
    answers(&lab);
    assert_eq!(lab.stop().status.code(), Some(0));
}

#[test]
fn a_full_disk_ends_the_file_with_a_whole_frame() {
    for kilobytes in [64, 100, 1024] {
        let disk = Tmpfs::new(kilobytes << 10);
        let path = disk.path().join("r2.pcap");
        let mut lab = Lab::with(&format!("--pcap {}", path.display()));
        discard(&lab, 4 << 20);
        answers(&lab);
        lab.r2
            .complains("error: the pcap file ends here: No space left on device");
        assert_counts_every_frame(&lab);
        assert_eq!(lab.stop().status.code(), Some(0));
        let file = fs::read(&path).unwrap();
        assert!(!frames(&file).is_empty() && file.len() as u64 <= kilobytes << 10);
    }
}

#[test]
fn standard_output_takes_the_frames_and_standard_error_the_chat() {
    let folder = tempfile::tempdir().unwrap();
    for (name, file) in [("-", "a"), ("/dev/stdout", "b")] {
        let path = folder.path().join(file);
        let mut lab = Lab::with(&format!("--pcap {name} > {}", path.display()));
        assert!(
            lab.kali("printf 'Hi\\n' | nc.openbsd -N 192.168.69.1 5000")
                .contains("KALI: Hi\n")
        );
        lab.r2.complains("KALI: Hi\n");
        answers(&lab);
        assert_eq!(lab.stop().status.code(), Some(0));
        assert!(!frames(&fs::read(&path).unwrap()).is_empty());
    }
    assert!(!std::path::Path::new("-").exists());
}

/// A log that R2 and others write.
#[test]
fn frames_go_behind_what_is_in_a_file_that_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, "before\n").unwrap();
    let namespace = Namespace::new();
    let line = serve(&folder.path().join("store"), "--pcap /dev/fd/5");
    let mut r2 = namespace.start(&format!("exec 5>> {}; {line}", path.display()));
    r2.complains("R2 ready at ");
    r2.signal(Signal::TERM);
    assert_eq!(r2.wait().status.code(), Some(0));
    let log = fs::read(&path).unwrap();
    frames(log.strip_prefix(b"before\n").expect("what was there"));
}

#[test]
fn a_reader_of_standard_output_that_leaves_costs_frames_and_nothing_else() {
    // At once, perhaps before the file header; after the header; after some frames.
    for reader in ["true", "head -c 24", "head -c 1000"] {
        let store = tempfile::tempdir().unwrap();
        let namespace = Namespace::new();
        let line = serve(store.path(), "--pcap -").replace("exec ", "");
        let lab = Lab::started_by(&format!("{line} | {reader} > /dev/null"), namespace, store);
        while !lab.r2.stderr.text().contains("error: the pcap file ends here: ") {
            answers(&lab);
        }
        assert_counts_every_frame(&lab);
        assert!(
            lab.kali("printf 'Hi\\n' | nc.openbsd -N 192.168.69.1 5000")
                .contains("KALI: Hi\n")
        );
        lab.r2.complains("KALI: Hi\n");
        assert_eq!(lab.r2.stderr.text().matches("the pcap file").count(), 1);
    }
}
