//! A room and its peers, with drivers that do not always call.

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::{Nick, Peer, Room, Seat};
use crate::limits::{CHAT_LINE_MAX, CHAT_OUT_MAX, CHAT_RING_MIN};
use crate::session::{Over, Session, Wants};
use crate::time::Instant;

const NOW: Instant = Instant::from_millis(0);

fn in_a_room(seats: usize, scene: impl FnOnce(&mut Room<'_>)) {
    let (mut ring, mut seats) = ([0; CHAT_RING_MIN], vec![Seat::default(); seats]);
    scene(&mut Room::new(&mut ring, &mut seats, "R2", "KALI").unwrap());
}

fn joined(room: &mut Room<'_>) -> Peer {
    let mut peer = Peer::new();
    peer.opened(NOW, room);
    peer
}

/// What the peer reads, `room_for` bytes at a time, until there is nothing more.
fn reads(peer: &mut Peer, room: &mut Room<'_>, room_for: usize) -> String {
    let (mut read, mut tx) = (Vec::new(), vec![0; room_for]);
    loop {
        let filled = peer.transmit(NOW, &mut tx, room);
        if filled == 0 {
            return String::from_utf8(read).unwrap();
        }
        read.extend_from_slice(&tx[..filled]);
        assert!(read.len() < 1_000_000, "it never ends");
    }
}

fn types(peer: &mut Peer, room: &mut Room<'_>, text: &str) {
    assert_eq!(peer.receive(NOW, text.as_bytes(), room), text.len(), "{text}");
}

#[test]
fn a_peer_that_does_not_read_misses_lines_and_is_told_how_many() {
    for room_for in [1, 7, 512, 4096] {
        in_a_room(2, |room| {
            let (mut talks, mut sleeps) = (joined(room), joined(room));
            types(&mut talks, room, "the line under way\n");
            let mut tx = [0; 6];
            assert_eq!(sleeps.transmit(NOW, &mut tx, room), 6);
            for number in 0..1000 {
                types(&mut talks, room, &format!("line {number}\n"));
                reads(&mut talks, room, 512);
            }
            let read = reads(&mut sleeps, room, room_for);
            let mut lines = read.lines();
            assert_eq!(lines.next(), Some("the line under way"), "is whole");
            let skipped = lines.next().and_then(|line| line.strip_prefix("* "));
            let skipped = skipped.and_then(|line| line.strip_suffix(" lines skipped"));
            let skipped: usize = skipped.unwrap().parse().unwrap();
            let rest: Vec<_> = lines.collect();
            assert_eq!(skipped + rest.len(), 1000);
            for (line, number) in rest.iter().zip(skipped..) {
                assert_eq!(*line, format!("KALI: line {number}"));
            }
        });
    }
}

#[test]
fn a_peer_that_does_not_read_still_speaks_until_it_asks_for_an_answer() {
    in_a_room(2, |room| {
        let (mut mute, mut other) = (joined(room), joined(room));
        for _ in 0..100 {
            types(&mut mute, room, "hello\n");
        }
        let typed = b"/nick Bob\nmore\n/who\nlast\n";
        let taken = mute.receive(NOW, typed, room);
        assert_eq!(
            &typed[taken..],
            b"\nlast\n",
            "a rename needs no answer, a list does"
        );
        assert_eq!(mute.receive(NOW, b"\nlast\n", room), 0);
        assert!(reads(&mut other, room, 99).ends_with("Bob: more\n"));
        let read = reads(&mut mute, room, 99);
        assert!(!read.contains("here"), "it was not taken yet");
        assert_eq!(mute.receive(NOW, b"\nlast\n", room), 6);
        assert_eq!(reads(&mut mute, room, 99), "* here: R2 Bob KALI-2\nBob: last\n");
    });
}

#[test]
fn an_answer_waits_until_all_of_it_has_room() {
    // What fits behind the longest of these lines is one byte short of the answer, and behind the other just enough.
    let answer = "* unknown command /x\n";
    let fits = CHAT_OUT_MAX - "KALI: \n".len() - answer.len();
    for (length, taken) in [(fits, 3), (fits + 1, 2)] {
        in_a_room(1, |room| {
            let mut peer = joined(room);
            let line = "x".repeat(length);
            types(&mut peer, room, &format!("{line}\n"));
            assert_eq!(peer.transmit(NOW, &mut [0], room), 1, "the line is under way");
            assert_eq!(peer.receive(NOW, b"/x\n", room), taken);
            let read = reads(&mut peer, room, 99);
            types(&mut peer, room, &"/x\n"[taken..]);
            assert_eq!(
                read + &reads(&mut peer, room, 99),
                format!("ALI: {line}\n{answer}")
            );
        });
    }
}

#[test]
fn an_answer_stands_behind_the_lines_that_were_said_before_its_command() {
    in_a_room(2, |room| {
        let (mut asks, mut talks) = (joined(room), joined(room));
        reads(&mut asks, room, 99);
        types(&mut asks, room, "/x\n");
        for number in 0..3 {
            reads(&mut asks, room, 99);
            types(&mut talks, room, &format!("line {number}\n"));
            assert_eq!(asks.receive(NOW, b"/y\n", room), 2);
            assert_eq!(reads(&mut asks, room, 99), format!("KALI-2: line {number}\n"));
            types(&mut asks, room, "\n");
            assert_eq!(reads(&mut asks, room, 99), "* unknown command /y\n");
        }
    });
}

#[test]
fn a_peer_that_leaves_gets_what_was_said_before_and_nothing_after() {
    in_a_room(2, |room| {
        let (mut leaves, mut stays) = (joined(room), joined(room));
        types(&mut stays, room, "before\n");
        types(&mut leaves, room, "/quit\nignored\n");
        types(&mut stays, room, "after\n");
        assert_eq!(leaves.wants(), Wants::Nothing, "it is owed two lines");
        assert_eq!(leaves.poll_at(), None, "nothing more comes by the clock");
        assert_eq!(reads(&mut leaves, room, 3), "* KALI-2 joined\nKALI-2: before\n");
        assert_eq!(leaves.wants(), Wants::Close);
        leaves.finished(NOW, room);
        leaves.over(NOW, Over::Delivered, room);
        assert_eq!(
            reads(&mut stays, room, 99),
            "KALI-2: before\n* KALI left\nKALI-2: after\n",
            "it leaves once"
        );
    });
}

#[test]
fn a_line_too_long_is_said_in_parts_and_a_command_too_long_is_cut() {
    in_a_room(1, |room| {
        let (mut peer, long) = (joined(room), "x".repeat(CHAT_LINE_MAX));
        types(&mut peer, room, &format!("{long}/quit\n"));
        assert_eq!(
            reads(&mut peer, room, 99),
            format!("KALI: {long}\nKALI: /quit\n"),
            "what stands behind a part is no command"
        );
        types(&mut peer, room, &format!("KALI: {long}\n"));
        assert_eq!(reads(&mut peer, room, 99), format!("KALI: {long}\n"));
        types(&mut peer, room, &format!("/dance {long}"));
        types(&mut peer, room, &format!("{long}\nbye\n"));
        assert_eq!(
            reads(&mut peer, room, 99),
            "* unknown command /dance\nKALI: bye\n"
        );
    });
}

#[test]
fn quit_behind_the_last_byte_leaves_once() {
    in_a_room(2, |room| {
        let (mut leaves, mut stays) = (joined(room), joined(room));
        types(&mut leaves, room, "/quit");
        leaves.finished(NOW, room);
        leaves.over(NOW, Over::Delivered, room);
        assert_eq!(reads(&mut stays, room, 99), "* KALI left\n");
    });
}

#[test]
fn the_host_quits_by_a_flag_and_goes_on_showing_behind_the_end_of_its_input() {
    in_a_room(1, |room| {
        let mut host = Peer::host();
        host.opened(NOW, room);
        let mut guest = joined(room);
        types(&mut host, room, "R2: hello\nlast words");
        host.finished(NOW, room);
        assert_eq!(reads(&mut guest, room, 99), "R2: hello\nR2: last words\n");
        types(&mut guest, room, "/who\nhello\n");
        assert_eq!(
            reads(&mut host, room, 99),
            "* KALI joined\nR2: hello\nR2: last words\nKALI: hello\n"
        );
        assert_eq!(host.wants(), Wants::Nothing);
        assert!(!room.host_quit());
        let mut host = Peer::host();
        host.opened(NOW, room);
        types(&mut host, room, "/quit\n");
        assert!(room.host_quit());
        host.over(NOW, Over::Stopped, room);
        assert_eq!(reads(&mut guest, room, 99), "* here: R2 KALI\nKALI: hello\n");
    });
}

#[test]
fn ten_thousand_peers_are_numbered_and_listed_through_one_small_buffer() {
    in_a_room(10_000, |room| {
        let mut host = Peer::host();
        host.opened(NOW, room);
        let mut guests: Vec<_> = (0..10_000).map(|_| joined(room)).collect();
        let mut late = joined(room);
        assert_eq!(reads(&mut late, room, 99), "* the room is full\n");
        guests[6_999].over(NOW, Over::Reset, room);
        let before = room.revision();
        guests[6_999] = joined(room);
        assert_ne!(room.revision(), before);
        reads(&mut host, room, 4096);
        types(&mut host, room, "/who\n");
        let peers = (2..=10_000).map(|number| format!("KALI-{number}"));
        let names: Vec<_> = [String::from("* here: R2 KALI")]
            .into_iter()
            .chain(peers)
            .collect();
        assert_eq!(reads(&mut host, room, 100), names.join(" ") + "\n");
    });
}

#[test]
fn a_peer_that_asks_who_is_here_and_half_closes_is_in_the_list() {
    in_a_room(300, |room| {
        let mut guests: Vec<_> = (0..300).map(|_| joined(room)).collect();
        let mut last = guests.pop().unwrap();
        types(&mut last, room, "/who\n");
        last.finished(NOW, room);
        let read = reads(&mut last, room, 10);
        assert!(read.ends_with(" KALI-299 KALI-300\n"), "{read}");
        assert_eq!(last.wants(), Wants::Close);
        assert!(reads(&mut guests[0], room, 99).ends_with("* KALI-300 left\n"));
    });
}

/// Pieces of lines, commands and labels, of text and of no text.
fn typed() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "KALI: |R2: |KALI-2: |\\* |/nick [a-z]{0,3}|/nick kali-[0-9]|/who|/quit|/x|\r\n|\n|[ -~]{0,9}"
            .prop_map(String::into_bytes),
        any::<u8>().prop_map(|byte| vec![byte]),
        (500..600usize).prop_map(|length| vec![b'x'; length]),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn whatever_is_typed_every_line_carries_its_senders_label(
        turns in proptest::collection::vec((0..2usize, typed(), 1..700usize), 0..12)
    ) {
        in_a_room(2, |room| {
            let mut host = Peer::host();
            host.opened(NOW, room);
            let mut peers = [joined(room), joined(room)];
            let mut screen = String::new();
            for (who, typed, room_for) in turns {
                let mut rest = &typed[..];
                while !rest.is_empty() {
                    let taken = peers[who].receive(NOW, rest, room);
                    rest = &rest[taken..];
                    let read = reads(&mut peers[who], room, room_for);
                    assert!(taken > 0 || !read.is_empty(), "a line waits for nothing");
                    screen.push_str(&reads(&mut host, room, room_for));
                }
            }
            for line in screen.lines() {
                let label = line.split(": ").next().unwrap_or_default();
                assert!(line.starts_with("* ") || Nick::parse(label).is_some(), "{line}");
                assert!(!line.starts_with("R2: "), "{line}");
                assert!(line.chars().all(|c| c == '\t' || !c.is_control()), "{line}");
                assert!(line.len() < CHAT_OUT_MAX || line.starts_with("* here: "), "{line}");
            }
        });
    }
}

/// The lab's mawk line puts the first peer's label before everybody's lines.
#[test]
fn a_numbered_peer_may_put_the_first_ones_label_before_its_lines_and_nobody_else_may() {
    in_a_room(3, |room| {
        let [mut first, mut second, mut third] = [joined(room), joined(room), joined(room)];
        types(&mut third, room, "/nick Bob\n");
        reads(&mut first, room, 512);
        types(&mut second, room, "KALI: hi\nKALI-2: hi\nKALI: KALI: hi\n");
        reads(&mut second, room, 512);
        types(&mut second, room, "KALI: /who\n");
        types(&mut third, room, "KALI: hi\n");
        assert_eq!(
            reads(&mut first, room, 512),
            "KALI-2: hi\nKALI-2: hi\nKALI-2: KALI: hi\nBob: KALI: hi\n"
        );
        assert!(reads(&mut second, room, 512).contains("* here: R2 KALI KALI-2 Bob\n"));
    });
}
