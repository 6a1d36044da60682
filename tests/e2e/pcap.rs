//! `--pcap` writes every frame of both directions into a file that tcpdump reads.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;

use r2_sim::pcap::frames;
use r2_sim::stranger::Heard;
use r2_tests::lab::Lab;

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
