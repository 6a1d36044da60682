//! `hostapp lab` on a TAP, against the kernel: what it tells is what tshark reads in its capture.

use std::path::Path;
use std::process::Command;

use r2_tests::lab::hostapp;
use r2_tests::namespace::Namespace;
use serde_json::Value;

/// A segment with the connection's port, as tshark reads it.
struct Segment {
    number: u64,
    /// Milliseconds.
    at: f64,
    from_r2: bool,
    length: u64,
    seq: u64,
    ack: u64,
}

/// Makes an experiment on the TAP of a network of its own; what it says, and its capture.
fn measure(arguments: &str, folder: &Path) -> (Value, Vec<(u16, Segment)>) {
    let namespace = Namespace::new();
    let file = folder.join("lab.pcap");
    let line = format!(
        "exec {} lab {arguments} --json --pcap {}",
        hostapp().display(),
        file.display()
    );
    let ended = namespace.start(&line).finish();
    assert!(ended.status.success(), "{arguments}: {ended:?}");
    (
        serde_json::from_str(&ended.stdout).expect("JSON"),
        segments(&file),
    )
}

/// Each TCP segment of a capture with KALI's port.
fn segments(file: &Path) -> Vec<(u16, Segment)> {
    let fields = [
        "frame.number",
        "frame.time_relative",
        "tcp.srcport",
        "tcp.dstport",
        "tcp.len",
        "tcp.seq",
        "tcp.ack",
    ];
    let mut tshark = Command::new("tshark");
    tshark
        .args(["-n", "-Y", "tcp", "-T", "fields"])
        .arg("-r")
        .arg(file);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let out = tshark.output().expect("tshark");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines()
        .map(|line| {
            let cells: Vec<_> = line.split('\t').collect();
            let number = |index: usize| cells[index].parse::<u64>().unwrap_or(0);
            let from_r2 = number(2) == 5010 || (6001..=6005).contains(&number(2));
            let port = if from_r2 { number(3) } else { number(2) };
            let segment = Segment {
                number: number(0),
                at: cells[1].parse::<f64>().unwrap() * 1e3,
                from_r2,
                length: number(4),
                seq: number(5),
                ack: number(6),
            };
            (u16::try_from(port).unwrap(), segment)
        })
        .collect()
}

#[test]
fn the_stalled_case_waits_for_the_receivers_timer_and_the_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let (told, segments) = measure("delayed-ack --link tap:tap0", folder.path());
    let cases = told["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let frame = |key: &str| {
            let number = case[key].as_u64()?;
            segments
                .iter()
                .map(|(_, segment)| segment)
                .find(|segment| segment.number == number)
        };
        let from_r2 = case["sender"] == "R2";
        let whole = case["writes"] == 1;
        let (head, answer) = (frame("head_frame").unwrap(), frame("answer_frame").unwrap());
        assert_eq!(
            (head.from_r2, head.length),
            (from_r2, if whole { 17 } else { 8 }),
            "{case}"
        );
        assert_eq!(
            (answer.from_r2, answer.length),
            (!from_r2, if from_r2 { 5 } else { 3 }),
            "{case}"
        );
        let body = frame("body_frame");
        assert_eq!(
            body.map(|body| (body.from_r2, body.length)),
            (!whole).then_some((from_r2, 9)),
            "{case}"
        );
        let delay = if from_r2 { 40.0 } else { 10.0 };
        let median = case["median_ms"].as_f64().unwrap();
        let stalls = case["nagle"] == true && case["ack_delay_ms"] != 0.0 && !whole;
        if stalls {
            let (ack, body) = (frame("ack_frame").unwrap(), body.unwrap());
            assert_eq!(
                (ack.from_r2, ack.length, ack.ack),
                (!from_r2, 0, head.seq + 8),
                "{case}"
            );
            assert!(head.number < ack.number && ack.number < body.number && body.number < answer.number);
            assert!(ack.at - head.at > delay * 0.9, "{case}: {}", ack.at - head.at);
            assert!((delay * 0.9..delay * 4.0).contains(&median), "{case}");
        } else {
            assert!(median < delay * 0.75, "{case}");
        }
    }
}

/// How many segments with data KALI has sent on a connection before R2's answer. With Nagle, panics where one left
/// while an earlier one was not acknowledged.
fn count(segments: &[(u16, Segment)], case: &Value) -> u64 {
    let (mut sent, mut acknowledged, mut count) = (0, 0, 0);
    let of_case = segments
        .iter()
        .filter(|(port, _)| case["port"] == *port)
        .map(|(_, segment)| segment);
    for segment in of_case {
        match (segment.from_r2, segment.length) {
            (true, 1..) => return count,
            (true, 0) => acknowledged = segment.ack,
            (false, 1..) => {
                let nothing_is_under_way = count == 0 || acknowledged == sent;
                assert!(
                    nothing_is_under_way || case["nagle"] == false,
                    "{case}: frame {}",
                    segment.number
                );
                (sent, count) = (segment.seq + segment.length, count + 1);
            }
            (false, 0) => {}
        }
    }
    panic!("no answer: {case}");
}

#[test]
fn nagle_sends_as_many_segments_as_rfc_896_predicts() {
    let folder = tempfile::tempdir().unwrap();
    for link in ["tap:tap0", "local"] {
        let (told, segments) = measure(&format!("nagle --link {link}"), folder.path());
        let cases = told["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 6);
        for case in cases {
            let (writes, nagle) = (case["writes"].as_u64().unwrap(), case["nagle"] == true);
            let segments = count(&segments, case);
            assert_eq!(case["segments"], segments, "{case}");
            let predicted = if nagle { writes.min(2) } else { writes };
            assert_eq!(case["predicted"], predicted);
            // On a machine that is busy elsewhere an acknowledgement may come between two writes: then there is one
            // more, which the rule allows.
            let late = u64::from(link != "local" && nagle && writes > 2);
            assert!((predicted..=predicted + late).contains(&segments), "{case}");
        }
    }
}
