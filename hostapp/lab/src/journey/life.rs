//! The frames of a connection that its story is told by, and the story.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::super::kali::Setting;
use super::super::ms;
use super::super::packet::{Carries, Packet};
use super::FILE;

/// The frames of a connection that its story is told by.
#[derive(Serialize)]
pub(super) struct Life {
    #[serde(rename = "syn_frame")]
    syn: Packet,
    #[serde(rename = "syn_ack_frame")]
    syn_ack: Packet,
    #[serde(rename = "ack_frame")]
    ack: Packet,
    /// KALI's segments with bytes, one at least.
    #[serde(rename = "data_frames")]
    data: Vec<Packet>,
    #[serde(rename = "fin_frame")]
    fin: Packet,
    #[serde(rename = "answer_frame")]
    answer: Packet,
    #[serde(rename = "r2_fin_frame")]
    r2_fin: Packet,
    /// Acknowledges R2's FIN.
    #[serde(rename = "last_frame")]
    last: Packet,
    /// The most bytes of KALI's that were not acknowledged, as she knew it, and the segment that made them so many.
    most_under_way: u32,
    #[serde(skip)]
    filling: Packet,
    /// R2's first acknowledgement of bytes.
    #[serde(skip)]
    opened: Option<Packet>,
}

impl Life {
    /// Finds them among the frames of a connection; `None` where one never arrived.
    pub(super) fn of(packets: &[&Packet], one_way: Duration) -> Option<Self> {
        let arrived = |from_r2| {
            let packets = packets.iter().copied();
            packets.filter(move |packet| packet.from_r2 == from_r2 && !packet.lost)
        };
        let (kali, r2) = (|| arrived(false), || arrived(true));
        let r2_fin = r2().find(|packet| packet.is_fin())?;
        let data: Vec<_> = kali().filter(|packet| packet.is_data()).collect();
        let acks: Vec<_> = r2().collect();
        let (most_under_way, filling) = most_under_way(&data, &acks, one_way)?;
        let opened = acks.iter().find(|ack| !ack.is_syn() && ack.ack() > Some(1));
        Some(Self {
            syn: kali().find(|packet| packet.is_syn())?.clone(),
            syn_ack: r2().find(|packet| packet.is_syn())?.clone(),
            ack: kali().find(|packet| packet.ack() == Some(1))?.clone(),
            fin: kali().find(|packet| packet.is_fin())?.clone(),
            answer: r2().find(|packet| packet.is_data())?.clone(),
            r2_fin: r2_fin.clone(),
            last: kali()
                .find(|packet| packet.ack() == Some(r2_fin.end() + 1))?
                .clone(),
            most_under_way,
            filling: filling.clone(),
            opened: opened.copied().cloned(),
            data: data.into_iter().cloned().collect(),
        })
    }

    /// How it began, at R2's `port`.
    pub(super) fn establishment(&self, port: u16) -> String {
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
            self.syn.number,
            takes(&self.syn),
            self.syn_ack.number,
            self.syn_ack.window(),
            self.ack.number,
            ms(self.ack.at.saturating_sub(self.syn.at)),
        )
    }

    /// How a question and its answer went, and how it ended.
    pub(super) fn of_question(&self) -> [String; 2] {
        let (first, last) = (&self.data[0], &self.data[self.data.len() - 1]);
        let flow = format!(
            "Flow. The question is {} bytes, numbers 1 to {}, in {}. The gate reads addresses, ports and numbers, finds the slot \
             of this connection, and the bytes are copied once, from the frame into the socket's receive ring. receive() is \
             handed that ring itself, and what it takes makes room in the window again. The answer goes the same way back: \
             transmit() writes it into the transmit ring, and frame {} carries it, {} bytes, and acknowledges everything before \
             {} with the same segment.",
            last.end() - 1,
            last.end() - 1,
            frames(first, last),
            self.answer.number,
            self.answer.payload.len(),
            self.answer.ack().unwrap_or(0),
        );
        let end = format!(
            "End. KALI has nothing more to say, so her FIN follows at once (frame {}); it takes a number, too, {}. She still \
             reads: this is the half-close of nc -N. R2 hears of it by finished(), owes an answer, gives it, and wants to close; \
             its FIN is in frame {}. KALI's acknowledgement of that (frame {}) is the last frame: over(Delivered).",
            self.fin.number,
            self.fin.end(),
            self.r2_fin.number,
            self.last.number,
        );
        [flow, end]
    }

    /// How a file and its receipt went, and how it ended.
    pub(super) fn of_file(&self, setting: &Setting) -> [String; 2] {
        let (first, last) = (&self.data[0], &self.data[self.data.len() - 1]);
        let (most, filling) = (self.most_under_way, &self.filling);
        let window = self.syn_ack.window();
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
        let _ = match &self.opened {
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
            self.fin.number, self.answer.number, self.r2_fin.number, self.last.number,
        );
        [flow, end]
    }
}

/// The most bytes of `data` that none of `acks` had acknowledged, as KALI knew it, and the segment that made them so
/// many.
fn most_under_way<'p>(data: &[&'p Packet], acks: &[&Packet], one_way: Duration) -> Option<(u32, &'p Packet)> {
    let under_way = data.iter().map(|packet| {
        let known = acks.iter().filter(|ack| ack.at + one_way <= packet.at);
        let acknowledged = known.filter_map(|ack| ack.ack()).max().unwrap_or(1);
        (packet.end().saturating_sub(acknowledged), *packet)
    });
    // The first of the largest.
    under_way.reduce(|most, next| if next.0 > most.0 { next } else { most })
}

/// `frame 3`, or `frames 3 to 5`.
fn frames(first: &Packet, last: &Packet) -> String {
    if first.number == last.number {
        format!("frame {}", first.number)
    } else {
        format!("frames {} to {}", first.number, last.number)
    }
}
