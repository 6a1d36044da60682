//! How a byte travels, of a question and of a file: every frame on the wire, and every call inside R2.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use r2_core::hex::Hex;
use r2_services::{DROP, SECRET};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::account::{Account, Part, Table};
use super::diary::{Call, What};
use super::kali::{Kali, Setting, Wishes};
use super::ladder::{self, Ladder};
use super::packet::{Carries, Packet};
use super::{Evidence, millis, ms};

/// What KALI asks the secret service.
const QUESTION: &str = "123Ted 32is 343SECRET cool\n";

/// Bytes of the file that KALI drops: half as much again as R2's window.
const FILE: usize = 9000;

/// What KALI does and sees in one connection.
pub(super) struct Conversation {
    /// Her port.
    kali: u16,
    r2: u16,
    sent: Vec<u8>,
    printed: String,
}

/// What was done: the question, and the file.
pub(super) struct Made([Conversation; 2]);

/// The numbers from 1 on, a line each.
fn numbers() -> Vec<u8> {
    let lines = (1..).flat_map(|number: u32| format!("{number}\n").into_bytes());
    lines.take(FILE).collect()
}

/// Asks the question, and drops the file.
pub(super) fn run(kali: &mut dyn Kali) -> io::Result<Made> {
    kali.lose(kali.setting().loss);
    let question = converse(kali, SECRET.port, QUESTION.as_bytes().to_vec())?;
    let file = converse(kali, DROP.port, numbers())?;
    let digest = Hex(&Sha256::digest(&file.sent).into()).to_string();
    if !file.printed.contains(&digest) {
        let error = format!(
            "R2's receipt is not of the file that KALI sent, {digest}: {}",
            file.printed
        );
        return Err(io::Error::other(error));
    }
    Ok(Made([question, file]))
}

/// What `nc -N` does: writes all, half-closes, and prints what comes until the end.
fn converse(kali: &mut dyn Kali, port: u16, sent: Vec<u8>) -> io::Result<Conversation> {
    let wishes = Wishes {
        nagle: true,
        delayed_ack: true,
    };
    let connection = kali.connect(port, wishes)?;
    kali.write(connection, &sent)?;
    let printed = kali.close(connection)?;
    Ok(Conversation {
        kali: kali.port(connection),
        r2: port,
        sent,
        printed: String::from_utf8_lossy(&printed).into_owned(),
    })
}

/// Tells what the frames and the calls show.
pub(super) fn tell(setting: &Setting, made: &Made, evidence: &Evidence) -> Account {
    let Made([question, file]) = made;
    let mut parts = vec![Part::Text(format!(
        "KALI does what nc -N does: connect, write everything, half-close, read to the end. On {}; KALI's TCP is {}'s. Each \
         ladder shows the frames as they were on the wire. The table under it is R2's view of the same: the frames that \
         came in, the calls of the session and of its store, the frames that left.",
        setting.described(),
        setting.kali
    ))];
    let digest = Hex(&Sha256::digest(&file.sent).into()).to_string();
    let asked = format!(
        "$ printf '{}' | nc -N R2 {}\n{}",
        QUESTION.escape_default(),
        question.r2,
        question.printed
    );
    let dropped = format!(
        "$ seq 10000 | head -c {FILE} > numbers.txt\n$ nc -N R2 {} < numbers.txt\n{}$ sha256sum numbers.txt\n{digest}  \
         numbers.txt",
        file.r2, file.printed
    );
    let mut json = Vec::new();
    for (conversation, title, printed, told) in [
        (question, "A question (part 2)", asked, of_question as Told),
        (file, "A file (part 3)", dropped, of_file),
    ] {
        let packets: Vec<_> = evidence
            .packets
            .iter()
            .filter(|packet| packet.is_of(conversation.kali))
            .collect();
        parts.push(Part::Heading(title.into()));
        parts.push(Part::Printed(printed));
        parts.push(Part::Ladder(Ladder::of(packets.iter().copied())));
        parts.push(Part::Table(at_r2(
            setting,
            conversation,
            &packets,
            &evidence.calls,
        )));
        if let Some(life) = Life::of(&packets) {
            parts.push(Part::Text(establishment(&life, conversation.r2)));
            parts.extend(told(&life, setting).map(Part::Text));
            json.push(json!({
                "port": conversation.kali,
                "r2_port": conversation.r2,
                "bytes": conversation.sent.len(),
                "answer": conversation.printed,
                "syn_frame": life.syn.number,
                "syn_ack_frame": life.syn_ack.number,
                "ack_frame": life.ack.number,
                "data_frames": life.data.iter().map(|packet| packet.number).collect::<Vec<_>>(),
                "fin_frame": life.fin.number,
                "answer_frame": life.answer.number,
                "r2_fin_frame": life.r2_fin.number,
                "last_frame": life.last.number,
                "most_under_way": life.most_under_way(setting.one_way).0,
            }));
        }
    }
    Account {
        title: "How a byte travels".into(),
        parts,
        json: json!({ "experiment": "journey", "wire": setting.wire, "sha256": digest, "connections": json }),
    }
}

/// What there is to say of the flow of a connection and of its end.
type Told = fn(&Life<'_>, &Setting) -> [String; 2];

/// The frames of a connection that its story is told by.
struct Life<'p> {
    syn: &'p Packet,
    syn_ack: &'p Packet,
    ack: &'p Packet,
    /// KALI's segments with bytes, one at least.
    data: Vec<&'p Packet>,
    fin: &'p Packet,
    answer: &'p Packet,
    r2_fin: &'p Packet,
    /// Acknowledges R2's FIN.
    last: &'p Packet,
    acks: Vec<&'p Packet>,
}

impl<'p> Life<'p> {
    fn of(packets: &[&'p Packet]) -> Option<Self> {
        let arrived = |from_r2| {
            let packets = packets.iter().copied();
            packets.filter(move |packet| packet.from_r2 == from_r2 && !packet.lost)
        };
        let (kali, r2) = (|| arrived(false), || arrived(true));
        let r2_fin = r2().find(|packet| packet.is_fin())?;
        let data: Vec<_> = kali().filter(|packet| packet.is_data()).collect();
        data.first()?;
        Some(Self {
            syn: kali().find(|packet| packet.is_syn())?,
            syn_ack: r2().find(|packet| packet.is_syn())?,
            ack: kali().find(|packet| packet.ack() == Some(1))?,
            data,
            fin: kali().find(|packet| packet.is_fin())?,
            answer: r2().find(|packet| packet.is_data())?,
            r2_fin,
            last: kali().find(|packet| packet.ack() == Some(r2_fin.end() + 1))?,
            acks: r2().collect(),
        })
    }

    /// The most bytes of KALI's that were not acknowledged, as she knew it, and the segment that made them so many.
    fn most_under_way(&self, one_way: Duration) -> (u32, &'p Packet) {
        let under_way = self.data.iter().map(|packet| {
            let known = self.acks.iter().filter(|ack| ack.at + one_way <= packet.at);
            let acknowledged = known.filter_map(|ack| ack.ack()).max().unwrap_or(1);
            (packet.end().saturating_sub(acknowledged), *packet)
        });
        // The first of the largest.
        under_way
            .reduce(|most, next| if next.0 > most.0 { next } else { most })
            .unwrap_or((0, self.ack))
    }
}

/// `frame 3`, or `frames 3 to 5`.
fn frames(first: &Packet, last: &Packet) -> String {
    if first.number == last.number {
        format!("frame {}", first.number)
    } else {
        format!("frames {} to {}", first.number, last.number)
    }
}

fn establishment(life: &Life<'_>, port: u16) -> String {
    let takes = |packet: &Packet| match packet.carries {
        Carries::Tcp { mss: Some(mss), .. } => {
            format!(" and says how large a segment she takes, {mss} bytes")
        }
        _ => String::new(),
    };
    format!(
        "Establishment. KALI's SYN (frame {}) brings the number from which her bytes are counted{}. R2's gate finds port \
         {port} among its services and hands the frame to a free slot; the socket in it answers with SYN-ACK (frame {}): \
         R2's own first number, and a window of {} bytes, which is its receive ring. KALI's ACK (frame {}) comes {} after \
         her SYN, and from then on there is a session: opened().",
        life.syn.number,
        takes(life.syn),
        life.syn_ack.number,
        life.syn_ack.window(),
        life.ack.number,
        ms(life.ack.at.saturating_sub(life.syn.at)),
    )
}

fn of_question(life: &Life<'_>, _: &Setting) -> [String; 2] {
    let (first, last) = (life.data[0], life.data[life.data.len() - 1]);
    let flow = format!(
        "Flow. The question is {} bytes, numbers 1 to {}, in {}. The gate reads addresses, ports and numbers, finds the slot \
         of this connection, and the bytes are copied once, from the frame into the socket's receive ring. receive() is \
         handed that ring itself, and what it takes makes room in the window again. The answer goes the same way back: \
         transmit() writes it into the transmit ring, and frame {} carries it, {} bytes, and acknowledges everything before \
         {} with the same segment.",
        last.end() - 1,
        last.end() - 1,
        frames(first, last),
        life.answer.number,
        life.answer.payload.len(),
        life.answer.ack().unwrap_or(0),
    );
    let end = format!(
        "End. KALI has nothing more to say, so her FIN follows at once (frame {}); it takes a number, too, {}. She still \
         reads: this is the half-close of nc -N. R2 hears of it by finished(), owes an answer, gives it, and wants to close; \
         its FIN is in frame {}. KALI's acknowledgement of that (frame {}) is the last frame: over(Delivered).",
        life.fin.number,
        life.fin.end(),
        life.r2_fin.number,
        life.last.number,
    );
    [flow, end]
}

fn of_file(life: &Life<'_>, setting: &Setting) -> [String; 2] {
    let (first, last) = (life.data[0], life.data[life.data.len() - 1]);
    let (most, filling) = life.most_under_way(setting.one_way);
    let window = life.syn_ack.window();
    let mut flow = format!(
        "Flow. The file's {FILE} bytes are in {}. R2's window is {window} bytes: so many may be under way, sent and not \
         acknowledged, and no more. ",
        frames(first, last)
    );
    // Writing to a string does not fail.
    let _ = if most == window {
        write!(
            flow,
            "With frame {} it is full, and KALI waits, though she has more. ",
            filling.number
        )
    } else {
        write!(
            flow,
            "There were never more than {most}, with frame {}. ",
            filling.number
        )
    };
    let opened = life.acks.iter().find(|ack| !ack.is_syn() && ack.ack() > Some(1));
    let _ = match opened {
        Some(ack) => write!(
            flow,
            "R2's session hands what has come to the store, append(), and only what the store has taken leaves the ring. So \
             frame {} acknowledges everything before {} and shows a window of {} bytes: KALI may go on. A store that takes \
             nothing would leave the ring full and the window closed, and that alone makes the sender wait.",
            ack.number,
            ack.ack().unwrap_or(0),
            ack.window(),
        ),
        None => Ok(()),
    };
    if most == window && !setting.one_way.is_zero() {
        let rtt = setting.one_way * 2;
        let _ = write!(
            flow,
            " A window of {window} bytes carries {window} bytes a round trip, {:.0} kB a second here, however fast the wire is.",
            f64::from(window) / rtt.as_secs_f64() / 1e3
        );
    }
    let end = format!(
        "End. FIN (frame {}) says that the file is complete: finished(). The store seals it, a store on a disk once its \
         bytes are durable, as drop-0001.unconfirmed, and not before does the receipt leave (frame {}), with the length and \
         the SHA-256 of what is stored; it is that of KALI's file. R2's FIN is in frame {}. Whether KALI has all of this, one \
         thing alone can tell R2, the acknowledgement of that FIN (frame {}): over(Delivered), confirm(), and the file is \
         renamed to drop-0001. With RST or silence instead it would have stayed unconfirmed.",
        life.fin.number, life.answer.number, life.r2_fin.number, life.last.number,
    );
    [flow, end]
}

/// What happens at R2 in one connection: the frames that come in, the calls, the frames that leave.
fn at_r2(setting: &Setting, conversation: &Conversation, packets: &[&Packet], calls: &[Call]) -> Table {
    let of_frames = packets
        .iter()
        .filter(|packet| packet.from_r2 || !packet.lost)
        .map(|packet| {
            let label = ladder::label(packet);
            let window = packet.window();
            if packet.from_r2 {
                (
                    packet.at,
                    2,
                    packet.number.to_string(),
                    format!("{label}, window {window}, leaves"),
                )
            } else {
                (
                    packet.at + setting.one_way,
                    0,
                    packet.number.to_string(),
                    format!("{label} comes in"),
                )
            }
        });
    let of_calls = calls.iter().filter(|call| call.port == conversation.r2);
    let of_calls = of_calls.map(|call| (call.at, 1, String::new(), said(&call.what)));
    let mut events: Vec<_> = of_frames.chain(of_calls).collect();
    events.sort_by_key(|(at, order, ..)| (*at, *order));
    let mut table = Table::new(&["ms at R2", "frame", "what happens"]);
    let from = packets.first().map_or(Duration::ZERO, |packet| packet.at);
    for (at, _, frame, what) in events {
        table.row([millis(at.saturating_sub(from)), frame, what]);
    }
    table
}

/// A call, in the words of the code.
fn said(what: &What) -> String {
    match what {
        What::Opened => "session.opened()".into(),
        What::Receive { offered, taken } => format!("session.receive({offered} bytes): took {taken}"),
        What::Transmit { filled } => format!("session.transmit(): filled in {filled} bytes"),
        What::Finished => "session.finished()".into(),
        What::Close => "session.wants(): Close".into(),
        What::Over(how) => format!("session.over({how:?})"),
        What::Create(name) => format!("store.create(): {name}"),
        What::Append { calls: 1, bytes } => format!("store.append(): took {bytes} bytes"),
        What::Append { calls, bytes } => format!("store.append(), {calls} times: took {bytes} bytes"),
        What::Seal { length, .. } => format!("store.seal(): {length} bytes"),
        What::Confirm => "store.confirm()".into(),
        What::Release => "store.release()".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bench;

    /// What happened at R2 in the connections of a run in memory.
    fn tables(loss: u8) -> Vec<Vec<String>> {
        let wire = Bench {
            tap: None,
            ip: "192.168.69.1/24".parse().unwrap(),
            rtt: None,
            loss: Some(loss),
            seed: 2,
        };
        let account = crate::journey(&wire, None).unwrap();
        let tables = account.parts.into_iter().filter_map(|part| match part {
            Part::Table(table) => Some(table.rows.into_iter().map(|row| row[2].clone()).collect()),
            _ => None,
        });
        tables.collect()
    }

    #[test]
    fn the_receipt_leaves_behind_the_seal_and_its_acknowledgement_confirms_the_file() {
        for loss in [0, 20] {
            let [question, file] = &tables(loss)[..] else {
                panic!("a table of each connection")
            };
            assert!(
                question
                    .iter()
                    .any(|what| what == "session.receive(27 bytes): took 27")
            );
            assert_eq!(question.last().unwrap(), "session.over(Delivered)");
            let place = |part: &str| file.iter().position(|what| what.contains(part)).expect(part);
            let order = [
                place("SYN"),
                place("session.opened()"),
                place("store.create(): drop-0001"),
                place("session.finished()"),
                place("store.seal(): 9000 bytes"),
                place("session.wants(): Close"),
                place("FIN ACK seq=1 ack=9002 100 B"),
                place("ack=102 comes in"),
                place("session.over(Delivered)"),
                place("store.confirm()"),
            ];
            assert!(order.is_sorted(), "{order:?} {file:#?}");
        }
    }
}
