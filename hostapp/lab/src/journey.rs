//! How a byte travels, of a question and of a file: every frame on the wire, and every call inside R2.

mod at_r2;
mod life;

use std::io;

use r2_core::hex::Hex;
use r2_services::{DROP, SECRET};
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use self::life::Life;
use super::Evidence;
use super::account::{Account, Part, Table};
use super::kali::{Kali, Setting, Wishes};
use super::ladder::Ladder;

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

/// The numbers from 1 on, a line each.
fn numbers() -> Vec<u8> {
    let lines = (1..).flat_map(|number: u32| format!("{number}\n").into_bytes());
    lines.take(FILE).collect()
}

/// Asks the question, and drops the file. Returns the question, and the file.
pub(super) fn run(kali: &mut dyn Kali) -> io::Result<[Conversation; 2]> {
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
    Ok([question, file])
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

/// What the frames and the calls show.
#[derive(Serialize)]
pub(super) struct JourneyFindings {
    experiment: &'static str,
    wire: String,
    /// Of the file.
    sha256: String,
    #[serde(serialize_with = "of_whole_lives")]
    connections: [Travelled; 2],
}

/// A connection.
#[derive(Serialize)]
struct Travelled {
    /// KALI's port.
    port: u16,
    r2_port: u16,
    bytes: usize,
    answer: String,
    /// `None` where the wire has lost one of its frames for good.
    #[serde(flatten)]
    life: Option<Life>,
    #[serde(skip)]
    ladder: Ladder,
    /// What happens at R2.
    #[serde(skip)]
    at_r2: Table,
}

fn of_whole_lives<S: Serializer>(connections: &[Travelled; 2], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(connections.iter().filter(|connection| connection.life.is_some()))
}

/// Finds the frames and the calls of both connections.
pub(super) fn find(setting: &Setting, made: [Conversation; 2], evidence: &Evidence) -> JourneyFindings {
    let sha256 = Hex(&Sha256::digest(&made[1].sent).into()).to_string();
    let connections = made.map(|conversation| {
        let packets = evidence.packets.iter();
        let packets: Vec<_> = packets.filter(|packet| packet.is_of(conversation.kali)).collect();
        let calls = evidence.calls.iter().filter(|call| call.port == conversation.r2);
        Travelled {
            port: conversation.kali,
            r2_port: conversation.r2,
            bytes: conversation.sent.len(),
            answer: conversation.printed,
            life: Life::of(&packets, setting.one_way),
            ladder: Ladder::of(packets.iter().copied()),
            at_r2: at_r2::table(&packets, calls, setting.one_way),
        }
    });
    JourneyFindings {
        experiment: "journey",
        wire: setting.wire.clone(),
        sha256,
        connections,
    }
}

/// Tells it.
pub(super) fn tell(setting: &Setting, findings: &JourneyFindings) -> Account {
    let mut parts = vec![Part::Text(format!(
        "KALI does what nc -N does: connect, write everything, half-close, read to the end. On {}; KALI's TCP is {}'s. Each \
         ladder shows the frames as they were on the wire. The table under it is R2's view of the same: the frames that \
         came in, the calls of the session and of its store, the frames that left.",
        setting.described(),
        setting.kali
    ))];
    let [question, file] = &findings.connections;
    let asked = format!(
        "$ printf '{}' | nc -N 127.0.0.1 {}\n{}",
        QUESTION.escape_default(),
        question.r2_port,
        question.answer
    );
    let dropped = format!(
        "$ seq 10000 | head -c {FILE} > numbers.txt\n$ nc -N 127.0.0.1 {} < numbers.txt\n{}$ sha256sum numbers.txt\n{}  \
         numbers.txt",
        file.r2_port, file.answer, findings.sha256
    );
    let mut excerpts = Vec::new();
    for (connection, names, title, printed) in [
        (
            question,
            ["question-session", "question-frames", "question-calls"],
            "A question (part 2)",
            asked,
        ),
        (
            file,
            ["file-session", "file-frames", "file-calls"],
            "A file (part 3)",
            dropped,
        ),
    ] {
        excerpts.extend(
            (parts.len() + 1..)
                .zip(names)
                .map(|(at, name)| (name, at..at + 1)),
        );
        parts.extend([
            Part::Heading(title.into()),
            Part::Printed(printed),
            Part::Ladder(connection.ladder.clone()),
            Part::Table(connection.at_r2.clone()),
        ]);
        if let Some(life) = &connection.life {
            let [flow, end] = if connection.r2_port == DROP.port {
                life.of_file(setting)
            } else {
                life.of_question()
            };
            let told = [life.establishment(connection.r2_port), flow, end];
            parts.extend(told.map(Part::Text));
        }
    }
    Account {
        excerpts,
        ..Account::new("How a byte travels", parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WireOptions;

    /// What happened at R2 in the connections of a run in memory.
    fn tables(loss: u8) -> Vec<Vec<String>> {
        let wire = WireOptions {
            tap: None,
            ip: "192.168.69.1/24".parse().unwrap(),
            rtt: None,
            loss: Some(loss),
            seed: 2,
        };
        let account = crate::journey(&wire, None).unwrap().account;
        let tables = account.parts.into_iter().filter_map(|part| match part {
            Part::Table(table) => Some(table.rows.into_iter().map(|row| row[2].clone()).collect()),
            _ => None,
        });
        tables.collect()
    }

    #[test]
    fn each_excerpt_is_in_the_account_and_a_wrong_name_is_told_the_right_ones() {
        let wire = WireOptions {
            tap: None,
            ip: "192.168.69.1/24".parse().unwrap(),
            rtt: None,
            loss: None,
            seed: 1,
        };
        for (measure, names) in [
            (crate::journey as crate::Measure, 6),
            (crate::delayed_ack, 2),
            (crate::nagle, 0),
        ] {
            let account = measure(&wire, None).unwrap().account;
            let whole = account.to_string();
            assert_eq!(account.excerpts.len(), names);
            let excerpts = account
                .excerpts
                .iter()
                .map(|(name, _)| account.excerpt(name).unwrap());
            let mut rest = &whole[..];
            for excerpt in excerpts {
                let at = rest.find(&excerpt).expect("each once, in their order");
                rest = &rest[at + excerpt.len()..];
            }
            let wrong = account.excerpt("13,20p").unwrap_err();
            for (name, _) in &account.excerpts {
                assert!(wrong.contains(name), "{wrong}");
            }
        }
    }

    #[test]
    fn kali_acknowledges_r2_s_fin_as_soon_as_it_arrives() {
        let wire = WireOptions {
            tap: None,
            ip: "192.168.69.1/24".parse().unwrap(),
            rtt: None,
            loss: None,
            seed: 1,
        };
        for measure in [crate::journey as crate::Measure, crate::ports] {
            for part in measure(&wire, None).unwrap().account.parts {
                let Part::Ladder(ladder) = part else { continue };
                let [.., fin, last] = &ladder.0[..] else {
                    panic!("a connection has an end")
                };
                assert!(fin.from_r2 && fin.label.starts_with("FIN") && !last.from_r2);
                assert_eq!(last.at, fin.at + std::time::Duration::from_millis(25));
            }
        }
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
