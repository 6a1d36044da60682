//! `hostapp lab` on a TAP, against the kernel: what it tells is what tshark reads in its capture.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use r2_sim::payload;
use r2_tests::lab::{R2, hostapp};
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
    syn: bool,
    fin: bool,
    payload: Vec<u8>,
}

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
fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
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
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

/// The frame of this number.
fn frame<'s>(segments: &'s [(u16, Segment)], number: &Value) -> Option<&'s Segment> {
    let number = number.as_u64()?;
    segments
        .iter()
        .map(|(_, segment)| segment)
        .find(|segment| segment.number == number)
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

/// The number behind each of these words in the page.
fn numbers_behind<'p>(page: &'p str, words: &'p str) -> impl Iterator<Item = u64> + 'p {
    page.split(words).skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}

#[test]
fn the_report_is_of_its_own_run() {
    let (namespace, folder) = (Namespace::new(), tempfile::tempdir().unwrap());
    let line = format!(
        "exec {} lab report --link tap:tap0 --output {}",
        hostapp().display(),
        folder.path().display()
    );
    let ended = namespace.start(&line).finish();
    assert!(ended.status.success(), "{ended:?}");
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    let paper = fs::read(folder.path().join("report.pdf")).unwrap();
    assert!(paper.starts_with(b"%PDF-") && paper.trim_ascii_end().ends_with(b"%%EOF"));
    let sections: Vec<_> = page.split("<section ").skip(1).collect();
    for (section, question) in sections
        .iter()
        .zip(["Parts 1 to 3", "4a", "4b", "4c", "4e", "4f", "4g"])
    {
        assert!(section.contains(&format!("<h2>{question}")), "{question}");
    }
    for (section, name) in [
        (1, "ports"),
        (2, "journey"),
        (4, "rtt"),
        (5, "nagle"),
        (6, "delayed-ack"),
    ] {
        let section = sections[section];
        assert!(
            section.contains(&format!("{name}.pcap, beside this report")),
            "{name}"
        );
        let capture = folder.path().join(format!("{name}.pcap"));
        let frames: Vec<u64> = tshark(&capture, "frame", &["frame.number"])
            .iter()
            .map(|cells| cells[0].parse().unwrap())
            .collect();
        let named: Vec<_> = numbers_behind(section, "frame ")
            .chain(numbers_behind(section, "frames "))
            .collect();
        assert!(
            !named.is_empty() && named.iter().all(|number| frames.contains(number)),
            "{name}: {named:?}"
        );
    }
    // What part 3 tells is what is in its capture.
    let segments = segments(&folder.path().join("journey.pcap"));
    let upload = segments.iter().map(|(_, segment)| segment);
    let upload = upload.filter(|segment| !segment.from_r2 && segment.payload.len() > 100);
    let file: Vec<u8> = upload.flat_map(|segment| segment.payload.clone()).collect();
    let receipt = format!(
        "stored drop-0001 {} bytes sha256 {}",
        file.len(),
        payload::sha256(&file[..])
    );
    assert!(sections[2].contains(&receipt), "{receipt}");
    let syns: Vec<_> = numbers_behind(sections[2], "KALI's SYN (frame ").collect();
    assert_eq!(syns.len(), 2, "a question, a file");
    for number in syns {
        let found = segments.iter().find(|(_, segment)| segment.number == number);
        assert!(
            found.is_some_and(|(_, segment)| segment.syn && !segment.from_r2),
            "frame {number}"
        );
    }
}
