//! A ladder diagram: what went over the wire, one arrow a packet.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::packet::{Carries, Packet};

/// Between the two poles.
const WIDTH: usize = 58;

/// An arrow of a ladder.
#[derive(Clone, Debug)]
pub(super) struct Rung {
    pub(super) number: usize,
    /// Since the first packet of the ladder.
    pub(super) at: Duration,
    pub(super) from_r2: bool,
    pub(super) lost: bool,
    pub(super) label: String,
}

/// A ladder between KALI and R2.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder(pub(super) Vec<Rung>);

impl Ladder {
    /// Draws these packets, in their order.
    pub(super) fn of<'p>(packets: impl IntoIterator<Item = &'p Packet>) -> Self {
        let mut from = None;
        let rungs = packets.into_iter().map(|packet| {
            let from = *from.get_or_insert(packet.at);
            Rung {
                number: packet.number,
                at: packet.at.saturating_sub(from),
                from_r2: packet.from_r2,
                lost: packet.lost,
                label: label(packet),
            }
        });
        Self(rungs.collect())
    }
}

/// What a packet is, in a few words.
pub(super) fn label(packet: &Packet) -> String {
    let mut label = String::new();
    let length = packet.payload.len();
    // Writing to a string does not fail.
    let _ = match packet.carries {
        Carries::Arp => write!(label, "ARP"),
        Carries::Udp => write!(label, "UDP {length} bytes"),
        Carries::Other => write!(label, "{} bytes", packet.length),
        Carries::Tcp {
            syn,
            fin,
            rst,
            push,
            seq,
            ack,
            ..
        } => {
            let flags = [
                (syn, "SYN"),
                (fin, "FIN"),
                (rst, "RST"),
                (push && length > 0, "PSH"),
                (ack.is_some(), "ACK"),
            ];
            let mut space = "";
            for (_, name) in flags.into_iter().filter(|(set, _)| *set) {
                let _ = write!(label, "{space}{name}");
                space = " ";
            }
            let _ = write!(label, " seq={seq}");
            if let Some(ack) = ack {
                let _ = write!(label, " ack={ack}");
            }
            if length > 0 {
                let _ = write!(label, " {length} B");
            }
            Ok(())
        }
    };
    label
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  frame       ms  KALI{:>width$}", "R2", width = WIDTH)?;
        for rung in &self.0 {
            let millis = rung.at.as_secs_f64() * 1e3;
            let line = match (rung.lost, rung.from_r2) {
                (false, false) => format!("|--{:-<width$}>|", labelled(rung), width = WIDTH - 3),
                (false, true) => format!("|<{:->width$}--|", labelled(rung), width = WIDTH - 3),
                (true, false) => format!(
                    "|--{:-<width$}{:>19}",
                    labelled(rung),
                    "x lost  |",
                    width = WIDTH - 20
                ),
                (true, true) => format!(
                    "|{:<19}{:->width$}--|",
                    "  lost x",
                    labelled(rung),
                    width = WIDTH - 21
                ),
            };
            writeln!(f, "  {:>5} {millis:>8.3}  {line}", rung.number)?;
        }
        Ok(())
    }
}

fn labelled(rung: &Rung) -> String {
    format!(" {} ", rung.label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_is_as_wide_as_the_ladder_and_says_what_was_lost() {
        let rung = |number, from_r2, lost| Rung {
            number,
            at: Duration::from_micros(1500),
            from_r2,
            lost,
            label: "ACK seq=1".into(),
        };
        let ladder = Ladder(vec![
            rung(1, false, false),
            rung(2, true, false),
            rung(3, false, true),
            rung(4, true, true),
        ])
        .to_string();
        let lines: Vec<_> = ladder.lines().collect();
        assert!(lines[1].starts_with("      1    1.500  |-- ACK seq=1 ---") && lines[1].ends_with("->|"));
        assert!(lines[2].ends_with("- ACK seq=1 --|"), "{ladder}");
        assert!(
            lines[3].ends_with("x lost  |") && lines[4].contains("|  lost x"),
            "{ladder}"
        );
        assert!(
            lines[1..].iter().all(|line| line.len() == lines[1].len()),
            "{ladder}"
        );
    }
}
