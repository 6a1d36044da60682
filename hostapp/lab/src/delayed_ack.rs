//! Write, write, read: where Nagle's algorithm and delayed acknowledgements wait for each other.

mod tell;

use std::io;
use std::time::Duration;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

pub(super) use self::tell::tell;
use super::kali::{Kali, Setting, Wishes};
use super::ladder::Ladder;
use super::machine::{
    ACK_DELAY, BODY, DELAYING_READER, HEAD, HOLDING_WRITER, NAGLE_WRITER, OK, READER, WHOLE_WRITER, WRITER,
};
use super::packet::Packet;
use super::{Evidence, as_millis, on};

/// Messages on each connection.
const ROUNDS: usize = 5;

/// One combination.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Case {
    sender: Sender,
    nagle: bool,
    #[serde(skip)]
    delayed_ack: bool,
    #[serde(flatten)]
    writes: Writes,
    /// What it would be on a machine of one's own, where it is a cure.
    #[serde(skip)]
    cure: &'static str,
}

impl Case {
    /// For how long the receiver delays an acknowledgement.
    fn ack_delay(self, setting: &Setting) -> Duration {
        match self.sender {
            _ if !self.delayed_ack => Duration::ZERO,
            Sender::Kali => ACK_DELAY.into(),
            Sender::R2 => setting.ack_delay,
        }
    }

    fn described(self) -> String {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
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

/// How many, and whether the first is held.
impl Serialize for Writes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(2))?;
        map.serialize_entry("writes", if *self == Self::One { &1 } else { &2 })?;
        map.serialize_entry("held", &(*self == Self::Held))?;
        map.end()
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

/// Sends [`ROUNDS`] messages in every case. Returns each case, and KALI's port in it.
pub(super) fn run(kali: &mut dyn Kali) -> io::Result<Vec<(Case, u16)>> {
    let mut made = Vec::new();
    kali.lose(kali.setting().loss);
    for case in cases() {
        let port = match case.sender {
            Sender::Kali => kali_sends(kali, case)?,
            Sender::R2 => r2_sends(kali, case)?,
        };
        made.push((case, port));
    }
    Ok(made)
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

/// What the frames show.
#[derive(Serialize)]
pub(super) struct DelayedAckFindings {
    experiment: &'static str,
    wire: String,
    cases: Vec<CaseFound>,
}

/// What a case has come to.
#[derive(Serialize)]
struct CaseFound {
    #[serde(flatten)]
    case: Case,
    #[serde(rename = "ack_delay_ms", serialize_with = "as_millis")]
    ack_delay: Duration,
    #[serde(rename = "median_ms", serialize_with = "as_millis")]
    took: Duration,
    port: u16,
    #[serde(flatten)]
    last: Round,
    /// The last message: from the header to the answer.
    #[serde(skip)]
    ladder: Ladder,
}

/// A message, as it was on the wire.
#[derive(Serialize)]
struct Round {
    #[serde(rename = "head_frame")]
    head: Packet,
    /// The acknowledgement that the receiver has sent of the header alone.
    #[serde(rename = "ack_frame")]
    ack: Option<Packet>,
    /// The segment with the body, where it is another.
    #[serde(rename = "body_frame")]
    body: Option<Packet>,
    #[serde(rename = "answer_frame")]
    answer: Packet,
    /// From the first write to the answer, at the sender.
    #[serde(skip)]
    took: Duration,
}

/// Finds the messages of each case, how long they took, and how the last one went.
pub(super) fn find(setting: &Setting, made: Vec<(Case, u16)>, evidence: &Evidence) -> DelayedAckFindings {
    let found = |(case, port): (Case, u16)| {
        let of_case = evidence.packets.iter().filter(|packet| packet.is_of(port));
        let of_case: Vec<_> = of_case.collect();
        let mut rounds = rounds(&of_case, case.sender == Sender::R2, setting.one_way);
        let took = median(&rounds);
        let last = rounds.pop()?;
        let numbers = last.head.number..=last.answer.number;
        let shown = of_case.iter().filter(|packet| numbers.contains(&packet.number));
        Some(CaseFound {
            ack_delay: case.ack_delay(setting),
            took,
            port,
            ladder: Ladder::of(shown.copied()),
            last,
            case,
        })
    };
    DelayedAckFindings {
        experiment: "delayed-ack",
        wire: setting.wire.clone(),
        cases: made.into_iter().filter_map(found).collect(),
    }
}

/// The messages of a connection.
fn rounds(packets: &[&Packet], from_r2: bool, one_way: Duration) -> Vec<Round> {
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
            head: head.clone(),
            ack: ack.copied().cloned(),
            body: body.copied().cloned(),
            answer: answer.clone(),
            took: (answer.at + one_way).saturating_sub(head.at),
        });
        rest = &rest[end + 1..];
    }
    rounds
}

/// The one in the middle.
fn median(rounds: &[Round]) -> Duration {
    let mut took: Vec<_> = rounds.iter().map(|round| round.took).collect();
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}
