//! Telling of the urgent message.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::account::{Account, Part, Table};
use super::super::html::Bars;
use super::super::kali::Setting;
use super::super::{in_millis, millis, ms};
use super::{AGAIN_AFTER, MESSAGES, RttFindings, Slowest, WayAtLoss};

/// TCP's first time-out where round trips are short (RFC 6298, 2.4).
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Tells it.
pub(in super::super) fn tell(setting: &Setting, findings: &RttFindings) -> Account {
    let cases = &findings.cases[..];
    let bar = |case: &WayAtLoss| {
        let label = format!("{}, {} % lost", case.way.name(), case.loss_percent);
        (label, in_millis(case.had[1]))
    };
    let least = cases
        .iter()
        .filter(|case| case.loss_percent == cases[0].loss_percent);
    let mut parts = vec![
        Part::Text(format!(
            "KALI has an urgent message for R2's secret service, {MESSAGES} times in each way, on {}. \
             R2 has it when the first frame with it arrives; KALI knows when the answer is there. A datagram without an \
             answer is sent again after {}.",
            setting.described(),
            ms(AGAIN_AFTER.max(setting.one_way * 4)),
        )),
        Part::Text("Times in milliseconds: so many of a hundred messages took no longer.".into()),
        Part::Table(table(cases)),
        Part::Bars(Bars {
            title: "ms until R2 has 90 of 100 messages".into(),
            bars: cases.iter().map(bar).collect(),
        }),
        Part::Text(conclusion(least.clone(), findings.rtt)),
        Part::Text(WHAT_LOSS_COSTS.into()),
    ];
    if let Some(slowest) = &findings.slowest {
        parts.push(Part::Text(tell_slowest(slowest)));
        parts.push(Part::Ladder(slowest.ladder.clone()));
    }
    for case in least {
        if let Some(packet) = &case.first_frame {
            parts.push(Part::Text(format!(
                "{}: frame {} brings the first message.",
                case.way.name(),
                packet.number
            )));
            parts.push(Part::Ladder(case.ladder.clone()));
        }
    }
    Account::new("The urgent message", parts)
}

const WHAT_LOSS_COSTS: &str = "\
    What loss costs: either way somebody has to notice and send again. TCP's first time-out is 1 s, and each further \
    one is twice as long (RFC 6298, 5.5); a new connection has more packets that can be lost, its SYN among them. The \
    sender of datagrams has to bring a timer of its own; this one asks again every time after the same pause, which is \
    why its worst case is better, and why RFC 8085 wants such senders to be patient, too. UDP saves the handshake; it \
    does not save the repair.";

fn table(cases: &[WayAtLoss]) -> Table {
    let mut table = Table::new(&[
        "way",
        "loss",
        "R2 has it: 50 %",
        "90 %",
        "99 %",
        "worst",
        "KALI knows: 50 %",
        "90 %",
        "99 %",
        "worst",
    ]);
    for case in cases {
        let names = [case.way.name().to_owned(), format!("{} %", case.loss_percent)];
        let times = [case.had, case.known].into_iter().flatten().map(millis);
        table.row(names.into_iter().chain(times));
    }
    table
}

fn tell_slowest(slowest: &Slowest) -> String {
    let pauses: Vec<_> = slowest
        .sent
        .windows(2)
        .map(|pair| pair[1].at.saturating_sub(pair[0].at))
        .collect();
    let all: Vec<_> = pauses.iter().copied().map(ms).collect();
    let mut text = format!(
        "The slowest message on a connection kept open, at {} % lost: sent in frame {}, and again after {}; each pause is \
         twice the one before (RFC 6298, 5.5).",
        slowest.loss,
        slowest.sent[0].number,
        all.join(", ")
    );
    if pauses[0] > FIRST_PAUSE * 3 / 2 {
        text += " The first is longer than 1 s already, for losses outlast their message. A doubled time-out holds until a \
                 segment that was sent only once has been acknowledged: of one that was sent twice nobody knows which \
                 was (Karn's algorithm; RFC 6298, 3). And where R2's answer was lost, the next round trip that is measured has \
                 R2's own time-out in it, and all later time-outs follow that.";
    }
    text
}

fn conclusion<'c>(cases: impl Iterator<Item = &'c WayAtLoss>, rtt: Duration) -> String {
    let mut text = String::from("At the least loss of the table, half of the messages by");
    for case in cases {
        let (had, known) = (case.had[0], case.known[0]);
        let _ = write!(text, " {}: R2 has them after {}", case.way.name(), ms(had));
        if !rtt.is_zero() {
            let trips = |time: Duration| time.as_secs_f64() / rtt.as_secs_f64();
            let _ = write!(
                text,
                " ({:.2} round trips), KALI knows after {:.2}",
                trips(had),
                trips(known)
            );
        }
        text += ".";
    }
    text + " Theory: a datagram leaves at once, half a round trip. TCP's SYN and SYN-ACK are a round trip before the first \
            byte (RFC 9293, 3.5), so one and a half; a connection that is open already pays only the half."
}
