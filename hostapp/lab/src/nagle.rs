//! What Nagle's algorithm does to small writes.

use std::io;
use std::time::Duration;

use serde_json::json;

use super::account::{Account, Part, Table};
use super::html::Bars;
use super::kali::{Kali, Setting, Wishes};
use super::ladder::Ladder;
use super::packet::Packet;
use super::r2::{DELAYING_READER, OK, READER};
use super::{Evidence, in_millis, millis, ms};

/// How many writes of one byte each. The most is what Linux sends before the first acknowledgement (RFC 6928).
const WRITES: [usize; 3] = [1, 2, 10];

/// What was done: whether with Nagle, how many writes, and KALI's port.
pub(super) struct Made(Vec<(bool, usize, u16)>);

/// Writes so many bytes one by one, waits for the answer to the last, and closes; without and with Nagle.
pub(super) fn run(kali: &mut dyn Kali) -> io::Result<Made> {
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
    Ok(Made(made))
}

/// What the frames of one conversation show, from the first byte to the answer.
struct Seen<'p> {
    frames: Vec<&'p Packet>,
    /// Segments with data, from KALI.
    segments: usize,
    /// Bytes in all frames, and of KALI's data in them.
    on_the_wire: usize,
    payload: usize,
    took: Duration,
}

fn look(packets: &[Packet], port: u16, one_way: Duration) -> Option<Seen<'_>> {
    let of_case: Vec<_> = packets.iter().filter(|packet| packet.is_of(port)).collect();
    let first = of_case.iter().position(|packet| packet.is_data())?;
    let answer = of_case
        .iter()
        .position(|packet| packet.is_data() && packet.from_r2)?;
    let frames = of_case.get(first..=answer)?.to_vec();
    let data = || frames.iter().filter(|packet| packet.is_data() && !packet.from_r2);
    let (segments, payload) = (data().count(), data().map(|packet| packet.payload.len()).sum());
    let took = (of_case[answer].at + one_way).saturating_sub(of_case[first].at);
    Some(Seen {
        segments,
        on_the_wire: frames.iter().map(|packet| packet.length).sum(),
        payload,
        took,
        frames,
    })
}

/// The segments that RFC 896 predicts of writes that come before the first acknowledgement.
fn predicted(nagle: bool, writes: usize) -> usize {
    if nagle { writes.min(2) } else { writes }
}

/// Tells what the frames show.
pub(super) fn tell(setting: &Setting, made: &Made, evidence: &Evidence) -> Account {
    let packets = &evidence.packets[..];
    let why = if setting.one_way.is_zero() {
        "R2 delays acknowledgements here, so that all writes come before the first"
    } else {
        "R2 acknowledges at once, a round trip after the first write"
    };
    let mut parts = vec![Part::Text(format!(
        "KALI writes single bytes, one after the other, and waits for R2's answer to the last, on {}; \
         KALI's TCP is {}'s. {why}. Counted is from the first byte to the answer, acknowledgements included.",
        setting.described(),
        setting.kali
    ))];
    let mut table = Table::new(&[
        "writes", "Nagle", "segments", "RFC 896", "frames", "bytes", "overhead", "ms",
    ]);
    let mut bars = Vec::new();
    let (mut json, mut ladders, mut most) = (Vec::new(), Vec::new(), [(0, Duration::ZERO); 2]);
    for &(nagle, writes, port) in &made.0 {
        let Some(seen) = look(packets, port, setting.one_way) else {
            continue;
        };
        let predicted = predicted(nagle, writes);
        let overhead = (seen.on_the_wire - seen.payload) * 100 / seen.payload.max(1);
        table.row([
            writes.to_string(),
            if nagle { "on" } else { "off" }.into(),
            seen.segments.to_string(),
            predicted.to_string(),
            seen.frames.len().to_string(),
            seen.on_the_wire.to_string(),
            format!("{overhead} %"),
            millis(seen.took),
        ]);
        let (first, last) = (seen.frames[0].number, seen.frames[seen.frames.len() - 1].number);
        json.push(json!({
            "writes": writes, "nagle": nagle, "port": port, "segments": seen.segments, "predicted": predicted,
            "frames": seen.frames.len(), "bytes": seen.on_the_wire, "payload": seen.payload,
            "ms": in_millis(seen.took), "first_frame": first, "last_frame": last,
        }));
        let label = format!("{writes} write(s), Nagle {}", if nagle { "on" } else { "off" });
        #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
        bars.push((label, seen.on_the_wire as f64));
        most[usize::from(nagle)] = (seen.segments, seen.took);
        if writes == WRITES[WRITES.len() - 1] {
            let nagle = if nagle { "with" } else { "without" };
            ladders.push(Part::Text(format!(
                "{writes} writes {nagle} Nagle, frames {first} to {last}:"
            )));
            ladders.push(Part::Ladder(Ladder::of(seen.frames)));
        }
    }
    parts.push(Part::Table(table));
    parts.push(Part::Bars(Bars {
        title: "bytes on the wire".into(),
        bars,
    }));
    let [(without, fast), (with, slow)] = most;
    parts.push(Part::Text(format!(
        "Each segment of one byte carries 54 bytes of headers (Ethernet 14, IPv4 20, TCP 20). Without Nagle {} writes made \
         {without} segments and took {}; with it {with} and {}: the first byte leaves at once, the rest gathers \
         until the acknowledgement of the first is there, and leaves together. That is RFC 896: while a small segment is \
         unacknowledged, no other leaves. Nagle saves packets and costs waiting, so switch it off where each write is a \
         message that somebody waits for, and leave it on where a program writes in crumbs.",
        WRITES[WRITES.len() - 1],
        ms(fast),
        ms(slow)
    )));
    parts.extend(ladders);
    Account {
        title: "Nagle's algorithm and small writes".into(),
        parts,
        json: json!({
            "experiment": "nagle", "wire": setting.wire, "rtt_ms": in_millis(setting.one_way * 2), "cases": json,
        }),
    }
}
