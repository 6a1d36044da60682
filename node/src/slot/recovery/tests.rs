//! The scoreboard beside a list of single bytes, and the clocks.

use std::vec::Vec;

use proptest::prelude::*;

use super::scoreboard::{Piece, Scoreboard};
use super::{Recovery, is_later};

/// What is known of each byte under way, the first of which is number `start`.
#[derive(Default)]
struct Model {
    start: u32,
    bytes: Vec<Byte>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Byte {
    sent_at: i64,
    sacked: bool,
}

/// What happens to both.
#[derive(Clone, Debug)]
enum Event {
    Push(u32),
    Acknowledge(u32),
    Sack(u32, u32),
    Lose,
    Repeat(u32, u32),
    ForgetSacks,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (1_u32..40).prop_map(Event::Push),
        2 => (0_u32..60).prop_map(Event::Acknowledge),
        3 => (0_u32..200, 0_u32..60).prop_map(|(left, length)| Event::Sack(left, left + length)),
        1 => Just(Event::Lose),
        2 => (0_u32..200, 1_u32..60).prop_map(|(left, length)| Event::Repeat(left, left + length)),
        1 => Just(Event::ForgetSacks),
    ]
}

impl Model {
    fn of(board: &Scoreboard<'_>) -> Vec<Byte> {
        let mut start = board.start();
        let mut bytes = Vec::new();
        for piece in board.pieces() {
            let byte = Byte {
                sent_at: piece.sent_at,
                sacked: piece.sacked,
            };
            bytes.extend((0..piece.end.wrapping_sub(start)).map(|_| byte));
            start = piece.end;
        }
        bytes
    }
}

proptest! {
    /// With room for every piece, the scoreboard knows of every byte what there is to know.
    #[test]
    fn a_scoreboard_with_room_knows_every_byte(
        start in any::<u32>(),
        events in proptest::collection::vec(event(), 0..60),
    ) {
        let mut pieces = [Piece::default(); 256];
        let mut board = Scoreboard::new(&mut pieces);
        board.begin(start);
        let mut model = Model { start, bytes: Vec::new() };
        for (at, event) in (0..).zip(events) {
            let under_way = u32::try_from(model.bytes.len()).unwrap();
            match event {
                Event::Push(length) => {
                    board.push(board.end().wrapping_add(length), at);
                    let byte = Byte { sent_at: at, sacked: false };
                    model.bytes.extend((0..length).map(|_| byte));
                }
                Event::Acknowledge(length) => {
                    let length = length.min(under_way);
                    let mut seen = 0;
                    board.acknowledge(model.start.wrapping_add(length), |_| seen += 1);
                    let gone: Vec<_> = model.bytes.drain(..length as usize).collect();
                    prop_assert_eq!(seen > 0, gone.iter().any(|byte| !byte.sacked));
                    model.start = model.start.wrapping_add(length);
                }
                Event::Sack(left, right) => {
                    let mut seen = false;
                    board.sack(model.start.wrapping_add(left), model.start.wrapping_add(right), |_| seen = true);
                    let mut news = false;
                    if right <= under_way {
                        for byte in &mut model.bytes[left.min(right) as usize..right as usize] {
                            news |= !byte.sacked;
                            byte.sacked = true;
                        }
                    }
                    prop_assert_eq!(seen, news);
                }
                Event::Lose => board.lose_all(),
                Event::Repeat(left, right) => {
                    board.repeat(model.start.wrapping_add(left), model.start.wrapping_add(right), at);
                    // Whole pieces leave anew, in the eyes of the board.
                    model.bytes = Model::of(&board);
                }
                Event::ForgetSacks => {
                    board.forget_sacks();
                    model.bytes.iter_mut().for_each(|byte| byte.sacked = false);
                }
            }
            prop_assert_eq!(board.start(), model.start);
            prop_assert_eq!(Model::of(&board), &*model.bytes);
            let sacked = model.bytes.iter().filter(|byte| byte.sacked).count();
            prop_assert_eq!(board.sacked() as usize, sacked);
        }
    }

    /// However few pieces it has, it never says that a byte has come of which the peer did not say so, and never loses
    /// one of those under way.
    #[test]
    fn a_scoreboard_without_room_knows_less_and_nothing_wrong(
        room in 0_usize..6,
        start in any::<u32>(),
        events in proptest::collection::vec(event(), 0..60),
    ) {
        let mut pieces = [Piece::default(); 6];
        let mut board = Scoreboard::new(&mut pieces[..room]);
        board.begin(start);
        let mut model = Model { start, bytes: Vec::new() };
        for (at, event) in (0..).zip(events) {
            let under_way = u32::try_from(model.bytes.len()).unwrap();
            match event {
                Event::Push(length) => {
                    board.push(board.end().wrapping_add(length), at);
                    let length = if room > 0 { length } else { 0 };
                    model.bytes.extend((0..length).map(|_| Byte::default()));
                }
                Event::Acknowledge(length) => {
                    let length = length.min(under_way);
                    board.acknowledge(model.start.wrapping_add(length), |_| {});
                    model.bytes.drain(..length as usize);
                    model.start = model.start.wrapping_add(length);
                }
                Event::Sack(left, right) => {
                    board.sack(model.start.wrapping_add(left), model.start.wrapping_add(right), |_| {});
                    if right <= under_way {
                        for byte in &mut model.bytes[left.min(right) as usize..right as usize] {
                            byte.sacked = true;
                        }
                    }
                }
                Event::Lose => board.lose_all(),
                Event::Repeat(left, right) => {
                    board.repeat(model.start.wrapping_add(left), model.start.wrapping_add(right), at);
                }
                Event::ForgetSacks => {
                    board.forget_sacks();
                    model.bytes.iter_mut().for_each(|byte| byte.sacked = false);
                }
            }
            let known = Model::of(&board);
            prop_assert_eq!(known.len(), model.bytes.len());
            for (known, byte) in known.iter().zip(&model.bytes) {
                prop_assert!(!known.sacked || byte.sacked);
            }
        }
    }
}

#[test]
fn what_is_wanted_is_wanted_until_its_last_byte_has_left() {
    let mut pieces = [Piece::default(); 4];
    let mut board = Scoreboard::new(&mut pieces);
    board.begin(u32::MAX - 10);
    board.push(90, 0);
    board.lose_all();
    assert!(board.repeat(u32::MAX - 10, 40, 1));
    assert!(board.repeat(40, 90, 1));
    assert!(!board.repeat(40, 90, 2));
    assert!(board.pieces().iter().all(|piece| piece.repeated && !piece.lost));
}

#[test]
fn the_last_bytes_that_have_not_come_are_asked_for() {
    let mut pieces = [Piece::default(); 8];
    let mut board = Scoreboard::new(&mut pieces);
    board.begin(0);
    board.push(100, 0);
    board.sack(80, 100, |_| {});
    board.want_last(30);
    assert!(!board.repeat(0, 50, 1));
    assert!(board.repeat(50, 80, 1));
}

#[test]
fn pieces_of_one_time_have_the_order_of_their_numbers() {
    assert!(is_later((1, 5), (0, 9)));
    assert!(is_later((1, 5), (1, u32::MAX)));
    assert!(!is_later((1, 5), (1, 5)));
}

/// A connection with a round trip of so many microseconds, and a segment under way at time 0.
fn under_way(pieces: &mut [Piece], rtt: i64) -> Recovery<'_> {
    let mut recovery = Recovery::new(pieces);
    recovery.begin();
    recovery.measure(rtt);
    recovery.left(0, 1000, 1460);
    recovery
}

#[test]
fn a_silent_tail_is_asked_for_once_and_then_times_out_at_doubled_times() {
    let mut pieces = [Piece::default(); 4];
    let mut recovery = under_way(&mut pieces, 1_000);
    assert_eq!(recovery.probes_at(), Some(47_000));
    recovery.now = 47_000;
    recovery.look_at_clocks();
    assert!(recovery.wants);
    assert_eq!((recovery.probes_at(), recovery.times_out_at()), (None, 200_000));
    let mut at = 0;
    for doubled in 0..12 {
        at += (200_000 << doubled).min(60_000_000);
        assert_eq!(recovery.times_out_at(), at);
        recovery.now = at;
        recovery.look_at_clocks();
    }
}

#[test]
fn a_round_trip_is_averaged_as_rfc_6298_says() {
    let mut pieces = [Piece::default(); 4];
    let mut recovery = under_way(&mut pieces, 100_000);
    assert_eq!((recovery.srtt, recovery.rttvar), (Some(100_000), 50_000));
    assert_eq!(recovery.times_out_at(), 300_000);
    recovery.measure(180_000);
    assert_eq!((recovery.srtt, recovery.rttvar), (Some(110_000), 57_500));
}

#[test]
fn without_memory_nothing_is_done() {
    let mut recovery = under_way(&mut [], 1_000);
    recovery.now = 10_000_000;
    recovery.look_at_clocks();
    recovery.hear(0, &[], true);
    assert_eq!(
        (recovery.next_at(), recovery.wants, recovery.repeats),
        (None, false, false)
    );
}
