//! The urgent message: how long until R2 has it, and until its sender knows.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use serde_json::json;

use super::account::{Account, Part, Table};
use super::html::Bars;
use super::kali::{Connection, Kali, Setting, Wishes};
use super::ladder::Ladder;
use super::packet::Packet;
use super::{Evidence, in_millis, millis, ms};

use r2_services::SECRET;

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

/// The time that so many of a hundred did not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// Tells what the frames show.
pub(super) fn tell(setting: &Setting, made: &Made, evidence: &Evidence) -> Account {
    let packets = &evidence.packets[..];
    let rtt = setting.one_way * 2;
    let mut parts = vec![Part::Text(format!(
        "KALI has an urgent message for R2's secret service, {MESSAGES} times in each way, on {}. \
         R2 has it when the first frame with it arrives; KALI knows when the answer is there. A datagram without an answer \
         is sent again after {}.",
        setting.described(),
        ms(AGAIN_AFTER.max(setting.one_way * 4)),
    ))];
    let (mut json, mut ladders) = (Vec::new(), Vec::new());
    let (mut first, mut bars) = (Vec::new(), Vec::new());
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
    for (loss, way, messages) in &made.0 {
        let arrivals: Vec<_> = messages
            .iter()
            .filter_map(|m| Some((m, arrival(m, packets)?)))
            .collect();
        let sorted = |mut times: Vec<Duration>| {
            times.sort_unstable();
            times
        };
        let had = arrivals
            .iter()
            .map(|(m, p)| (p.at + setting.one_way).saturating_sub(m.sent));
        let had = sorted(had.collect());
        let known = sorted(messages.iter().map(|m| m.known.saturating_sub(m.sent)).collect());
        let mut row = vec![way.name().to_owned(), format!("{loss} %")];
        let mut entry = json!({ "way": way.name(), "loss_percent": loss, "messages": messages.len() });
        for (key, times) in [("r2_has_it_ms", &had), ("kali_knows_ms", &known)] {
            let at = [50, 90, 99, 100].map(|percent| percentile(times, percent));
            row.extend(at.map(millis));
            entry[key] = json!(at.map(in_millis));
        }
        if let Some((_, packet)) = arrivals.first() {
            entry["first_frame"] = json!(packet.number);
        }
        if !rtt.is_zero() {
            let trips = |times: &[Duration]| {
                // The clock's step is a millionth of a second.
                (percentile(times, 50).as_secs_f64() / rtt.as_secs_f64() * 1e6).round() / 1e6
            };
            entry["round_trips"] = json!([trips(&had), trips(&known)]);
        }
        table.row(row);
        json.push(entry);
        bars.push((
            format!("{}, {loss} % lost", way.name()),
            in_millis(percentile(&had, 90)),
        ));
        if *loss == made.0[0].0 {
            first.push((*way, percentile(&had, 50), percentile(&known, 50)));
            if let Some((message, packet)) = arrivals.first() {
                let of_message = packets
                    .iter()
                    .filter(|p| p.at >= message.sent && p.at < message.known && p.kali == packet.kali);
                ladders.push(Part::Text(format!(
                    "{}: frame {} brings the first message.",
                    way.name(),
                    packet.number
                )));
                ladders.push(Part::Ladder(Ladder::of(of_message)));
            }
        }
    }
    parts.push(Part::Text(
        "Times in milliseconds: so many of a hundred messages took no longer.".into(),
    ));
    parts.push(Part::Table(table));
    parts.push(Part::Bars(Bars {
        title: "ms until R2 has 90 of 100 messages".into(),
        bars,
    }));
    parts.push(Part::Text(conclusion(&first, rtt)));
    parts.push(Part::Text(
        "What loss costs: either way somebody has to notice and send again. TCP's first time-out is 1 s, and each further \
         one is twice as long (RFC 6298, 5.5); a new connection has more packets that can be lost, its SYN among them. The \
         sender of datagrams has to bring a timer of its own; this one asks again every time after the same pause, which is \
         why its worst case is better, and why RFC 8085 wants such senders to be patient, too. UDP saves the handshake; it \
         does not save the repair."
            .into(),
    ));
    parts.extend(slowest(made, packets));
    parts.extend(ladders);
    Account {
        title: "The urgent message".into(),
        parts,
        json: json!({ "experiment": "rtt", "wire": setting.wire, "rtt_ms": in_millis(rtt), "cases": json }),
    }
}

/// Tells of the slowest message on the connection that was kept open, if the wire has lost any of it.
fn slowest(made: &Made, packets: &[Packet]) -> Vec<Part> {
    let kept_open = made.0.iter().filter(|(_, way, _)| *way == Way::KeptOpen);
    let messages =
        kept_open.flat_map(|(loss, _, messages)| messages.iter().map(move |message| (loss, message)));
    let Some((loss, message)) =
        messages.max_by_key(|(_, message)| message.known.saturating_sub(message.sent))
    else {
        return Vec::new();
    };
    let during = || {
        let packets = packets.iter();
        packets.filter(|packet| (message.sent..=message.known).contains(&packet.at))
    };
    let has = |packet: &&Packet| !packet.from_r2 && packet.payload.starts_with(message.text.as_bytes());
    let sent: Vec<_> = during().filter(has).collect();
    let [first, second, ..] = sent[..] else {
        return Vec::new();
    };
    let pauses: Vec<_> = sent
        .windows(2)
        .map(|pair| ms(pair[1].at.saturating_sub(pair[0].at)))
        .collect();
    let mut text = format!(
        "The slowest message on a connection kept open, at {loss} % lost: sent in frame {}, and again after {}; each pause is \
         twice the one before (RFC 6298, 5.5).",
        first.number,
        pauses.join(", ")
    );
    if second.at.saturating_sub(first.at) > FIRST_PAUSE * 3 / 2 {
        text += " The first is longer than 1 s already, for losses outlast their message. A doubled time-out holds until a \
                 segment that was sent only once has been acknowledged: of one that was sent twice nobody knows which \
                 was (Karn's algorithm; RFC 6298, 3). And where R2's answer was lost, the next round trip that is measured has \
                 R2's own time-out in it, and all later time-outs follow that.";
    }
    vec![
        Part::Text(text),
        Part::Ladder(Ladder::of(during().filter(|packet| packet.is_of(first.kali)))),
    ]
}

fn conclusion(medians: &[(Way, Duration, Duration)], rtt: Duration) -> String {
    let mut text = String::from("At the least loss of the table, half of the messages by");
    for (way, had, known) in medians {
        let _ = write!(text, " {}: R2 has them after {}", way.name(), ms(*had));
        if !rtt.is_zero() {
            let trips = |time: &Duration| time.as_secs_f64() / rtt.as_secs_f64();
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
