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
        (label, in_millis(case.had[2]))
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
        Part::Text(
            "Times in milliseconds: the median, the 90th and the 99th percentile (99 of 100 messages took no longer), and the \
             slowest. A message has arrived when R2 has it, and is answered when KALI knows."
                .into(),
        ),
        Part::Table(table(cases)),
        Part::Bars(Bars {
            title: "ms until 99 of 100 messages have arrived".into(),
            bars: cases.iter().map(bar).collect(),
        }),
        Part::Text(VERDICT.into()),
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

const VERDICT: &str = "\
    UDP or TCP? For a single urgent message to a server with which no connection is open: UDP, because it arrives half a \
    round trip after it was sent, and TCP's first byte after one and a half. If a connection is open already, TCP is as \
    fast and repairs losses by itself. With UDP the sender has to do that: wait for an answer, with a timer of its own, \
    and ask again. TCP Fast Open (RFC 7413) carries the message in the SYN and so arrives as early as UDP, but only where \
    the server has handed out a cookie before, and the message may be delivered twice (RFC 7413, 6.1).";

const WHAT_LOSS_COSTS: &str = "\
    What loss costs: with UDP and with TCP somebody has to notice it and send again. TCP's time-out is 1 s before the first \
    round trip is measured, and by the RFC never less (RFC 6298, 2.1 and 2.4); each further one is twice as long (5.5). R2 \
    sends an answer again much sooner, after two round trips and 45 ms: it probes an end that stays silent (RFC 8985, 7). A \
    new connection has more packets that can be lost, its SYN among them. The sender of datagrams asks again after the same \
    pause every time here, which is why its slowest message is faster; RFC 8085, 3.1.1 wants such senders to slow down, too. \
    UDP saves the handshake; it does not save the repair.";

fn table(cases: &[WayAtLoss]) -> Table {
    let mut table = Table::new(&[
        "way",
        "loss",
        "arrived p50",
        "p90",
        "p99",
        "max",
        "answered p50",
        "p90",
        "p99",
        "max",
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
        "The slowest message on a connection kept open, at {} % loss, was sent in frame {} and again after {}. Each pause is \
         twice the one before (RFC 6298, 5.5).",
        slowest.loss,
        slowest.sent[0].number,
        all.join(", ")
    );
    if pauses[0] > FIRST_PAUSE * 3 / 2 {
        text += " The first pause is above 1 s already: earlier losses had doubled the time-out, and it stays doubled until a \
                 segment that was sent only once is acknowledged, because the acknowledgement of a repeated segment does not \
                 tell which of the two it is for (Karn's algorithm; RFC 6298, 3). If R2's answer was lost, the next round trip \
                 that KALI measures contains R2's own time-out, and all later time-outs follow that.";
    }
    text
}

fn conclusion<'c>(cases: impl Iterator<Item = &'c WayAtLoss>, rtt: Duration) -> String {
    let mut text = String::from("Medians at the least loss of the table.");
    let mut before = " ";
    for case in cases {
        let (had, known) = (case.had[0], case.known[0]);
        let _ = write!(text, "{before}{}: arrived after {}", case.way.name(), ms(had));
        if !rtt.is_zero() {
            let trips = |time: Duration| time.as_secs_f64() / rtt.as_secs_f64();
            let _ = write!(
                text,
                " ({:.2} round trips), answered after {:.2}",
                trips(had),
                trips(known)
            );
        }
        before = "; ";
    }
    text + ". Theory: a datagram needs nothing before it and arrives after half a round trip. TCP's SYN and SYN-ACK take a round \
            trip before the first byte may leave (RFC 9293, 3.5), so it arrives after one and a half; on a connection that is \
            open already, after the half alone."
}
