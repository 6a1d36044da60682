//! What is in a pcap file, by our own reading and by Wireshark's.

use std::path::Path;
use std::process::Command;

/// The frames of a classic pcap file of Ethernet frames. Panics where it is none, or has half a frame.
pub fn frames(file: &[u8]) -> Vec<&[u8]> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(word(0), 0xa1b2_c3d4, "the magic number");
    assert_eq!(word(20), 1, "the link type of Ethernet");
    let (mut frames, mut at) = (Vec::new(), 24);
    while at < file.len() {
        let length = word(at + 8) as usize;
        assert_eq!(word(at + 12) as usize, length, "a whole frame");
        frames.push(&file[at + 16..at + 16 + length]);
        at += 16 + length;
    }
    frames
}

/// What tshark prints of the file at `path`, checksums verified, with these words behind it. Panics where it complains.
pub fn tshark(path: &Path, words: &[&str]) -> String {
    let output = Command::new("tshark")
        .args([
            "-n",
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "tcp.check_checksum:TRUE",
        ])
        .args(["-o", "udp.check_checksum:TRUE", "-r"])
        .arg(path)
        .args(words)
        .output()
        .expect("tshark runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    // Root is told, each time, that it should not be.
    let rest: Vec<_> = complaint
        .lines()
        .filter(|line| !line.starts_with("Running as user"))
        .collect();
    assert!(output.status.success() && rest.is_empty(), "tshark: {complaint}");
    String::from_utf8(output.stdout).expect("text")
}

/// What tshark finds wrong with the frames of the file at `path`: nothing, if they are whole.
pub fn complaints(path: &Path) -> String {
    let filter = "_ws.malformed or _ws.short or ip.checksum.status == 0 or tcp.checksum.status == 0 or \
                  udp.checksum.status == 0";
    tshark(path, &["-Y", filter])
}

/// What went to `port` on the first TCP connection to it, put together again by tshark.
pub fn sent_to(path: &Path, port: u16) -> Vec<u8> {
    let stream = tshark(
        path,
        &[
            "-Y",
            &format!("tcp.dstport == {port}"),
            "-T",
            "fields",
            "-e",
            "tcp.stream",
        ],
    );
    let stream = stream.lines().next().expect("a connection");
    let followed = tshark(path, &["-q", "-z", &format!("follow,tcp,raw,{stream}")]);
    // A line a segment in hexadecimal, those of the other direction behind a tab.
    let lines = followed
        .lines()
        .skip_while(|line| !line.starts_with("Node 1"))
        .skip(1)
        .take_while(|line| !line.starts_with('='));
    lines
        .filter(|line| !line.starts_with('\t'))
        .flat_map(|line| (0..line.len()).step_by(2).map(move |at| &line[at..at + 2]))
        .map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal"))
        .collect()
}
