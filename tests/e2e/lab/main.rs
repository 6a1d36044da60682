//! `hostapp lab` on a TAP, against the kernel: what it tells is what tshark reads in its capture.

mod capture;
mod report;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use r2_sim::payload;
use r2_tests::lab::hostapp;
use r2_tests::namespace::Namespace;
use serde_json::Value;

use self::capture::{Segment, bytes, frame, segments, tshark};

/// Makes an experiment on the TAP of a network of its own; what it says, and its capture.
fn measure(arguments: &str, folder: &Path) -> (Value, Vec<(u16, Segment)>) {
    measure_in(&Namespace::new(), arguments, folder)
}

fn measure_in(namespace: &Namespace, arguments: &str, folder: &Path) -> (Value, Vec<(u16, Segment)>) {
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

#[test]
fn the_stalled_case_waits_for_the_receivers_timer_and_the_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let (told, segments) = measure("delayed-ack --link tap:tap0", folder.path());
    let cases = told["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 12);
    for case in cases {
        let frame = |key: &str| frame(&segments, &case[key]);
        let from_r2 = case["sender"] == "R2";
        let whole = case["writes"] == 1 || case["held"] == true;
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
        is_the_rule_of_its_tcp(&told["full_and_one"], &segments, link == "local");
    }
}

/// The byte behind a full segment waits for the acknowledgement of that in smoltcp, and does not in Linux.
fn is_the_rule_of_its_tcp(found: &Value, segments: &[(u16, Segment)], waits: bool) {
    let frame = |key: &str| frame(segments, &found[key]);
    let (full, byte) = (frame("full_frame").unwrap(), frame("byte_frame").unwrap());
    assert_eq!((full.length, byte.length), (1460, 1), "{found}");
    assert_eq!(byte.seq, full.seq + full.length, "{found}");
    let waited_for = frame("waited_for_frame");
    assert_eq!(waited_for.is_some(), waits, "{found}");
    if let Some(ack) = waited_for {
        assert!(full.number < ack.number && ack.number < byte.number, "{found}");
        assert_eq!((ack.from_r2, ack.ack), (true, byte.seq), "{found}");
    }
}

/// The ports of KALI's that the kernel keeps in TIME-WAIT for connections to R2's `port`.
fn resting(namespace: &Namespace, port: u16) -> Vec<u16> {
    let table = namespace.inside(|| fs::read_to_string("/proc/thread-self/net/tcp").unwrap());
    let port_of = |address: &str| u16::from_str_radix(address.split_once(':')?.1, 16).ok();
    let rows = table.lines().skip(1).filter_map(|line| {
        let cells: Vec<_> = line.split_whitespace().collect();
        let (near, far) = (port_of(cells[1])?, port_of(cells[2])?);
        (cells[3] == "06" && far == port).then_some(near)
    });
    rows.collect()
}

#[test]
fn the_ports_are_those_that_the_kernel_had() {
    let (namespace, folder) = (Namespace::new(), tempfile::tempdir().unwrap());
    let (told, segments) = measure_in(&namespace, "ports --link tap:tap0", folder.path());
    let connections = told["connections"].as_array().unwrap();
    let kernels = resting(&namespace, 5010);
    let mut ports = Vec::new();
    for connection in connections {
        let port = u16::try_from(connection["kali_port"].as_u64().unwrap()).unwrap();
        assert!(kernels.contains(&port), "{port} is none of {kernels:?}");
        let of = |key: &str| {
            let number = connection[key].as_u64().unwrap();
            segments
                .iter()
                .find(|(_, segment)| segment.number == number)
                .unwrap()
        };
        let ((syn_port, syn), (answer_port, answer)) = (of("syn_frame"), of("answer_frame"));
        assert_eq!((*syn_port, *answer_port), (port, port), "{connection}");
        assert!(
            syn.syn && !syn.from_r2 && answer.syn && answer.from_r2,
            "{connection}"
        );
        ports.push(port);
    }
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(
        ports.len(),
        3,
        "connections that are open together have ports of their own"
    );
    // The range of the namespace, in lines that are filled anew.
    let line = format!("exec {} lab ports --link tap:tap0", hostapp().display());
    let text = namespace.start(&line).prints();
    let words: Vec<_> = text.split_whitespace().collect();
    assert!(words.join(" ").contains("here 1024 to 65535"), "{text}");
}

#[test]
fn an_urgent_message_is_in_the_frame_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (told, segments) = measure("rtt --link tap:tap0", folder.path());
    let cases = told["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    let to_r2 = |segment: &Segment| !segment.from_r2 && segment.payload.starts_with(b"SECRET ");
    // What a busy machine makes the kernel repeat is the same message.
    let different = |messages: &mut dyn Iterator<Item = Vec<u8>>| messages.collect::<BTreeSet<_>>().len();
    let sent = segments
        .iter()
        .map(|(_, segment)| segment)
        .filter(|segment| to_r2(segment));
    assert_eq!(different(&mut sent.map(|segment| segment.payload.clone())), 600);
    let callers = segments
        .iter()
        .filter(|(_, segment)| segment.syn && !segment.from_r2);
    let callers: BTreeSet<_> = callers.map(|(port, _)| port).collect();
    assert_eq!(
        callers.len(),
        301,
        "one connection for each message, and one that is kept"
    );
    let datagrams = tshark(
        &folder.path().join("lab.pcap"),
        "udp.dstport == 5010",
        &["frame.number", "udp.payload"],
    );
    let asked = different(&mut datagrams.iter().map(|cells| bytes(&cells[1])));
    assert_eq!(asked, 301, "one has asked who is where");
    for (case, first) in cases.iter().zip([1, 301, 601]) {
        let message = format!("SECRET {first:08}\n");
        let payload = match case["way"].as_str() {
            Some("UDP") => {
                let number = case["first_frame"].to_string();
                let found = datagrams.iter().find(|cells| cells[0] == number);
                bytes(&found.unwrap()[1])
            }
            _ => frame(&segments, &case["first_frame"]).unwrap().payload.clone(),
        };
        assert_eq!(payload, message.as_bytes(), "{case}");
        let (had, known) = (&case["r2_has_it_ms"][0], &case["kali_knows_ms"][0]);
        assert!(had.as_f64() <= known.as_f64(), "{case}");
    }
}

/// What the journey tells of each connection is what tshark reads; the bytes that KALI has sent on the last one.
fn is_a_journey(told: &Value, segments: &[(u16, Segment)]) -> Vec<u8> {
    let mut sent = Vec::new();
    for connection in told["connections"].as_array().unwrap() {
        let frame = |key: &str| frame(segments, &connection[key]).unwrap();
        let (syn, syn_ack, ack) = (frame("syn_frame"), frame("syn_ack_frame"), frame("ack_frame"));
        assert!(
            syn.syn && !syn.from_r2 && syn_ack.syn && syn_ack.from_r2,
            "{connection}"
        );
        assert_eq!((ack.syn, ack.from_r2, ack.ack), (false, false, 1), "{connection}");
        let data = connection["data_frames"].as_array().unwrap();
        let data = data.iter().map(|number| self::frame(segments, number).unwrap());
        sent = data.flat_map(|segment| segment.payload.clone()).collect();
        assert_eq!(connection["bytes"], sent.len(), "{connection}");
        let (fin, answer) = (frame("fin_frame"), frame("answer_frame"));
        assert!(fin.fin && !fin.from_r2, "{connection}");
        assert_eq!(connection["answer"].as_str().unwrap().as_bytes(), answer.payload);
        let (r2_fin, last) = (frame("r2_fin_frame"), frame("last_frame"));
        assert!(r2_fin.fin && r2_fin.from_r2, "{connection}");
        assert_eq!(
            (last.from_r2, last.ack),
            (false, r2_fin.seq + r2_fin.length + 1),
            "{connection}"
        );
    }
    sent
}

#[test]
fn a_journey_is_told_by_the_frames_that_were_on_the_wire() {
    let folder = tempfile::tempdir().unwrap();
    for link in ["tap:tap0", "local"] {
        let (told, segments) = measure(&format!("journey --link {link}"), folder.path());
        let file = is_a_journey(&told, &segments);
        assert_eq!(told["sha256"], payload::sha256(&file[..]));
    }
}
