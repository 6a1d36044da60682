//! A capture of the lab's, as tshark reads it.

use std::path::Path;
use std::process::Command;

use r2_tests::lab::R2;
use serde_json::Value;

/// A segment with the connection's port, as tshark reads it.
pub(super) struct Segment {
    pub(super) number: u64,
    /// Milliseconds.
    pub(super) at: f64,
    pub(super) from_r2: bool,
    pub(super) length: u64,
    pub(super) seq: u64,
    pub(super) ack: u64,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) payload: Vec<u8>,
}

/// Each TCP segment of a capture with KALI's port.
pub(super) fn segments(file: &Path) -> Vec<(u16, Segment)> {
    let fields = [
        "frame.number",
        "frame.time_relative",
        "tcp.srcport",
        "tcp.dstport",
        "tcp.len",
        "tcp.seq",
        "tcp.ack",
        "tcp.flags.syn",
        "tcp.flags.fin",
        "tcp.payload",
        "ip.src",
    ];
    tshark(file, "tcp", &fields)
        .iter()
        .map(|cells| {
            let number = |index: usize| cells[index].parse::<u64>().unwrap_or(0);
            let is_set = |index: usize| matches!(&*cells[index], "1" | "True");
            let from_r2 = cells[10] == R2;
            let port = if from_r2 { number(3) } else { number(2) };
            let segment = Segment {
                number: number(0),
                at: cells[1].parse::<f64>().unwrap() * 1e3,
                from_r2,
                length: number(4),
                seq: number(5),
                ack: number(6),
                syn: is_set(7),
                fin: is_set(8),
                payload: bytes(&cells[9]),
            };
            (u16::try_from(port).unwrap(), segment)
        })
        .collect()
}

/// These fields of each frame of a capture that passes the filter.
pub(super) fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut tshark = Command::new("tshark");
    tshark
        .args(["-n", "-Y", filter, "-T", "fields"])
        .arg("-r")
        .arg(file);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let out = tshark.output().expect("tshark");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines()
        .map(|line| line.split('\t').map(Into::into).collect())
        .collect()
}

/// Bytes as tshark shows them.
pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

/// The frame of this number.
pub(super) fn frame<'s>(segments: &'s [(u16, Segment)], number: &Value) -> Option<&'s Segment> {
    let number = number.as_u64()?;
    segments
        .iter()
        .map(|(_, segment)| segment)
        .find(|segment| segment.number == number)
}
