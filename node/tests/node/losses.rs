//! What R2 sends and is lost on its way: a reader whose wire loses, reorders and lies.

use std::collections::BTreeMap;

use r2_node::Size;
use r2_services::Plan;
use r2_sim::simulation::{BUFFER, Simulation, plan};
use r2_sim::stranger::{Heard, Said};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpControl;

use super::talk::{Talk, bare, bytes, text};

/// What R2 may have under way: 30 segments.
const UNDER_WAY: usize = 44 * 1024;

/// How far the reader is.
const ROUND_TRIP: Duration = Duration::from_millis(10);

/// Less than any time-out.
const NO_TIME_OUT: Duration = Duration::from_millis(195);

/// What a reader says of what has come out of order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Sack,
    Nothing,
}

/// Somebody who reads chargen.
struct Reader {
    lab: Simulation,
    says: Says,
    /// The sequence number of R2's first byte.
    first: u32,
    /// How many bytes have come in order, and what has come behind a gap, from its first byte to behind its last.
    got: u32,
    islands: Vec<(u32, u32)>,
    /// The bytes, as far as the furthest has come.
    bytes: Vec<u8>,
    /// How often what begins there has been sent.
    sent: BTreeMap<u32, usize>,
    began: Instant,
}

impl Reader {
    fn new(says: Says) -> Self {
        let size = Size {
            connections: 1,
            receive: BUFFER,
            transmit: UNDER_WAY,
        };
        let mut lab = Simulation::new(&Plan {
            chargen: size,
            ..plan(1)
        });
        let syn = Said {
            from: 1000,
            to: 19,
            control: TcpControl::Syn,
            seq: 0,
            ack: None,
            payload: b"",
        };
        lab.put(syn.frame_with(|tcp| {
            tcp.sack_permitted = says == Says::Sack;
            tcp.max_seg_size = Some(1460);
        }));
        let first = lab.heard().pop().expect("R2 answers SYN").end();
        lab.pass(ROUND_TRIP);
        let began = lab.now;
        let mut reader = Self {
            lab,
            says,
            first,
            got: 0,
            islands: Vec::new(),
            bytes: Vec::new(),
            sent: BTreeMap::new(),
            began,
        };
        reader.acknowledge(None);
        reader
    }

    /// Waits a round trip, and takes what has come of what R2 has sent, in `order`: of each segment its first byte, counted
    /// from the first of all, and how often that was sent, which is 1 the first time.
    fn round(&mut self, order: impl Fn(Vec<Heard>) -> Vec<Heard>, lost: impl Fn(u32, usize) -> bool) {
        self.lab.pass(ROUND_TRIP);
        let heard = self.lab.heard();
        let mut come = Vec::new();
        for heard in heard.into_iter().filter(|heard| !heard.payload.is_empty()) {
            let start = heard.seq.wrapping_sub(self.first);
            let count = self.sent.entry(start).or_default();
            *count += 1;
            if !lost(start, *count) {
                come.push(heard);
            }
        }
        for heard in order(come) {
            self.take(&heard);
        }
    }

    fn take(&mut self, heard: &Heard) {
        let start = heard.seq.wrapping_sub(self.first);
        let end = heard.end().wrapping_sub(self.first);
        let (from, to) = (start as usize, end as usize);
        self.bytes.resize(self.bytes.len().max(to), 0);
        self.bytes[from..to].copy_from_slice(&heard.payload);
        let known = end <= self.got || self.islands.iter().any(|&(from, to)| from <= start && end <= to);
        self.islands.push((start, end));
        self.islands.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (from, to) in std::mem::take(&mut self.islands) {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        merged.retain(|&(from, to)| {
            if from <= self.got {
                self.got = self.got.max(to);
            }
            from > self.got
        });
        self.islands = merged;
        // What comes twice is told first (RFC 2883).
        self.acknowledge(
            known
                .then_some((start, end))
                .or(Some((start, end)).filter(|_| start > self.got)),
        );
    }

    /// Acknowledges what has come, with the island of `newest` before the others.
    fn acknowledge(&mut self, newest: Option<(u32, u32)>) {
        let mut blocks = Vec::new();
        if let Some((start, end)) = newest {
            let island = self
                .islands
                .iter()
                .find(|&&(from, to)| from <= start && end <= to);
            let is_known = end <= self.got;
            blocks.extend(island.copied().or(is_known.then_some((start, end))));
        }
        let others = self
            .islands
            .iter()
            .rev()
            .copied()
            .filter(|it| !blocks.contains(it));
        let blocks: Vec<_> = blocks.clone().into_iter().chain(others).take(3).collect();
        self.says_blocks(&blocks);
    }

    fn says_blocks(&mut self, blocks: &[(u32, u32)]) {
        let said = Said {
            from: 1000,
            to: 19,
            control: TcpControl::None,
            seq: 1,
            ack: Some(self.first.wrapping_add(self.got)),
            payload: b"",
        };
        let (says, first) = (self.says, self.first);
        self.lab.put(said.frame_with(|tcp| {
            tcp.window_len = u16::MAX;
            if says == Says::Sack {
                for (to, (left, right)) in tcp.sack_ranges.iter_mut().zip(blocks) {
                    *to = Some((first.wrapping_add(*left), first.wrapping_add(*right)));
                }
            }
        }));
    }

    /// How many segments were sent more than once.
    fn repeated(&self) -> usize {
        self.sent.values().map(|count| count - 1).sum()
    }

    fn time(&self) -> Duration {
        self.lab.now - self.began
    }

    /// Every byte that has come is the right one; the reader leaves.
    fn leaves_exact(self) {
        let ring = || (b'!'..=b'~').chain([b' ']).cycle();
        let line = |number| ring().skip(number).take(72).chain(*b"\r\n");
        let pattern = (0..95).flat_map(line).cycle();
        let got = self.bytes.into_iter().take(self.got as usize);
        assert!(got.zip(pattern).all(|(got, right)| got == right));
        self.lab.everybody_leaves();
    }
}

fn as_sent(heard: Vec<Heard>) -> Vec<Heard> {
    heard
}

/// The least that a download is to have come to.
const ENOUGH: u32 = 200_000;

#[test]
fn one_lost_last_segment_costs_60_ms_at_most() {
    for ipv6 in [false, true] {
        let mut talk = Talk::with(5010, ipv6);
        talk.lab.pass(Duration::from_millis(1));
        let lost = talk.says([bytes(1, b"SECRET 1\n")]);
        assert!(text(&lost).starts_with("Digits: 1"));
        talk.lab.pass(Duration::from_millis(60));
        let heard = talk.heard();
        assert_eq!(text(&heard), text(&lost));
        talk.ack = heard[0].end();
        talk.says([bare(10)]);
        talk.lab.pass(Duration::from_millis(500));
        assert_eq!(talk.heard().len(), 0, "it was acknowledged");
        talk.lab.everybody_leaves();
    }
}

/// The last segment, with FIN, of more than one.
#[test]
fn a_lost_end_costs_60_ms_at_most() {
    let mut talk = Talk::to(5040);
    talk.lab.pass(Duration::from_millis(1));
    let page = talk.waits_for_the_page();
    let last = page.last().expect("a page");
    assert!(last.fin);
    talk.ack = last.seq;
    talk.lab.pass(Duration::from_millis(1));
    talk.says([bare(1)]);
    talk.lab.pass(Duration::from_millis(60));
    assert_eq!(talk.heard().first(), Some(last));
    talk.lab.everybody_leaves();
}

#[test]
fn a_burst_of_lost_segments_is_repaired_without_a_time_out() {
    for length in 1..=12 {
        for begin in [1, 5, 14] {
            let mut reader = Reader::new(Says::Sack);
            let lost = 1460 * begin..1460 * (begin + length);
            while reader.got < ENOUGH {
                reader.round(as_sent, |start, count| count == 1 && lost.contains(&start));
            }
            assert!(
                reader.time() < NO_TIME_OUT,
                "{length} at {begin}: {}",
                reader.time()
            );
            let again: Vec<_> = reader.sent.iter().filter(|(_, count)| **count > 1).collect();
            assert_eq!(
                reader.repeated(),
                length as usize,
                "{length} at {begin}: {again:?}"
            );
            reader.leaves_exact();
        }
    }
}

/// Whatever falls out of each window.
#[test]
fn holes_everywhere_are_repaired_in_one_round_trip_each() {
    for every in [2, 3, 7] {
        let mut reader = Reader::new(Says::Sack);
        while reader.got < ENOUGH {
            reader.round(as_sent, |start, count| count == 1 && (start / 1460) % every == 1);
        }
        assert!(reader.time() < NO_TIME_OUT, "{every}: {}", reader.time());
        reader.leaves_exact();
    }
}

#[test]
fn a_lost_repeat_is_repeated_again() {
    for times in 2..=4 {
        let mut reader = Reader::new(Says::Sack);
        while reader.got < ENOUGH {
            reader.round(as_sent, |start, count| count <= times && start == 1460 * 3);
        }
        assert!(
            reader.time() < Duration::from_millis(700),
            "{times}: {}",
            reader.time()
        );
        reader.leaves_exact();
    }
}

/// Three duplicates, and then one more segment with each acknowledgement (RFC 6582).
#[test]
fn without_sack_losses_are_repaired_without_a_time_out() {
    let mut reader = Reader::new(Says::Nothing);
    while reader.got < ENOUGH {
        reader.round(as_sent, |start, count| {
            count == 1 && [3, 5, 9].contains(&(start / 1460))
        });
    }
    assert!(reader.time() < NO_TIME_OUT, "{}", reader.time());
    reader.leaves_exact();
}

/// Segments that overtake each other are not lost.
#[test]
fn segments_that_are_overtaken_are_not_repeated() {
    let mut reader = Reader::new(Says::Sack);
    let mixed = |mut heard: Vec<Heard>| {
        for at in (0..heard.len()).step_by(8) {
            let to = (at + 2).min(heard.len() - 1);
            let overtaken = heard.remove(at);
            heard.insert(to, overtaken);
        }
        heard
    };
    while reader.got < 10 * ENOUGH {
        reader.round(mixed, |_, _| false);
    }
    let sent = reader.sent.len();
    assert!(reader.repeated() * 100 <= sent, "{} of {sent}", reader.repeated());
    reader.leaves_exact();
}

/// RFC 2018, section 8: a peer may forget what it has said that it has.
#[test]
fn a_reader_that_forgets_what_it_said_that_it_has_gets_everything() {
    let mut reader = Reader::new(Says::Sack);
    let mut rounds = 0;
    while reader.got < ENOUGH {
        reader.round(as_sent, |start, count| count == 1 && (start / 1460) % 5 == 2);
        reader.islands.clear();
        rounds += 1;
        assert!(rounds < 1000, "{} bytes have come", reader.got);
    }
    reader.leaves_exact();
}

/// Whatever blocks say, it costs time at most.
#[test]
fn blocks_that_lie_do_no_harm() {
    let mut chance = 1_u32;
    let mut reader = Reader::new(Says::Sack);
    let mut rounds = 0;
    while reader.got < ENOUGH {
        reader.round(as_sent, |start, count| count == 1 && (start / 1460) % 5 == 2);
        for _ in 0..3 {
            let mut lie = || {
                chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                reader.got.wrapping_add(chance >> 14).wrapping_sub(50_000)
            };
            let blocks = [(lie(), lie()), (lie(), lie()), (lie(), lie())];
            reader.says_blocks(&blocks);
            let head = (reader.got, reader.got + 1460);
            reader.says_blocks(&[head]);
        }
        rounds += 1;
        assert!(rounds < 10_000, "{} bytes have come", reader.got);
    }
    reader.leaves_exact();
}
