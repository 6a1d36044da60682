//! The same questions in every state of a connection: who is believed, what is answered, and what is made good.

use r2_sim::simulation::{BUFFER, Simulation, plan};
use r2_sim::stranger::{FIRST, Heard, Said};
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;

use super::talk::{OPEN, Talk, acknowledged, bare, bytes, carried, last, text};

/// A connection in a state, and what R2 expects next of the stranger's.
struct Stand {
    name: &'static str,
    talk: Talk,
    seq: u32,
}

/// A page of status of which all was sent, FIN included; behind its last byte.
fn page(ipv6: bool) -> (Talk, u32) {
    let mut talk = Talk::with(5040, ipv6);
    let mut heard = talk.waits_for_the_page();
    for _ in 0..20 {
        if let Some(end) = heard.iter().find(|it| it.fin) {
            let end = end.end().wrapping_sub(1);
            return (talk, end);
        }
        talk.ack = heard
            .iter()
            .map(Heard::end)
            .max_by_key(|end| end.wrapping_sub(talk.ack))
            .unwrap_or(talk.ack);
        heard = talk.says([bare(1)]);
    }
    panic!("no end");
}

/// Connections in all the states that one has which was open.
fn stands(ipv6: bool) -> Vec<Stand> {
    let mut all = Vec::new();
    let mut stand = |name, talk, seq| all.push(Stand { name, talk, seq });
    let mut talk = Talk::with(7, ipv6);
    talk.says([bytes(1, b"hello")]);
    stand("ESTABLISHED", talk, 6);
    // R2 owes bytes that the stranger's window has no room for.
    let mut talk = Talk::with(7, ipv6);
    talk.window = 0;
    talk.says([bytes(1, &[b'x'; 900])]);
    talk.says([last(901, b"")]);
    stand("CLOSE-WAIT", talk, 902);
    let (mut talk, end) = page(ipv6);
    talk.ack = end.wrapping_sub(1);
    talk.says([bare(1)]);
    stand("FIN-WAIT-1", talk, 1);
    let (mut talk, end) = page(ipv6);
    talk.ack = end.wrapping_add(1);
    talk.says([bare(1)]);
    stand("FIN-WAIT-2", talk, 1);
    let (mut talk, end) = page(ipv6);
    talk.ack = end.wrapping_sub(1);
    talk.says([last(1, b"")]);
    stand("CLOSING", talk, 2);
    let mut talk = Talk::with(7, ipv6);
    talk.says([bytes(1, b"hello")]);
    talk.says([last(6, b"")]);
    stand("LAST-ACK", talk, 7);
    for stand in &mut all {
        stand.talk.heard();
    }
    all
}

/// RFC 9293, sections 3.8.4 and 3.10.7.4.
#[test]
fn every_keep_alive_is_answered_in_every_state() {
    for ipv6 in [false, true] {
        for Stand { name, mut talk, seq } in stands(ipv6) {
            for piece in [bare(seq - 1), bytes(seq - 1, b"x"), bare(seq - 1), bare(seq - 1)] {
                let heard = talk.says([piece]);
                assert_eq!(acknowledged(&heard), Some(seq), "{name} {heard:?}");
                assert!(heard.iter().all(|it| !it.rst), "{name} {heard:?}");
            }
            talk.lab.everybody_leaves();
        }
    }
}

/// RFC 9293, section 3.10.7.4.
#[test]
fn a_fin_outside_the_window_is_answered_in_every_state() {
    let far = u32::try_from(BUFFER).expect("a small buffer");
    for ipv6 in [false, true] {
        for Stand { name, mut talk, seq } in stands(ipv6) {
            for piece in [
                last(seq + far + 1, b""),
                last(seq + far, b"x"),
                last(seq - 1, b""),
                last(seq.saturating_sub(1), b""),
            ] {
                for _ in 0..3 {
                    let heard = talk.says([piece]);
                    assert_eq!(acknowledged(&heard), Some(seq), "{name} {} {heard:?}", piece.seq);
                    assert!(heard.iter().all(|it| !it.rst), "{name} {heard:?}");
                }
            }
            talk.lab.everybody_leaves();
        }
    }
}

/// RFC 5961, section 5.2: whoever knows nothing moves nothing, in no state.
#[test]
fn who_guesses_is_believed_in_no_state() {
    for ipv6 in [false, true] {
        for Stand { name, mut talk, seq } in stands(ipv6) {
            let right = talk.ack;
            for wrong in [
                0,
                1 << 31,
                right.wrapping_sub(u32::from(OPEN) + 2),
                right.wrapping_add(1 << 30),
                right.wrapping_add(u32::from(OPEN)),
            ] {
                talk.ack = wrong;
                for piece in [bare(seq), bare(seq - 1), bytes(seq, b"forged"), last(seq, b"")] {
                    let mut frame = talk.frame(piece);
                    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 67]);
                    talk.lab.put(frame);
                }
            }
            talk.ack = right;
            talk.heard();
            let heard = talk.says([bare(seq - 1)]);
            assert_eq!(acknowledged(&heard), Some(seq), "{name} {heard:?}");
            talk.lab.everybody_leaves();
        }
    }
}

/// RFC 5681, section 3.2: at the third duplicate, in every state in which bytes may be in flight.
#[test]
fn a_loss_is_made_good_at_once_in_every_state() {
    for half_closes in [false, true] {
        // FIN-WAIT-1 and CLOSING: a page of which the first segment is lost.
        let mut talk = Talk::to(5040);
        let first = talk.ack;
        let heard = talk.waits_for_the_page();
        assert!(carried(&heard).len() > 536, "more than a segment");
        let seq = if half_closes {
            talk.says([last(1, b"")]);
            2
        } else {
            1
        };
        let heard = [(); 3].map(|()| talk.says([bare(seq)])).concat();
        let again = heard.iter().find(|it| !it.payload.is_empty());
        assert_eq!(again.map(|it| it.seq), Some(first), "{half_closes} {heard:?}");
        talk.lab.everybody_leaves();
    }
}

/// A window opens with whatever segment shows it, in whatever state: a keep-alive, a FIN that is repeated, a byte that R2
/// has no room for.
#[test]
fn a_window_that_a_keep_alive_opens_is_filled_at_once() {
    for ipv6 in [false, true] {
        for repeats in [bytes(900, b"x"), bare(900)] {
            let mut talk = Talk::with(7, ipv6);
            talk.window = 0;
            let heard = talk.says([bytes(1, &[b'x'; 900])]);
            assert_eq!(carried(&heard).len(), 0);
            talk.window = OPEN;
            let heard = talk.says([repeats]);
            assert_eq!(carried(&heard).len(), 900, "{heard:?}");
            talk.lab.everybody_leaves();
        }
        let mut talk = Talk::with(7, ipv6);
        talk.window = 0;
        talk.says([bytes(1, &[b'x'; 900])]);
        talk.says([last(901, b"")]);
        talk.window = OPEN;
        let heard = talk.says([last(901, b"")]);
        assert_eq!(carried(&heard).len(), 900, "{heard:?}");
        talk.lab.everybody_leaves();
    }
}

/// RFC 9293, section 3.10.7.4: even where R2 has no room for a byte, its acknowledgement and its window count.
#[test]
fn a_window_that_a_probe_of_r2s_closed_window_opens_is_filled_at_once() {
    for ipv6 in [false, true] {
        let mut talk = Talk::with(7, ipv6);
        talk.window = 0;
        let mut seq = 1;
        for _ in 0..100 {
            talk.says([bytes(seq, &[b'x'; 1024])]);
            talk.lab.pass(Duration::from_millis(10));
            talk.heard();
            let now = talk.says([bytes(seq, b"x")]);
            seq = acknowledged(&now).expect("an answer");
            if now.last().is_some_and(|it| it.window == 0) {
                break;
            }
        }
        talk.lab.pass(Duration::from_millis(10));
        talk.heard();
        talk.window = OPEN;
        let heard = talk.says([bytes(seq, b"x")]);
        assert!(carried(&heard).len() > 4000, "{}", carried(&heard).len());
        talk.lab.everybody_leaves();
    }
}

/// What R2 has sent is acknowledged by bytes that it has no room for: there is room again for both sides.
#[test]
fn an_acknowledgement_beside_bytes_without_room_lets_an_echo_go_on() {
    for ends in [false, true] {
        let mut talk = Talk::to(7);
        let (mut seq, mut end) = (1, talk.ack);
        for _ in 0..100 {
            let mut heard = talk.says([bytes(seq, &[b'x'; 1024])]);
            talk.lab.pass(Duration::from_millis(10));
            heard.extend(talk.heard());
            seq = acknowledged(&heard).expect("an answer");
            let sent = heard.iter().filter(|it| !it.payload.is_empty());
            end = sent.map(Heard::end).next_back().unwrap_or(end);
            if heard.last().is_some_and(|it| it.window == 0) {
                break;
            }
        }
        talk.ack = end;
        let probe = if ends { last(seq, b"x") } else { bytes(seq, b"x") };
        let heard = talk.says([probe]);
        assert!(!carried(&heard).is_empty(), "{ends} {heard:?}");
        talk.lab.everybody_leaves();
    }
}

/// RFC 9293, section 3.8.6.2.1: what is all that there is to say, and has room, is sent.
#[test]
fn a_small_window_takes_a_short_answer_whole() {
    for (shift, window) in [(None, 100), (Some(2), 25)] {
        let mut talk = Talk::in_lab(Simulation::new(&plan(1)), 7, false, shift);
        talk.says([bytes(1, b"hello")]);
        talk.ack = talk.ack.wrapping_add(5);
        talk.window = window;
        // The window is shown before there is anything to say, and with it.
        talk.says([bare(6)]);
        let heard = talk.says([bytes(6, &[b'y'; 90])]);
        assert_eq!(carried(&heard).len(), 90, "{shift:?} {heard:?}");
        talk.lab.everybody_leaves();
    }
}

/// A window that stays small is filled once a second: slowly, and more than a byte.
#[test]
fn a_window_that_stays_small_takes_all_in_the_end() {
    let mut talk = Talk::to(7);
    talk.window = 8192;
    talk.says([bytes(1, b"hello")]);
    talk.ack = talk.ack.wrapping_add(5);
    talk.window = 100;
    let first = talk.ack;
    talk.says([bytes(6, &[b'x'; 1000])]);
    let mut seconds = 0;
    while talk.ack.wrapping_sub(first) < 1000 {
        seconds += 1;
        assert!(
            seconds < 20,
            "{} of 1000 after {seconds} s",
            talk.ack.wrapping_sub(first)
        );
        talk.lab.pass(Duration::from_secs(1));
        for heard in talk.heard() {
            if heard.seq == talk.ack {
                talk.ack = heard.end();
            }
        }
        talk.says([bare(1006)]);
    }
    talk.lab.everybody_leaves();
}

/// Another SYN in the middle of a handshake is from somebody who has begun anew: R2 asks, and is told (RFC 9293, section
/// 3.10.7.4).
#[test]
fn who_begins_anew_in_the_middle_of_a_handshake_is_asked() {
    let mut lab = Simulation::new(&plan(1));
    let syn = Said {
        from: 1000,
        to: 7,
        control: TcpControl::Syn,
        seq: 0,
        ack: None,
        payload: b"",
    };
    lab.say(&syn);
    lab.heard();
    let anew = Said { seq: 50_000, ..syn };
    lab.say(&anew);
    let asked = lab.heard().pop().expect("a question");
    assert!(!asked.rst && asked.ack == FIRST.wrapping_add(1), "{asked:?}");
    lab.say(&Said {
        control: TcpControl::Rst,
        seq: asked.ack.wrapping_sub(FIRST),
        ..syn
    });
    lab.say(&anew);
    let answer = lab.heard().pop().expect("R2 answers SYN");
    assert!(
        answer.syn && answer.ack == FIRST.wrapping_add(50_001),
        "{answer:?}"
    );
    lab.everybody_leaves();
}

/// Bytes that come while R2 has ended, with an acknowledgement that is old, are acknowledged.
#[test]
fn bytes_with_an_old_acknowledgement_are_taken_after_r2s_fin() {
    for ipv6 in [false, true] {
        let (mut talk, end) = page(ipv6);
        talk.ack = end.wrapping_add(1);
        talk.says([bare(1)]);
        talk.ack = end.wrapping_sub(100);
        let mut heard = talk.says([bytes(1, b"hello")]);
        talk.lab.pass(Duration::from_millis(50));
        heard.extend(talk.heard());
        assert_eq!(acknowledged(&heard), Some(6), "{heard:?}");
        talk.ack = end.wrapping_sub(100);
        let heard = talk.says([last(6, b"")]);
        assert_eq!(acknowledged(&heard), Some(7), "{heard:?}");
        assert_eq!(talk.lab.world.counters.sessions_open, 0);
        assert_eq!(text(&heard), "");
        talk.lab.everybody_leaves();
    }
}
