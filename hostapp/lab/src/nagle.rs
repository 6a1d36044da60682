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

/// Bytes of a full segment on Ethernet.
const FULL: usize = 1460;

/// The connections that were made.
pub(super) struct Made {
    /// With Nagle or without, how many writes, and KALI's port.
    small: Vec<(bool, usize, u16)>,
    /// KALI's port of the connection with a write of [`FULL`] bytes and one of a byte.
    full_and_one: u16,
}

/// Writes so many bytes one by one, waits for the answer to the last, and closes; without and with Nagle. Then writes a
/// full segment and one byte, with Nagle.
pub(super) fn run(kali: &mut dyn Kali) -> io::Result<Made> {
    kali.lose(kali.setting().loss);
    let mut small = Vec::new();
    for writes in WRITES {
        for nagle in [false, true] {
            let mut line = vec![&b"x"[..]; writes - 1];
            line.push(b"\n");
            small.push((nagle, writes, write_and_wait(kali, nagle, &line)?));
        }
    }
    Ok(Made {
        small,
        full_and_one: write_and_wait(kali, true, &[&[b'x'; FULL], b"\n"])?,
    })
}

/// Writes a line, each of `writes` with one call, and waits for R2's answer. Returns KALI's port.
fn write_and_wait(kali: &mut dyn Kali, nagle: bool, writes: &[&[u8]]) -> io::Result<u16> {
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
    for bytes in writes {
        kali.write(connection, bytes)?;
    }
    kali.read(connection, OK.len())?;
    kali.close(connection)?;
    Ok(kali.port(connection))
}

/// What the frames show.
#[derive(Serialize)]
pub(super) struct NagleFindings {
    experiment: &'static str,
    wire: String,
    #[serde(rename = "rtt_ms", serialize_with = "as_millis")]
    rtt: Duration,
    cases: Vec<SmallWrites>,
    /// `None` where the wire has lost a part of it, or the segment was not full.
    full_and_one: Option<FullAndOne>,
}

/// A full segment and the byte behind it, with Nagle.
#[derive(Serialize)]
struct FullAndOne {
    full_frame: Packet,
    byte_frame: Packet,
    /// R2's acknowledgement of the full segment, if the byte left only after it.
    waited_for_frame: Option<Packet>,
    #[serde(skip)]
    ladder: Ladder,
}

/// A conversation, from the first byte to the answer.
#[derive(Serialize)]
struct SmallWrites {
    writes: usize,
    nagle: bool,
    port: u16,
    /// Segments with data, from KALI.
    segments: usize,
    /// How many of them RFC 9293, 3.7.4 predicts.
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
pub(super) fn find(setting: &Setting, made: Made, evidence: &Evidence) -> NagleFindings {
    let of = |port| {
        let packets = evidence.packets.iter();
        packets.filter(|packet| packet.is_of(port)).collect::<Vec<_>>()
    };
    let case = |(nagle, writes, port)| look(&of(port), nagle, writes, setting.one_way);
    NagleFindings {
        experiment: "nagle",
        wire: setting.wire.clone(),
        rtt: setting.one_way * 2,
        cases: made.small.into_iter().filter_map(case).collect(),
        full_and_one: look_at_the_byte(&of(made.full_and_one)),
    }
}

fn look_at_the_byte(packets: &[&Packet]) -> Option<FullAndOne> {
    let data = || {
        packets
            .iter()
            .filter(|packet| packet.is_data() && !packet.from_r2)
    };
    let full = data().next().filter(|full| full.payload.len() == FULL)?;
    let byte = data().find(|packet| packet.end() == full.end() + 1)?;
    let between = packets.iter().filter(|packet| packet.number < byte.number);
    let mut ack = between.filter(|packet| packet.from_r2 && packet.ack() >= Some(full.end()));
    let shown = full.number
        ..=packets
            .iter()
            .find(|packet| packet.is_data() && packet.from_r2)?
            .number;
    Some(FullAndOne {
        full_frame: (*full).clone(),
        byte_frame: (*byte).clone(),
        waited_for_frame: ack.next_back().copied().cloned(),
        ladder: Ladder::of(
            packets
                .iter()
                .copied()
                .filter(|packet| shown.contains(&packet.number)),
        ),
    })
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

/// The segments that RFC 9293, 3.7.4 predicts of writes that come before the first acknowledgement.
fn predicted(nagle: bool, writes: usize) -> usize {
    if nagle { writes.min(2) } else { writes }
}

/// Tells it.
pub(super) fn tell(setting: &Setting, findings: &NagleFindings) -> Account {
    let why = if setting.one_way.is_zero() {
        "R2 delays acknowledgements here, so that KALI makes all writes before the first acknowledgement"
    } else {
        "R2 acknowledges at once, and its acknowledgement reaches KALI one round trip after the write"
    };
    let mut parts = vec![
        Part::Text(format!(
            "KALI writes single bytes, one after the other, and waits for R2's answer to the last, on {}; KALI's TCP is \
             {}'s. {why}. The table counts what was on the wire from the first byte to the answer, acknowledgements \
             included: KALI's segments with data, how many of them the rule below predicts, all frames, their bytes, and how \
             many bytes that is for each byte that KALI wrote.",
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
    parts.extend([
        Part::Text(
            "What it is for: the small-packet problem (RFC 896). A byte that travels alone makes a packet of 41 bytes, 20 of \
             IPv4's header, 20 of TCP's and the byte, and on Ethernet a frame of 55. A program that sends each key as it is \
             pressed, or writes in small pieces, so loads the network with forty bytes for one; on a slow or busy line the \
             queues fill, packets are lost and sent again, and that is congestion."
                .into(),
        ),
        Part::Text(format!(
            "The rule (RFC 896; RFC 9293, 3.7.4): if any data is unacknowledged, the sender keeps what is written until all \
             data has been acknowledged or a full segment (MSS) is ready. Without Nagle {most} writes made {without} segments \
             and took {}. With Nagle they made {with} and took {}: the first byte leaves at once, because nothing is \
             unacknowledged; the others gather until its acknowledgement comes, and leave together.",
            ms(fast),
            ms(slow)
        )),
    ]);
    for case in longest() {
        let nagle = if case.nagle { "with" } else { "without" };
        parts.push(Part::Text(format!(
            "{most} writes {nagle} Nagle, frames {} to {}:",
            case.first_frame, case.last_frame
        )));
        parts.push(Part::Ladder(case.ladder.clone()));
    }
    if let Some(found) = &findings.full_and_one {
        parts.push(Part::Text(tell_of_the_byte(found)));
        parts.push(Part::Ladder(found.ladder.clone()));
    }
    parts.push(Part::Text(
        "When to use it: Nagle saves packets and costs waiting. Leave it on where a program writes in small pieces and nobody \
         waits for each. Switch it off (TCP_NODELAY, which RFC 1122, 4.2.3.4 wants every TCP to have) where each write is a \
         message whose answer somebody waits for, and write each message with one call."
            .into(),
    ));
    Account::new("Nagle's algorithm and small writes", parts)
}

/// Which of the two rules KALI's TCP has.
fn tell_of_the_byte(found: &FullAndOne) -> String {
    let (full, byte) = (&found.full_frame, &found.byte_frame);
    let begin = format!(
        "A write of a full segment and one of a byte, with Nagle. The full segment leaves at once (frame {}, {} bytes): a full \
         segment never waits. ",
        full.number,
        full.payload.len()
    );
    match &found.waited_for_frame {
        Some(ack) => format!(
            "{begin}The byte behind it leaves only when all before it is acknowledged (frame {}), in frame {}: that is the rule of \
             RFC 896. Linux has Minshall's variant of it, in which only a small segment that is unacknowledged holds the next \
             small one; there the byte would leave at once (--link tap:tap0 shows it).",
            ack.number, byte.number
        ),
        None => format!(
            "{begin}The byte behind it leaves at once too (frame {}), although the full segment is unacknowledged: that is Minshall's \
             variant, which Linux has, and in which only a small segment that is unacknowledged holds the next small one. By \
             the rule of RFC 896 the byte would wait for the acknowledgement (--link local shows it, with smoltcp).",
            byte.number
        ),
    }
}

fn table(cases: &[SmallWrites]) -> Table {
    let mut table = Table::new(&[
        "writes",
        "Nagle",
        "segments",
        "predicted",
        "frames",
        "bytes",
        "bytes for one",
        "ms",
    ]);
    for case in cases {
        table.row([
            case.writes.to_string(),
            on(case.nagle).into(),
            case.segments.to_string(),
            case.predicted.to_string(),
            case.frames.to_string(),
            case.bytes.to_string(),
            (case.bytes / case.payload.max(1)).to_string(),
            millis(case.took),
        ]);
    }
    table
}

fn bar(case: &SmallWrites) -> (String, f64) {
    let plural = if case.writes == 1 { "" } else { "s" };
    let label = format!("{} write{plural}, Nagle {}", case.writes, on(case.nagle));
    #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
    let bytes = case.bytes as f64;
    (label, bytes)
}
