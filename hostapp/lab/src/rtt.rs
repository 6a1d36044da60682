//! The urgent message: how long until R2 has it, and until its sender knows.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use r2_node::service::SECRET;
use serde::{Serialize, Serializer};

use super::account::{Account, Part, Table};
use super::html::Bars;
use super::kali::{Connection, Kali, Setting, Wishes};
use super::ladder::Ladder;
use super::packet::Packet;
use super::{Evidence, as_millis, in_millis, millis, ms};

/// Messages of each way at each loss.
const MESSAGES: usize = 300;

/// How many of a hundred frames are lost, where the user has not said it.
const LOSSES: [u8; 5] = [0, 1, 2, 5, 10];

/// When a sender of datagrams sends again what was not answered: TCP's first time-out (RFC 6298), and what RFC 8085
/// wants. On a longer wire it is longer.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// TCP's first time-out where round trips are short (RFC 6298, 2.4).
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How often it does before it gives up.
const TRIES: usize = 12;

/// How a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Udp,
    NewConnection,
    KeptOpen,
}

impl Way {
    const ALL: [Self; 3] = [Self::Udp, Self::NewConnection, Self::KeptOpen];

    fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::NewConnection => "TCP, new connection",
            Self::KeptOpen => "TCP, kept open",
        }
    }
}

/// A message that was sent.
struct Message {
    text: String,
    /// Its sender decided to send it, and knew that R2 has it.
    sent: Duration,
    known: Duration,
}

/// What was done: at each loss, each way, its messages.
pub(super) struct Made(Vec<(u8, Way, Vec<Message>)>);

/// Sends [`MESSAGES`] messages in each way at each loss, one after the other.
pub(super) fn run(kali: &mut dyn Kali) -> io::Result<Made> {
    let wished = kali.setting().loss;
    let losses = match (kali.setting().in_memory, wished) {
        (true, 0) => &LOSSES[..],
        (true, _) => &[wished][..],
        (false, _) => &[0],
    };
    // Who is where (ARP) is no matter of the experiment.
    kali.ask(SECRET.port, b"SECRET 0", AGAIN_AFTER)?;
    let mut made = Vec::new();
    let mut number = 0;
    for &loss in losses {
        for way in Way::ALL {
            made.push((loss, way, send_all(kali, loss, way, &mut number)?));
        }
    }
    Ok(Made(made))
}

fn send_all(kali: &mut dyn Kali, loss: u8, way: Way, number: &mut u32) -> io::Result<Vec<Message>> {
    let mut open = match way {
        Way::KeptOpen => Some(connect(kali)?),
        _ => None,
    };
    kali.lose(loss);
    let mut messages = Vec::with_capacity(MESSAGES);
    for _ in 0..MESSAGES {
        *number += 1;
        let text = format!("SECRET {number:08}\n");
        let sent = kali.now();
        match (way, open) {
            (Way::Udp, _) => ask(kali, &text)?,
            (Way::NewConnection, _) => {
                let connection = connect(kali)?;
                say(kali, connection, &text)?;
                open = Some(connection);
            }
            (Way::KeptOpen, Some(connection)) => say(kali, connection, &text)?,
            (Way::KeptOpen, None) => {}
        }
        let known = kali.now();
        messages.push(Message { text, sent, known });
        if way == Way::NewConnection
            && let Some(connection) = open.take()
        {
            kali.close(connection)?;
        }
    }
    kali.lose(0);
    if let Some(connection) = open {
        kali.close(connection)?;
    }
    Ok(messages)
}

fn connect(kali: &mut dyn Kali) -> io::Result<Connection> {
    let wishes = Wishes {
        nagle: false,
        delayed_ack: true,
    };
    kali.connect(SECRET.port, wishes)
}

/// What R2 answers.
fn answer(text: &str) -> String {
    let digits = text.trim_start_matches("SECRET ").trim_end();
    format!("Digits: {digits} Count: {}\n", digits.len())
}

fn say(kali: &mut dyn Kali, connection: Connection, text: &str) -> io::Result<()> {
    kali.write(connection, text.as_bytes())?;
    kali.read(connection, answer(text).len()).map(drop)
}

fn ask(kali: &mut dyn Kali, text: &str) -> io::Result<()> {
    let again_after = AGAIN_AFTER.max(kali.setting().one_way * 4);
    for _ in 0..TRIES {
        if kali.ask(SECRET.port, text.as_bytes(), again_after)?.is_some() {
            return Ok(());
        }
    }
    Err(io::Error::other(format!("{TRIES} datagrams in a row were lost")))
}

/// When R2 had the message: the first frame with it that arrived.
fn arrival<'p>(message: &Message, packets: &'p [Packet]) -> Option<&'p Packet> {
    let from = packets.partition_point(|packet| packet.at < message.sent);
    let has = |packet: &&Packet| {
        !packet.from_r2
            && !packet.lost
            && packet
                .payload
                .windows(message.text.len())
                .any(|part| part == message.text.as_bytes())
    };
    packets[from..]
        .iter()
        .take_while(|packet| packet.at <= message.known)
        .find(has)
}

/// The times that so many of a hundred did not exceed.
fn percentiles(mut times: Vec<Duration>) -> [Duration; PERCENT.len()] {
    times.sort_unstable();
    PERCENT.map(|percent| {
        let rank = (times.len() * percent).div_ceil(100).max(1);
        times.get(rank - 1).copied().unwrap_or_default()
    })
}

/// The parts of a hundred messages that a table shows the times of.
const PERCENT: [usize; 4] = [50, 90, 99, 100];

/// What the frames show.
#[derive(Serialize)]
pub(super) struct Findings {
    experiment: &'static str,
    wire: String,
    #[serde(rename = "rtt_ms", serialize_with = "as_millis")]
    rtt: Duration,
    cases: Vec<Case>,
    #[serde(skip)]
    slowest: Option<Slowest>,
}

/// One way at one loss.
#[derive(Serialize)]
struct Case {
    #[serde(serialize_with = "named")]
    way: Way,
    loss_percent: u8,
    messages: usize,
    /// How long until R2 had so many of a hundred messages, and until KALI knew it: see [`PERCENT`].
    #[serde(rename = "r2_has_it_ms", serialize_with = "all_as_millis")]
    had: [Duration; PERCENT.len()],
    #[serde(rename = "kali_knows_ms", serialize_with = "all_as_millis")]
    known: [Duration; PERCENT.len()],
    /// The medians of both; `None` on a wire without a delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trips: Option<[f64; 2]>,
    /// The frame that brings the first message.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_frame: Option<Packet>,
    /// All frames of the first message.
    #[serde(skip)]
    ladder: Ladder,
}

/// The slowest message on the connections that were kept open: all frames that brought it.
struct Slowest {
    loss: u8,
    sent: Vec<Packet>,
    ladder: Ladder,
}

fn named<S: Serializer>(way: &Way, to: S) -> Result<S::Ok, S::Error> {
    way.name().serialize(to)
}

fn all_as_millis<S: Serializer>(times: &[Duration; PERCENT.len()], to: S) -> Result<S::Ok, S::Error> {
    times.map(in_millis).serialize(to)
}

/// Finds how long the messages took.
pub(super) fn find(setting: &Setting, made: Made, evidence: &Evidence) -> Findings {
    let packets = &evidence.packets[..];
    let slowest = slowest(&made, packets);
    let cases = made.0.into_iter();
    let cases = cases.map(|(loss, way, messages)| measure(loss, way, &messages, packets, setting.one_way));
    Findings {
        experiment: "rtt",
        wire: setting.wire.clone(),
        rtt: setting.one_way * 2,
        cases: cases.collect(),
        slowest,
    }
}

fn measure(loss: u8, way: Way, messages: &[Message], packets: &[Packet], one_way: Duration) -> Case {
    let arrivals: Vec<_> = messages
        .iter()
        .filter_map(|message| Some((message, arrival(message, packets)?)))
        .collect();
    let had = arrivals
        .iter()
        .map(|(message, packet)| (packet.at + one_way).saturating_sub(message.sent));
    let known = messages
        .iter()
        .map(|message| message.known.saturating_sub(message.sent));
    let (had, known) = (percentiles(had.collect()), percentiles(known.collect()));
    let rtt = (one_way * 2).as_secs_f64();
    // The clock's step is a millionth of a second.
    let trips = |times: [Duration; 4]| (times[0].as_secs_f64() / rtt * 1e6).round() / 1e6;
    let first = arrivals.first();
    let ladder = first.map(|(message, packet)| {
        let during = packets
            .iter()
            .filter(|p| p.at >= message.sent && p.at < message.known);
        Ladder::of(during.filter(|p| p.kali == packet.kali))
    });
    Case {
        way,
        loss_percent: loss,
        messages: messages.len(),
        had,
        known,
        round_trips: (rtt > 0.0).then(|| [trips(had), trips(known)]),
        first_frame: first.map(|(_, packet)| (*packet).clone()),
        ladder: ladder.unwrap_or_default(),
    }
}

/// The slowest message on the connection that was kept open, if the wire has lost any of it.
fn slowest(made: &Made, packets: &[Packet]) -> Option<Slowest> {
    let kept_open = made.0.iter().filter(|(_, way, _)| *way == Way::KeptOpen);
    let messages =
        kept_open.flat_map(|(loss, _, messages)| messages.iter().map(move |message| (loss, message)));
    let (&loss, message) = messages.max_by_key(|(_, message)| message.known.saturating_sub(message.sent))?;
    let during = || {
        let packets = packets.iter();
        packets.filter(|packet| (message.sent..=message.known).contains(&packet.at))
    };
    let has = |packet: &&Packet| !packet.from_r2 && packet.payload.starts_with(message.text.as_bytes());
    let sent: Vec<_> = during().filter(has).cloned().collect();
    let [first, _, ..] = &sent[..] else {
        return None;
    };
    let ladder = Ladder::of(during().filter(|packet| packet.is_of(first.kali)));
    Some(Slowest { loss, sent, ladder })
}

/// Tells it.
pub(super) fn tell(setting: &Setting, findings: &Findings) -> Account {
    let cases = &findings.cases[..];
    let bar = |case: &Case| {
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
    Account {
        title: "The urgent message".into(),
        parts,
    }
}

const WHAT_LOSS_COSTS: &str = "\
    What loss costs: either way somebody has to notice and send again. TCP's first time-out is 1 s, and each further \
    one is twice as long (RFC 6298, 5.5); a new connection has more packets that can be lost, its SYN among them. The \
    sender of datagrams has to bring a timer of its own; this one asks again every time after the same pause, which is \
    why its worst case is better, and why RFC 8085 wants such senders to be patient, too. UDP saves the handshake; it \
    does not save the repair.";

fn table(cases: &[Case]) -> Table {
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

fn conclusion<'c>(cases: impl Iterator<Item = &'c Case>, rtt: Duration) -> String {
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

#[cfg(test)]
mod tests {
    use super::super::wire::{InMemory, Options};
    use super::*;

    /// What smoltcp's timer does, by losing the very first frame of some messages: how long each takes.
    #[test]
    fn a_doubled_time_out_holds_until_a_segment_that_was_sent_once_is_acknowledged() {
        let mut kali = InMemory::new(&Options {
            ip: "192.168.69.1/24".parse().unwrap(),
            rtt: Duration::from_millis(50),
            loss: 0,
            seed: 1,
        });
        let connection = connect(&mut kali).unwrap();
        let mut took = |lost: bool, number: u32| {
            let (text, sent) = (format!("SECRET {number:08}\n"), kali.now());
            kali.lose(if lost { 100 } else { 0 });
            kali.write(connection, text.as_bytes()).unwrap();
            kali.lose(0);
            kali.read(connection, answer(&text).len()).unwrap();
            kali.now().saturating_sub(sent)
        };
        let pattern = [false, true, true, true, false, true, false, false];
        let times: Vec<_> = pattern
            .into_iter()
            .zip(1..)
            .map(|(lost, number)| took(lost, number).as_millis())
            .collect();
        assert_eq!(times, [50, 1050, 2050, 4050, 50, 1050, 50, 50]);
    }
}
