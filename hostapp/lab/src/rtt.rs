//! The urgent message: how long until R2 has it, and until its sender knows.

mod tell;

use std::io;
use std::time::Duration;

use r2_services::SECRET;
use serde::{Serialize, Serializer};

pub(super) use self::tell::tell;
use super::kali::{ConnectionId, Kali, Setting, Wishes};
use super::ladder::Ladder;
use super::packet::Packet;
use super::{Evidence, as_millis, in_millis};

/// Messages of each way at each loss.
const MESSAGES: usize = 300;

/// How many of a hundred frames are lost, where the user has not said it.
const LOSSES: [u8; 5] = [0, 1, 2, 5, 10];

/// When a sender of datagrams sends again what was not answered: TCP's first time-out (RFC 6298), and what RFC 8085
/// wants. On a longer wire it is longer.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often it does before it gives up.
const TRIES: usize = 12;

/// How a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
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
pub(super) struct Message {
    text: String,
    /// Its sender decided to send it, and knew that R2 has it.
    sent: Duration,
    known: Duration,
}

/// Sends [`MESSAGES`] messages in each way at each loss, one after the other. Returns at each loss, each way, its
/// messages.
pub(super) fn run(kali: &mut dyn Kali) -> io::Result<Vec<(u8, Way, Vec<Message>)>> {
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
    Ok(made)
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

fn connect(kali: &mut dyn Kali) -> io::Result<ConnectionId> {
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

fn say(kali: &mut dyn Kali, connection: ConnectionId, text: &str) -> io::Result<()> {
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
pub(super) struct RttFindings {
    experiment: &'static str,
    wire: String,
    #[serde(rename = "rtt_ms", serialize_with = "as_millis")]
    rtt: Duration,
    cases: Vec<WayAtLoss>,
    #[serde(skip)]
    slowest: Option<Slowest>,
}

/// One way at one loss.
#[derive(Serialize)]
struct WayAtLoss {
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

impl Serialize for Way {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(to)
    }
}

fn all_as_millis<S: Serializer>(times: &[Duration; PERCENT.len()], to: S) -> Result<S::Ok, S::Error> {
    times.map(in_millis).serialize(to)
}

/// Finds how long the messages took.
pub(super) fn find(
    setting: &Setting,
    made: Vec<(u8, Way, Vec<Message>)>,
    evidence: &Evidence,
) -> RttFindings {
    let packets = &evidence.packets[..];
    let slowest = slowest(&made, packets);
    let cases = made.into_iter();
    let cases = cases.map(|(loss, way, messages)| measure(loss, way, &messages, packets, setting.one_way));
    RttFindings {
        experiment: "rtt",
        wire: setting.wire.clone(),
        rtt: setting.one_way * 2,
        cases: cases.collect(),
        slowest,
    }
}

fn measure(loss: u8, way: Way, messages: &[Message], packets: &[Packet], one_way: Duration) -> WayAtLoss {
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
    WayAtLoss {
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
fn slowest(made: &[(u8, Way, Vec<Message>)], packets: &[Packet]) -> Option<Slowest> {
    let kept_open = made.iter().filter(|(_, way, _)| *way == Way::KeptOpen);
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

#[cfg(test)]
mod tests {
    use super::super::in_memory::{InMemory, InMemoryOptions};
    use super::*;

    /// What smoltcp's timer does, by losing the very first frame of some messages: how long each takes.
    #[test]
    fn a_doubled_time_out_holds_until_a_segment_that_was_sent_once_is_acknowledged() {
        let mut kali = InMemory::new(&InMemoryOptions {
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
