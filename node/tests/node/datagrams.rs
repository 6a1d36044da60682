//! UDP.

use r2_node::Reason;
use r2_sim::simulation::{Simulation, plan};
use r2_sim::stranger::{datagram, heard_datagram};

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
    for from in [7, 19, 5010] {
        for to in [7, 19, 5010] {
            assert_eq!(answers(&mut lab, from, to, b"x"), [""; 0]);
        }
    }
    assert_eq!(lab.dropped(Reason::NoAnswer), 9);
    assert_eq!(
        answers(&mut lab, 4000, 5010, b""),
        [""; 0],
        "nor does an empty one"
    );
    lab.everybody_leaves();
}
