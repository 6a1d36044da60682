//! Write, write, read: where Nagle's algorithm and delayed acknowledgements wait for each other.

use std::io;
use std::time::Duration;

use serde_json::json;

use super::account::{Account, Part, Table};
use super::html::Bars;
use super::kali::{Kali, Setting, Wishes};
use super::ladder::Ladder;
use super::packet::Packet;
use super::r2::{
    ACK_DELAY, BODY, DELAYING_READER, HEAD, HOLDING_WRITER, NAGLE_WRITER, OK, READER, WHOLE_WRITER, WRITER,
};
use super::{Evidence, in_millis, millis, ms};

/// Messages on each connection.
const ROUNDS: usize = 5;

/// One combination.
#[derive(Clone, Copy, Debug)]
struct Case {
    sender: Sender,
    nagle: bool,
    delayed_ack: bool,
    writes: Writes,
    /// What it would be on a machine of one's own, where it is a cure.
    cure: &'static str,
}

impl Case {
    fn described(&self) -> String {
        let writes = match self.writes {
            Writes::Two => "2 writes",
            Writes::Held => "2 writes, held",
            Writes::One => "1 write",
        };
        format!(
            "Nagle {}, delayed ACK {}, {writes}",
            on(self.nagle),
            on(self.delayed_ack)
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Kali,
    R2,
}

/// How the two parts of a message are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writes {
    Two,
    /// Two, and the first says that more follows.
    Held,
    One,
}

impl Writes {
    fn name(self) -> &'static str {
        match self {
            Self::Two => "2",
            Self::Held => "2, held",
            Self::One => "1",
        }
    }
}

/// Every combination, the stalled one of each direction first.
fn cases() -> Vec<Case> {
    let of = |sender, nagle, delayed_ack, writes, cure| Case {
        sender,
        nagle,
        delayed_ack,
        writes,
        cure,
    };
    let both = |sender| {
        let held = match sender {
            Sender::Kali => "hold the first part back (MSG_MORE, TCP_CORK)",
            Sender::R2 => "hold the first part back (write both before the stack sends)",
        };
        [
            of(sender, true, true, Writes::Two, ""),
            of(
                sender,
                false,
                true,
                Writes::Two,
                "Nagle off (TCP_NODELAY) at the sender",
            ),
            of(
                sender,
                true,
                false,
                Writes::Two,
                "acknowledge at once (TCP_QUICKACK) at the receiver",
            ),
            of(sender, false, false, Writes::Two, "both"),
            of(sender, true, true, Writes::Held, held),
            of(sender, true, true, Writes::One, "one write (writev, a buffer)"),
        ]
    };
    [both(Sender::Kali), both(Sender::R2)].concat()
}

/// What was done: each case, and KALI's port in it.
pub(super) struct Made(Vec<(Case, u16)>);

/// Sends [`ROUNDS`] messages in every case.
pub(super) fn run(kali: &mut dyn Kali) -> io::Result<Made> {
    let mut made = Vec::new();
    kali.lose(kali.setting().loss);
    for case in cases() {
        let port = match case.sender {
            Sender::Kali => kali_sends(kali, case)?,
            Sender::R2 => r2_sends(kali, case)?,
        };
        made.push((case, port));
    }
    Ok(Made(made))
}

fn kali_sends(kali: &mut dyn Kali, case: Case) -> io::Result<u16> {
    let service = if case.delayed_ack { DELAYING_READER } else { READER };
    let wishes = Wishes {
        nagle: case.nagle,
        delayed_ack: true,
    };
    let connection = kali.connect(service.port, wishes)?;
    let body = [&BODY[1..], b"\n"].concat();
    for _ in 0..ROUNDS {
        match case.writes {
            Writes::One => kali.write(connection, &[&HEAD, &*body].concat())?,
            Writes::Two => {
                kali.write(connection, &HEAD)?;
                kali.write(connection, &body)?;
            }
            Writes::Held => {
                kali.write_more(connection, &HEAD)?;
                kali.write(connection, &body)?;
            }
        }
        kali.read(connection, OK.len())?;
    }
    kali.close(connection)?;
    Ok(kali.port(connection))
}

fn r2_sends(kali: &mut dyn Kali, case: Case) -> io::Result<u16> {
    let service = match (case.writes, case.nagle) {
        (Writes::One, _) => WHOLE_WRITER,
        (Writes::Held, _) => HOLDING_WRITER,
        (Writes::Two, true) => NAGLE_WRITER,
        (Writes::Two, false) => WRITER,
    };
    let wishes = Wishes {
        nagle: false,
        delayed_ack: case.delayed_ack,
    };
    let connection = kali.connect(service.port, wishes)?;
    // The first line asks for a message; each further one answers it, and asks for the next.
    for _ in 0..=ROUNDS {
        kali.write(connection, b"next\n")?;
        kali.read(connection, HEAD.len() + BODY.len())?;
    }
    kali.close(connection)?;
    Ok(kali.port(connection))
}

/// A message, as it was on the wire.
struct Round<'p> {
    head: &'p Packet,
    /// The acknowledgement that the receiver has sent of the header alone.
    ack: Option<&'p Packet>,
    /// The segment with the body, where it is another.
    body: Option<&'p Packet>,
    answer: &'p Packet,
    /// From the first write to the answer, at the sender.
    took: Duration,
}

/// The messages of a connection.
fn rounds<'p>(packets: &[&'p Packet], from_r2: bool, one_way: Duration) -> Vec<Round<'p>> {
    let mut rounds = Vec::new();
    let mut rest = packets;
    while let Some(at) = rest.iter().position(|p| p.is_data() && p.from_r2 == from_r2) {
        let head = rest[at];
        rest = &rest[at + 1..];
        let Some(end) = rest.iter().position(|p| p.is_data() && p.from_r2 != from_r2) else {
            break;
        };
        let (between, answer) = (&rest[..end], rest[end]);
        let ack = between
            .iter()
            .find(|p| p.from_r2 != from_r2 && p.ack() == Some(head.end()));
        let body = between.iter().find(|p| p.is_data() && p.from_r2 == from_r2);
        rounds.push(Round {
            head,
            ack: ack.copied(),
            body: body.copied(),
            answer,
            took: (answer.at + one_way).saturating_sub(head.at),
        });
        rest = &rest[end + 1..];
    }
    rounds
}

/// The one in the middle.
fn median(rounds: &[Round<'_>]) -> Duration {
    let mut took: Vec<_> = rounds.iter().map(|round| round.took).collect();
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

fn on(flag: bool) -> &'static str {
    if flag { "on" } else { "off" }
}

/// Tells what the frames show.
pub(super) fn tell(setting: &Setting, made: &Made, evidence: &Evidence) -> Account {
    let packets = &evidence.packets[..];
    let mut parts = vec![Part::Text(format!(
        "A message goes out in two writes, a header of {} bytes and a body of {}, and the sender waits for the answer: \
         write, write, read. {ROUNDS} messages a connection, a connection for each combination, on {}; KALI's TCP is {}'s. \
         The time is the median from the first write to the answer.",
        HEAD.len(),
        BODY.len(),
        setting.described(),
        setting.kali
    ))];
    let mut json = Vec::new();
    for (sender, title) in [
        (Sender::Kali, "KALI sends, R2 receives"),
        (Sender::R2, "R2 sends, KALI receives"),
    ] {
        parts.push(Part::Heading(title.into()));
        let from_r2 = sender == Sender::R2;
        let delay: Duration = if from_r2 {
            setting.ack_delay
        } else {
            ACK_DELAY.into()
        };
        let mut table = Table::new(&[
            "Nagle at the sender",
            "delayed ACK at the receiver",
            "writes",
            "ms",
            "frames of a message",
        ]);
        let (mut told, mut bars) = (Vec::new(), Vec::new());
        let mut stalled = Duration::ZERO;
        for (case, port) in made.0.iter().filter(|(case, _)| case.sender == sender) {
            let of_case: Vec<_> = packets.iter().filter(|packet| packet.is_of(*port)).collect();
            let rounds = rounds(&of_case, from_r2, setting.one_way);
            let Some(last) = rounds.last() else { continue };
            let took = median(&rounds);
            let ack_delay = if case.delayed_ack {
                format!("on, {}", ms(delay))
            } else {
                "off".into()
            };
            let writes = case.writes.name();
            bars.push((case.described(), in_millis(took)));
            table.row([
                on(case.nagle).into(),
                ack_delay,
                writes.into(),
                millis(took),
                numbers(last),
            ]);
            json.push(json!({
                "sender": if from_r2 { "R2" } else { "KALI" },
                "nagle": case.nagle,
                "ack_delay_ms": if case.delayed_ack { in_millis(delay) } else { 0.0 },
                "writes": if case.writes == Writes::One { 1 } else { 2 },
                "held": case.writes == Writes::Held,
                "median_ms": in_millis(took),
                "port": port,
                "head_frame": last.head.number,
                "ack_frame": last.ack.map(|p| p.number),
                "body_frame": last.body.map(|p| p.number),
                "answer_frame": last.answer.number,
            }));
            if case.cure.is_empty() {
                stalled = took;
                told.push(Part::Text(explain(last, delay, from_r2)));
                told.push(Part::Ladder(Ladder::of(shown(&of_case, last))));
            } else {
                told.push(Part::Text(cure(case.cure, last, took, stalled)));
                if case.writes != Writes::Two || !case.nagle && case.delayed_ack {
                    told.push(Part::Ladder(Ladder::of(shown(&of_case, last))));
                }
            }
        }
        parts.push(Part::Table(table));
        parts.push(Part::Bars(Bars {
            title: format!("{title}: ms from the first write to the answer"),
            bars,
        }));
        parts.extend(told);
    }
    parts.push(Part::Text(
        "Theory: Nagle's algorithm (RFC 896) holds a small segment while an earlier one is unacknowledged; a delayed \
         acknowledgement (RFC 1122, 4.2.3.2) waits for an answer to travel with, or for its timer. The receiver cannot \
         answer half a message, so both wait for the timer. One of the two has to give, or the message must leave whole: written \
         with one call, or held back until its last part is there. A kernel holds on request, MSG_MORE for one call or TCP_CORK \
         until further notice; smoltcp sends when it is polled, so what is written before the next poll leaves together."
            .into(),
    ));
    Account {
        title: "Nagle's algorithm and delayed acknowledgements".into(),
        parts,
        json: json!({ "experiment": "delayed-ack", "wire": setting.wire, "cases": json }),
    }
}

/// From the header to the answer.
fn shown<'p>(packets: &[&'p Packet], round: &Round<'_>) -> Vec<&'p Packet> {
    let numbers = round.head.number..=round.answer.number;
    packets
        .iter()
        .copied()
        .filter(|p| numbers.contains(&p.number))
        .collect()
}

fn numbers(round: &Round<'_>) -> String {
    let all = [Some(round.head), round.ack, round.body, Some(round.answer)];
    let mut numbers: Vec<_> = all.into_iter().flatten().map(|packet| packet.number).collect();
    numbers.sort_unstable();
    let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(" ")
}

fn explain(round: &Round<'_>, delay: Duration, from_r2: bool) -> String {
    let (sender, receiver) = if from_r2 { ("R2", "KALI") } else { ("KALI", "R2") };
    let head = round.head;
    match (round.ack, round.body) {
        (Some(ack), Some(body)) if body.number > ack.number => format!(
            "The stall. {sender} sends the header at once (frame {}). Nothing answers it, so {receiver} delays the \
             acknowledgement, by {}, and {sender} holds the body, because a segment of {} bytes is unacknowledged. \
             {} later {receiver}'s timer sends the acknowledgement (frame {}), at once the body follows (frame {}), and \
             then the answer (frame {}).",
            head.number,
            ms(delay),
            head.payload.len(),
            ms(ack.at.saturating_sub(head.at)),
            ack.number,
            body.number,
            round.answer.number
        ),
        _ => format!(
            "Frame {} was answered by frame {} without the stall: the timer was not waited for this time.",
            head.number, round.answer.number
        ),
    }
}

fn cure(what: &str, round: &Round<'_>, took: Duration, stalled: Duration) -> String {
    let how = match (round.ack, round.body) {
        (_, None) => format!("header and body are one segment, frame {}", round.head.number),
        (Some(ack), Some(body)) if ack.number < body.number => format!(
            "frame {} acknowledges the header at once, frame {} brings the body",
            ack.number, body.number
        ),
        (_, Some(body)) => format!(
            "the body follows the header unasked, frames {} and {}",
            round.head.number, body.number
        ),
    };
    format!("A cure: {what}: {how}; {} instead of {}.", ms(took), ms(stalled))
}
