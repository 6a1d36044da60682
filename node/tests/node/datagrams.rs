//! UDP.

use r2_node::Reason;
use r2_node::limits::{ANSWER_BUCKETS, BUCKET_FILLS_EVERY, BUCKET_HOLDS};
use r2_sim::simulation::{R2_ADDRESS6, Simulation, plan};
use r2_sim::stranger::{datagram, heard_datagram};
use r2_sim::stranger6::{self, heard};
use smoltcp::time::Duration;
use smoltcp::wire::Ipv4Packet;

/// What R2 answers to a datagram, in the turn that takes it.
fn answers(lab: &mut Simulation, from: u16, to: u16, payload: &[u8]) -> Vec<String> {
    lab.put(datagram(from, to, payload));
    let frames = lab.to_stranger.drain(..);
    let payloads = frames.filter_map(|frame| Some(heard_datagram(&frame)?.1));
    payloads.map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

#[test]
fn a_datagram_is_answered_by_one_datagram() {
    let mut lab = Simulation::new(&plan(1));
    for question in [&b"12SECRET3"[..], b"12SECRET3\n", b"12SECRET3\r\n"] {
        assert_eq!(
            answers(&mut lab, 4000, 5010, question),
            ["Digits: 123 Count: 3\n"]
        );
    }
    assert_eq!(answers(&mut lab, 4000, 7, b"hello"), ["hello"]);
    assert_eq!(answers(&mut lab, 4000, 9, b"hello"), [""; 0]);
    let pattern = answers(&mut lab, 4000, 19, b"");
    assert!(pattern.len() == 1 && pattern[0].starts_with("!\"#$%&"));
    assert_eq!(lab.dropped(Reason::NoAnswer), 0);
    lab.everybody_leaves();
}

#[test]
fn a_datagram_needs_no_slot() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(5010);
    assert!(lab.is_open(kali));
    assert_eq!(answers(&mut lab, 4000, 5010, b"x"), ["Secret code not found.\n"]);
    lab.everybody_leaves();
}

#[test]
fn ports_that_would_answer_the_answer_get_none() {
    let mut lab = Simulation::new(&plan(1));
    // Echo, daytime, quote, chargen, time, R2's own secret, and nobody.
    let answering = [7, 13, 17, 19, 37, 5010, 0];
    for from in answering {
        for to in [7, 19, 5010] {
            assert_eq!(answers(&mut lab, from, to, b"x"), [""; 0], "{from} {to}");
        }
    }
    assert_eq!(lab.dropped(Reason::NoAnswer), 21);
    assert_eq!(
        answers(&mut lab, 4000, 5010, b""),
        [""; 0],
        "nor does an empty one"
    );
    // Discard takes from anybody, and answers nobody: so it is answered.
    for from in answering {
        assert_eq!(answers(&mut lab, from, 9, b"x"), [""; 0]);
    }
    assert_eq!(lab.dropped(Reason::NoAnswer), 22);
    assert_eq!(answers(&mut lab, 9, 7, b"x"), ["x"]);
    lab.everybody_leaves();
}

/// RFC 862.
#[test]
fn an_empty_datagram_to_echo_comes_back_empty() {
    let mut lab = Simulation::new(&plan(1));
    assert_eq!(answers(&mut lab, 4000, 7, b""), [""]);
    lab.put(stranger6::datagram(4000, 7, R2_ADDRESS6, b""));
    let (.., bytes) = heard(&lab.to_stranger.pop().expect("an answer")).unwrap();
    assert_eq!(bytes.len(), 8, "a header and nothing behind it");
    lab.everybody_leaves();
}

/// A small question that brings a long answer would flood whoever's address it forges.
#[test]
fn long_answers_to_short_questions_are_ten_a_second_for_each_address() {
    let mut lab = Simulation::new(&plan(1));
    let from = |host: u8| {
        let mut frame = datagram(4000, 19, b"x");
        frame[29] = host;
        frame[40..42].fill(0);
        Ipv4Packet::new_unchecked(&mut frame[14..]).fill_checksum();
        frame
    };
    let count = |lab: &mut Simulation, frames: Vec<Vec<u8>>| {
        lab.put_at_once(frames);
        lab.to_stranger.drain(..).count() as u64
    };
    assert_eq!(count(&mut lab, vec![from(66); 300]), BUCKET_HOLDS);
    assert_eq!(lab.dropped(Reason::RateLimited), 300 - BUCKET_HOLDS);
    // Another is answered meanwhile, and questions that are as long as their answers.
    assert_eq!(count(&mut lab, vec![from(67)]), 1);
    let long = datagram(4000, 19, &[b'x'; 200]);
    assert_eq!(count(&mut lab, vec![long; 300]), 300);
    assert_eq!(count(&mut lab, vec![datagram(4000, 5010, b"1"); 300]), 300);
    for _ in 0..3 {
        lab.pass(Duration::from_millis(BUCKET_FILLS_EVERY.as_millis()));
        assert_eq!(count(&mut lab, vec![from(66); 30]), 1);
    }
    // From however many addresses: no more than the buckets hold.
    lab.pass(Duration::from_secs(10));
    let everywhere = (0..20_000_u32).map(|number| {
        let mut frame = from(1);
        frame[26..30].copy_from_slice(&(0x0a00_0001 + number).to_be_bytes());
        Ipv4Packet::new_unchecked(&mut frame[14..]).fill_checksum();
        frame
    });
    assert!(count(&mut lab, everywhere.collect()) <= BUCKET_HOLDS * ANSWER_BUCKETS as u64);
    lab.everybody_leaves();
}

/// RFC 8200, section 8.1, and RFC 768.
#[test]
fn a_datagram_may_go_without_a_checksum_over_ipv4_only() {
    let mut lab = Simulation::new(&plan(1));
    let mut frame = datagram(4000, 7, b"hello");
    frame[40..42].fill(0);
    lab.put(frame);
    assert_eq!(lab.to_stranger.drain(..).count(), 1);
    for to in [7, 9, 4444] {
        let mut frame = stranger6::datagram(4000, to, R2_ADDRESS6, b"hello");
        frame[60..62].fill(0);
        lab.put(frame);
    }
    assert_eq!(lab.dropped(Reason::Checksum), 3);
    assert_eq!(lab.to_stranger.len(), 0);
    lab.everybody_leaves();
}

#[test]
fn a_datagram_is_as_long_as_it_says() {
    let mut lab = Simulation::new(&plan(1));
    let saying = |length: u16| {
        let mut frame = datagram(4000, 7, b"hello");
        frame[38..40].copy_from_slice(&length.to_be_bytes());
        frame[40..42].fill(0);
        frame
    };
    for (length, answer) in [(8, &b""[..]), (10, b"he"), (13, b"hello")] {
        lab.put(saying(length));
        let answered = heard_datagram(&lab.to_stranger.pop().expect("an answer"));
        assert_eq!(answered, Some((4000, answer.to_vec())));
    }
    for (index, length) in [0, 7, 14, u16::MAX].into_iter().enumerate() {
        lab.put(saying(length));
        assert_eq!(lab.dropped(Reason::Malformed), index as u64 + 1, "{length}");
    }
    lab.put(datagram(4000, 0, b"hello"));
    assert_eq!(lab.dropped(Reason::Malformed), 5, "nobody has port 0");
    assert_eq!(lab.to_stranger.len(), 0);
    lab.everybody_leaves();
}

/// The bound of long answers counts over IPv6 as well.
#[test]
fn long_answers_over_ipv6_are_bounded_for_each_address() {
    let mut lab = Simulation::new(&plan(1));
    let short = stranger6::datagram(4000, 19, R2_ADDRESS6, b"x");
    lab.put_at_once(vec![short; 300]);
    assert_eq!(lab.to_stranger.drain(..).count() as u64, BUCKET_HOLDS);
    assert_eq!(lab.dropped(Reason::RateLimited), 300 - BUCKET_HOLDS);
    lab.everybody_leaves();
}
