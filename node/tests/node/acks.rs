//! Acknowledgements: old ones, repeated ones, and those that R2 sends.

use r2_sim::stranger::Heard;
use smoltcp::time::{Duration, Instant};

use super::talk::{OPEN, Talk, acknowledged, bare, bytes, carried, last, text};

/// A segment that was overtaken carries an acknowledgement that is old, and bytes that are not (RFC 9293, section
/// 3.10.7.4; RFC 5961, section 5.2).
#[test]
fn bytes_with_an_old_acknowledgement_are_taken() {
    for ipv6 in [false, true] {
        let mut talk = Talk::with(7, ipv6);
        let old = talk.ack;
        let heard = talk.says([bytes(1, &[b'x'; 1000])]);
        let new = heard.last().expect("an echo").end();
        talk.ack = new;
        talk.says([bare(1011)]);
        // As old as the largest window allows.
        for (seq, ack) in [(1001, old), (1003, new.wrapping_sub(u32::from(OPEN)))] {
            talk.ack = ack;
            assert_eq!(text(&talk.says([bytes(seq, b"ab")])), "ab", "{seq}");
            talk.ack = heard.last().expect("an echo").end();
        }
        talk.lab.everybody_leaves();
    }
}

#[test]
fn a_fin_with_an_old_acknowledgement_is_taken() {
    let mut talk = Talk::to(7);
    let old = talk.ack;
    let heard = talk.says([bytes(1, b"hello")]);
    talk.ack = heard.last().expect("an echo").end();
    talk.says([bare(8)]);
    talk.ack = old;
    let heard = talk.says([last(6, b"!!")]);
    assert_eq!(text(&heard), "!!");
    assert!(heard.last().expect("an end").fin);
    talk.lab.everybody_leaves();
}

/// Its window is as old as the acknowledgement.
#[test]
fn the_window_of_an_old_acknowledgement_is_not_taken() {
    let mut talk = Talk::to(7);
    let old = talk.ack;
    let heard = talk.says([bytes(1, b"hello")]);
    let new = heard.last().expect("an echo").end();
    talk.ack = new;
    talk.says([bare(16)]);
    (talk.ack, talk.window) = (old, 0);
    assert_eq!(text(&talk.says([bytes(6, b"0123456789")])), "0123456789");
    talk.lab.everybody_leaves();
}

/// smoltcp takes three of them for a loss, and forgets the timer of what it does not find to send again.
#[test]
fn a_lost_fin_is_repeated_whatever_else_the_peer_acknowledges() {
    for repeats in [1, 3, 4, 7] {
        let mut talk = Talk::to(5040);
        let page = talk.waits_for_the_page();
        let end = page.last().expect("a page").clone();
        assert!(end.fin);
        talk.ack = end.end().wrapping_sub(1);
        talk.says([bare(1)]);
        for _ in 0..repeats {
            assert_eq!(talk.says([bare(1)]).len(), 0);
        }
        talk.lab.pass(Duration::from_millis(2_500));
        let heard = talk.heard();
        assert!(heard.iter().any(|segment| segment.fin), "{repeats} {heard:?}");
        // Nothing of it is left for the next one in that slot.
        talk.ack = end.end();
        talk.says([last(1, b"")]);
        let mut next = Talk::in_lab(talk.lab, 5040, false, None);
        next.window = 0;
        let heard = next.waits_for_the_page();
        assert!(
            carried(&heard).len() <= 1,
            "more than a probe: {repeats} {heard:?}"
        );
        next.lab.everybody_leaves();
    }
}

/// What is lost is sent again at the third duplicate, with a FIN behind it or not (RFC 5681, section 3.2). smoltcp does
/// not count them in LAST-ACK.
#[test]
fn a_loss_is_made_good_at_once_for_a_peer_that_has_half_closed() {
    for length in [1200, 2600, 5000] {
        let mut talk = Talk::to(7);
        let first = talk.ack;
        let question = vec![b'x'; length];
        let mut seq = 1;
        for piece in question.chunks(1000) {
            talk.says([bytes(seq, piece)]);
            seq += u32::try_from(piece.len()).expect("a short piece");
        }
        talk.says([last(seq, b"")]);
        let heard = [(); 3].map(|()| talk.says([bare(seq + 1)])).concat();
        assert_eq!(heard.first().map(|it| it.seq), Some(first), "{length} {heard:?}");
        talk.lab.everybody_leaves();
    }
}

/// A device that has no room just then.
#[test]
fn a_loss_is_made_good_once_the_device_has_room() {
    let mut talk = Talk::to(7);
    let first = talk.ack;
    talk.says([bytes(1, &[b'x'; 1000]), bytes(1001, &[b'x'; 1000])]);
    talk.lab.full = true;
    for _ in 0..3 {
        talk.says([bare(2001)]);
    }
    talk.lab.full = false;
    talk.lab.pass(Duration::from_millis(10));
    let heard = talk.heard();
    assert_eq!(heard.first().map(|it| it.seq), Some(first), "{heard:?}");
    talk.lab.everybody_leaves();
}

/// RFC 9293, sections 3.8.4 and 3.10.7.4: each is answered.
#[test]
fn every_keep_alive_and_every_repeated_fin_is_answered() {
    for ipv6 in [false, true] {
        let mut talk = Talk::with(7, ipv6);
        talk.says([bytes(1, b"hello")]);
        for piece in [bare(5), bytes(5, b"o"), bare(5), bare(5)] {
            let heard = talk.says([piece]);
            assert_eq!((heard.len(), acknowledged(&heard)), (1, Some(6)), "{heard:?}");
            assert!(heard[0].window > 0 && heard[0].payload.is_empty());
        }
        talk.lab.everybody_leaves();
    }
    let mut talk = Talk::to(5000);
    talk.says([bytes(1, b"hello\n")]);
    let heard = talk.says([last(7, b"")]);
    talk.ack = heard.last().expect("an end").seq;
    for _ in 0..3 {
        let heard = talk.says([last(7, b"")]);
        assert_eq!(acknowledged(&heard), Some(8), "{heard:?}");
    }
    talk.lab.everybody_leaves();
}

/// A challenge is still sent once a second at most, and takes nothing from those.
#[test]
fn a_keep_alive_is_answered_beside_a_challenge() {
    let mut talk = Talk::to(7);
    talk.says([bytes(1, b"hello")]);
    let right = talk.ack;
    talk.ack = right.wrapping_add(100);
    assert_eq!(talk.says([bare(6)]).len(), 1);
    assert_eq!(talk.says([bare(6)]).len(), 0);
    talk.ack = right;
    assert_eq!(talk.says([bare(5)]).len(), 1);
    talk.lab.everybody_leaves();
}

/// RFC 9293, section 3.10.7.4: <SEQ=SND.NXT>. smoltcp does not count the byte of a probe.
#[test]
fn an_acknowledgement_carries_the_number_behind_a_probe() {
    let mut talk = Talk::to(7);
    talk.window = 0;
    talk.says([bytes(1, b"hello")]);
    talk.lab.pass(Duration::from_secs(2));
    let probe = talk.heard().pop().expect("a probe");
    assert_eq!(probe.payload.len(), 1);
    let heard = talk.says([bytes(6, b"!")]);
    assert_eq!(heard.last().map(|it| it.seq), Some(probe.end()));
    talk.lab.everybody_leaves();
}

/// Nor does smoltcp know, after a time-out, how much it has sent.
#[test]
fn an_acknowledgement_carries_the_number_behind_all_that_was_sent() {
    let mut talk = Talk::to(7);
    let heard = talk.says([bytes(1, &[b'x'; 1400]), bytes(1401, &[b'x'; 1000])]);
    let end = heard.last().expect("an echo").end();
    // The timer runs out when there is no room.
    talk.lab.full = true;
    talk.lab.pass(Duration::from_millis(1_500));
    talk.heard();
    talk.window = 0;
    let heard = talk.says([bare(1)]);
    assert!(!heard.is_empty(), "an old segment is answered");
    assert!(heard.iter().all(|it| it.seq == end), "{heard:?} {end}");
    assert!(talk.lab.now > Instant::ZERO);
    talk.lab.full = false;
    talk.lab.everybody_leaves();
}

/// RFC 9293, section 3.10.7.4: whatever the window, an acknowledgement counts. smoltcp takes none from bytes that it has no
/// room for.
#[test]
fn an_acknowledgement_in_bytes_that_meet_a_closed_window_counts() {
    for length in [1, 1000] {
        let mut talk = Talk::to(7);
        let (mut seq, mut end) = (1, 0);
        // R2 has no room for more of its echo, and then for no more bytes.
        let room = loop {
            let heard = talk.says([bytes(seq, &[b'x'; 1000])]);
            end = heard
                .iter()
                .filter(|it| !it.payload.is_empty())
                .map(Heard::end)
                .next_back()
                .unwrap_or(end);
            seq = acknowledged(&heard).expect("an acknowledgement");
            let room = heard.last().expect("an acknowledgement").window;
            if room < 1000 {
                break usize::from(room);
            }
        };
        talk.says([bytes(seq, &vec![b'x'; room])]);
        seq += u32::try_from(room).expect("a window");
        talk.ack = end;
        let heard = talk.says([bytes(seq, &vec![b'y'; length])]);
        assert!(
            !carried(&heard).is_empty(),
            "the echo goes on: {length} {heard:?}"
        );
        talk.lab.everybody_leaves();
    }
}
