//! What Nagle's algorithm does to small writes.

use std::io;
use std::time::Duration;

use serde::Serialize;

use super::account::{Account, Part, Table};
use super::html::Bars;
use super::kali::{Kali, Setting, Wishes};
use super::ladder::Ladder;
use super::machine::{DELAYING_READER, OK, READER};
use super::packet::Packet;
use super::{Evidence, as_millis, millis, ms, on};

/// How many writes of one byte each. The most is what Linux sends before the first acknowledgement (RFC 6928).
const WRITES: [usize; 3] = [1, 2, 10];

/// Writes so many bytes one by one, waits for the answer to the last, and closes; without and with Nagle. Returns
/// whether with Nagle, how many writes, and KALI's port.
pub(super) fn run(kali: &mut dyn Kali) -> io::Result<Vec<(bool, usize, u16)>> {
    let mut made = Vec::new();
    kali.lose(kali.setting().loss);
    for writes in WRITES {
        for nagle in [false, true] {
            let wishes = Wishes {
                nagle,
                delayed_ack: true,
            };
            // On a TAP an acknowledgement would come before the next write: there R2 delays it.
            let service = if kali.setting().one_way.is_zero() {
                DELAYING_READER
            } else {
                READER
            };
            let connection = kali.connect(service.port, wishes)?;
            for _ in 1..writes {
                kali.write(connection, b"x")?;
            }
            kali.write(connection, b"\n")?;
            kali.read(connection, OK.len())?;
            kali.close(connection)?;
            made.push((nagle, writes, kali.port(connection)));
        }
    }
    Ok(made)
}

/// What the frames show.
#[derive(Serialize)]
pub(super) struct NagleFindings {
    experiment: &'static str,
    wire: String,
    #[serde(rename = "rtt_ms", serialize_with = "as_millis")]
    rtt: Duration,
    cases: Vec<SmallWrites>,
}

/// A conversation, from the first byte to the answer.
#[derive(Serialize)]
struct SmallWrites {
    writes: usize,
    nagle: bool,
    port: u16,
    /// Segments with data, from KALI.
    segments: usize,
    /// What RFC 896 predicts of them.
    predicted: usize,
    frames: usize,
    /// Bytes in all frames, and of KALI's data in them.
    bytes: usize,
    payload: usize,
    #[serde(rename = "ms", serialize_with = "as_millis")]
    took: Duration,
    first_frame: usize,
    last_frame: usize,
    #[serde(skip)]
    ladder: Ladder,
}

/// Finds each conversation, and counts what it took.
pub(super) fn find(setting: &Setting, made: Vec<(bool, usize, u16)>, evidence: &Evidence) -> NagleFindings {
    let case = |(nagle, writes, port)| {
        let of_case = evidence.packets.iter().filter(|packet| packet.is_of(port));
        look(&of_case.collect::<Vec<_>>(), nagle, writes, setting.one_way)
    };
    NagleFindings {
        experiment: "nagle",
        wire: setting.wire.clone(),
        rtt: setting.one_way * 2,
        cases: made.into_iter().filter_map(case).collect(),
    }
}

fn look(of_case: &[&Packet], nagle: bool, writes: usize, one_way: Duration) -> Option<SmallWrites> {
    let first = of_case.iter().position(|packet| packet.is_data())?;
    let answer = of_case
        .iter()
        .position(|packet| packet.is_data() && packet.from_r2)?;
    let frames = of_case.get(first..=answer)?;
    let data = || frames.iter().filter(|packet| packet.is_data() && !packet.from_r2);
    Some(SmallWrites {
        writes,
        nagle,
        port: of_case[first].kali,
        segments: data().count(),
        predicted: predicted(nagle, writes),
        frames: frames.len(),
        bytes: frames.iter().map(|packet| packet.length).sum(),
        payload: data().map(|packet| packet.payload.len()).sum(),
        took: (of_case[answer].at + one_way).saturating_sub(of_case[first].at),
        first_frame: of_case[first].number,
        last_frame: of_case[answer].number,
        ladder: Ladder::of(frames.iter().copied()),
    })
}

/// The segments that RFC 896 predicts of writes that come before the first acknowledgement.
fn predicted(nagle: bool, writes: usize) -> usize {
    if nagle { writes.min(2) } else { writes }
}

/// Tells it.
pub(super) fn tell(setting: &Setting, findings: &NagleFindings) -> Account {
    let why = if setting.one_way.is_zero() {
        "R2 delays acknowledgements here, so that all writes come before the first"
    } else {
        "R2 acknowledges at once, a round trip after the first write"
    };
    let mut parts = vec![
        Part::Text(format!(
            "KALI writes single bytes, one after the other, and waits for R2's answer to the last, on {}; \
             KALI's TCP is {}'s. {why}. Counted is from the first byte to the answer, acknowledgements included.",
            setting.described(),
            setting.kali
        )),
        Part::Table(table(&findings.cases)),
        Part::Bars(Bars {
            title: "bytes on the wire".into(),
            bars: findings.cases.iter().map(bar).collect(),
        }),
    ];
    let most = WRITES[WRITES.len() - 1];
    let longest = || findings.cases.iter().filter(|case| case.writes == most);
    let what = |nagle| {
        let case = longest().find(|case| case.nagle == nagle);
        case.map_or((0, Duration::ZERO), |case| (case.segments, case.took))
    };
    let [(without, fast), (with, slow)] = [false, true].map(what);
    parts.push(Part::Text(format!(
        "Each segment of one byte carries 54 bytes of headers (Ethernet 14, IPv4 20, TCP 20). Without Nagle {most} writes made \
         {without} segments and took {}; with it {with} and {}: the first byte leaves at once, the rest gathers \
         until the acknowledgement of the first is there, and leaves together. That is RFC 896: while a small segment is \
         unacknowledged, no other leaves. Nagle saves packets and costs waiting, so switch it off where each write is a \
         message that somebody waits for, and leave it on where a program writes in crumbs.",
        ms(fast),
        ms(slow)
    )));
    for case in longest() {
        let nagle = if case.nagle { "with" } else { "without" };
        parts.push(Part::Text(format!(
            "{most} writes {nagle} Nagle, frames {} to {}:",
            case.first_frame, case.last_frame
        )));
        parts.push(Part::Ladder(case.ladder.clone()));
    }
    Account::new("Nagle's algorithm and small writes", parts)
}

fn table(cases: &[SmallWrites]) -> Table {
    let mut table = Table::new(&[
        "writes", "Nagle", "segments", "RFC 896", "frames", "bytes", "overhead", "ms",
    ]);
    for case in cases {
        let overhead = (case.bytes - case.payload) * 100 / case.payload.max(1);
        table.row([
            case.writes.to_string(),
            on(case.nagle).into(),
            case.segments.to_string(),
            case.predicted.to_string(),
            case.frames.to_string(),
            case.bytes.to_string(),
            format!("{overhead} %"),
            millis(case.took),
        ]);
    }
    table
}

fn bar(case: &SmallWrites) -> (String, f64) {
    let label = format!("{} write(s), Nagle {}", case.writes, on(case.nagle));
    #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
    let bytes = case.bytes as f64;
    (label, bytes)
}
