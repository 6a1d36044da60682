//! Telling of the stall and its cures.

use std::time::Duration;

use super::super::account::{Account, Part, Table};
use super::super::html::Bars;
use super::super::kali::Setting;
use super::super::machine::{BODY, HEAD};
use super::super::{in_millis, millis, ms, on};
use super::{CaseFound, DelayedAckFindings, ROUNDS, Round, Sender, Writes};

/// Tells it.
pub(in super::super) fn tell(setting: &Setting, findings: &DelayedAckFindings) -> Account {
    let mut parts = vec![Part::Text(format!(
        "A message goes out in two writes, a header of {} bytes and a body of {}, and the sender waits for the answer: \
         write, write, read. {ROUNDS} messages a connection, a connection for each combination, on {}; KALI's TCP is {}'s. \
         The time is the median from the first write to the answer.",
        HEAD.len(),
        BODY.len(),
        setting.described(),
        setting.kali
    ))];
    let mut excerpts = Vec::new();
    for (sender, name, title) in [
        (Sender::Kali, "kali-sends", "KALI sends, R2 receives"),
        (Sender::R2, "r2-sends", "R2 sends, KALI receives"),
    ] {
        let cases = findings.cases.iter().filter(|found| found.case.sender == sender);
        // Behind the heading: the table, its drawing, and the stall with its frames.
        let table = parts.len() + 1;
        excerpts.push((name, table..table + 4));
        parts.extend(tell_direction(title, &cases.collect::<Vec<_>>()));
    }
    parts.push(Part::Text(
        "Why. Nagle's algorithm holds a small segment while data before it is unacknowledged (RFC 9293, 3.7.4). A delayed \
         acknowledgement waits for an answer to travel with, for a second full segment, or for its timer: the RFCs allow at \
         most 500 ms, and want an acknowledgement for at least every second full segment (RFC 9293, 3.8.6.3; RFC 1122, \
         4.2.3.2; RFC 5681, 4.2). Half a message is neither a full segment nor can the receiver answer it, so the sender waits \
         for the receiver's acknowledgement, and the receiver for its own timer. Bulk transfers do not suffer: there every \
         second segment is acknowledged."
            .into(),
    ));
    parts.push(Part::Text(
        "Where it is met: a client of HTTP on a connection that is kept open writes the header of a POST with one call and its \
         body with another, or a remote procedure call writes a length and then the arguments. Each request then takes 40 ms \
         longer with a Linux receiver, and up to 200 ms longer with others, on a network whose round trip is a millisecond."
            .into(),
    ));
    parts.push(Part::Text(
        "What helps: one of the two gives way, or the message leaves whole, written with one call or held back until its last \
         part is there. A kernel holds it on request, MSG_MORE for one call or TCP_CORK until further notice. smoltcp sends \
         when it is polled, so what is written before the next poll leaves together."
            .into(),
    ));
    Account {
        excerpts,
        ..Account::new("Nagle's algorithm and delayed acknowledgements", parts)
    }
}

/// Tells of the cases with one sender: the stall first, and its cures.
fn tell_direction(title: &str, cases: &[&CaseFound]) -> Vec<Part> {
    let mut table = Table::new(&[
        "Nagle at the sender",
        "delayed ACK at the receiver",
        "writes",
        "ms",
        "frames of a message",
    ]);
    let mut told = Vec::new();
    let mut stalled = Duration::ZERO;
    for found in cases {
        let case = &found.case;
        let ack_delay = if case.delayed_ack {
            format!("on, {}", ms(found.ack_delay))
        } else {
            "off".into()
        };
        table.row([
            on(case.nagle).into(),
            ack_delay,
            case.writes.name().into(),
            millis(found.took),
            numbers(&found.last),
        ]);
        let ladder = Part::Ladder(found.ladder.clone());
        if case.cure.is_empty() {
            stalled = found.took;
            told.extend([Part::Text(explain(found)), ladder]);
        } else {
            told.push(Part::Text(cure(found, stalled)));
            if case.writes != Writes::Two || !case.nagle && case.delayed_ack {
                told.push(ladder);
            }
        }
    }
    let bar = |found: &&CaseFound| (found.case.described(), in_millis(found.took));
    let mut parts = vec![
        Part::Heading(title.into()),
        Part::Table(table),
        Part::Bars(Bars {
            title: format!("{title}: ms from the first write to the answer"),
            bars: cases.iter().map(bar).collect(),
        }),
    ];
    parts.extend(told);
    parts
}

fn numbers(round: &Round) -> String {
    let all = [
        Some(&round.head),
        round.ack.as_ref(),
        round.body.as_ref(),
        Some(&round.answer),
    ];
    let mut numbers: Vec<_> = all.into_iter().flatten().map(|packet| packet.number).collect();
    numbers.sort_unstable();
    let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(" ")
}

fn explain(found: &CaseFound) -> String {
    let (sender, receiver) = match found.case.sender {
        Sender::R2 => ("R2", "KALI"),
        Sender::Kali => ("KALI", "R2"),
    };
    let (round, head) = (&found.last, &found.last.head);
    match (&round.ack, &round.body) {
        (Some(ack), Some(body)) if body.number > ack.number => format!(
            "The stall. {sender} sends the header at once (frame {}). {receiver} cannot answer half a message, so it delays \
             the acknowledgement by {}. {sender} holds the body because the {} bytes before it are unacknowledged. {} later \
             {receiver}'s timer sends the acknowledgement (frame {}); the body follows at once (frame {}), then the answer \
             (frame {}).",
            head.number,
            ms(found.ack_delay),
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

fn cure(found: &CaseFound, stalled: Duration) -> String {
    let round = &found.last;
    let how = match (&round.ack, &round.body) {
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
    format!(
        "A cure: {}: {how}; {} instead of {}.",
        found.case.cure,
        ms(found.took),
        ms(stalled)
    )
}
