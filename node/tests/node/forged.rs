//! RST and SYN from somebody who does not know the sequence numbers (RFC 5961). All of it within the 5 s after which R2
//! speaks of its own accord.

use r2_node::Reason;
use r2_sim::simulation::{BUFFER, Simulation, plan};
use r2_sim::stranger::{Heard, Said};
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;

const SYN: Said<'_> = Said {
    from: 1000,
    to: 5020,
    control: TcpControl::Syn,
    seq: 0,
    ack: None,
    payload: b"",
};

/// The stranger connects and uploads the beginning of a file; what R2's next segment begins with.
fn upload(lab: &mut Simulation, payload: &[u8]) -> u32 {
    lab.say(&SYN);
    let ours = lab.heard().pop().expect("R2 answers SYN").end();
    lab.say(&Said {
        control: TcpControl::Psh,
        seq: 1,
        ack: Some(ours),
        payload,
        ..SYN
    });
    ours
}

/// How many connections are open.
fn open(lab: &Simulation) -> usize {
    lab.world.counters.sessions_open
}

fn rst(seq: u32) -> Said<'static> {
    Said {
        control: TcpControl::Rst,
        seq,
        ..SYN
    }
}

fn assert_challenge(heard: &[Heard], ours: u32, expected: u32) {
    let [challenge] = heard else {
        panic!("one challenge ACK, not {heard:?}");
    };
    assert!(!challenge.rst && !challenge.syn && !challenge.fin);
    let expected = r2_sim::stranger::FIRST.wrapping_add(expected);
    assert_eq!((challenge.seq, challenge.ack), (ours, expected));
    assert_ne!(challenge.window, 0, "an open window stays open");
}

#[test]
fn an_rst_ends_a_connection_with_the_expected_number_only() {
    let mut lab = Simulation::new(&plan(1));
    let ours = upload(&mut lab, b"hello");
    lab.pass(Duration::from_millis(100));
    lab.heard();
    // Behind the expected number, at the window's end, before it, far away.
    let far = u32::try_from(BUFFER).unwrap();
    for (seq, challenged) in [(7, true), (far, true), (4, false), (1 << 31, false)] {
        lab.say(&rst(seq));
        if challenged {
            assert_challenge(&lab.heard(), ours, 6);
        } else {
            assert_eq!(lab.heard(), [], "{seq}");
        }
        assert_eq!(open(&lab), 1, "{seq}");
        lab.pass(Duration::from_secs(1));
    }
    assert_eq!(lab.dropped(Reason::Challenged), 4);
    lab.say(&rst(6));
    assert_eq!((open(&lab), lab.heard().len()), (0, 0));
    assert_eq!(lab.stored(), ["drop-0001.partial 5"]);
    lab.everybody_leaves();
}

#[test]
fn a_challenge_is_sent_once_a_second_at_most() {
    let mut lab = Simulation::new(&plan(1));
    let ours = upload(&mut lab, b"hello");
    lab.pass(Duration::from_millis(100));
    for _ in 0..3 {
        lab.heard();
        for control in [TcpControl::Rst, TcpControl::Syn].repeat(50) {
            let seq = 100;
            lab.say(&Said { control, seq, ..SYN });
        }
        assert_challenge(&lab.heard(), ours, 6);
        lab.pass(Duration::from_secs(1));
    }
    assert_eq!((open(&lab), lab.dropped(Reason::Challenged)), (1, 300));
    lab.everybody_leaves();
}

/// R2 waits for more before it acknowledges a bulk transfer.
#[test]
fn an_honest_rst_may_be_ahead_of_the_last_acknowledgement() {
    let mut lab = Simulation::new(&plan(1));
    let ours = upload(&mut lab, b"hello");
    let acknowledged = |heard: &Heard| heard.ack == r2_sim::stranger::FIRST.wrapping_add(6);
    assert!(!lab.heard().iter().any(acknowledged), "not yet");
    lab.say(&rst(6));
    assert_eq!(open(&lab), 0);

    // The same behind FIN, which has a number of its own.
    lab.say(&Said { from: 1001, ..SYN });
    let other = lab.heard().pop().expect("R2 answers SYN").end();
    assert_ne!(other, ours);
    lab.say(&Said {
        from: 1001,
        control: TcpControl::Fin,
        seq: 1,
        ack: Some(other),
        payload: b"hello",
        ..SYN
    });
    lab.say(&Said { from: 1001, ..rst(6) });
    assert_eq!(open(&lab), 1, "that was before FIN");
    lab.say(&Said { from: 1001, ..rst(7) });
    assert_eq!(open(&lab), 0);
    assert_eq!(lab.stored(), ["drop-0001.partial 5", "drop-0002.unconfirmed 5"]);
    lab.everybody_leaves();
}

#[test]
fn an_rst_ends_a_half_open_connection_with_the_expected_number_only() {
    let mut lab = Simulation::new(&plan(1));
    lab.say(&SYN);
    let waiting = lab.connect(5020);
    for seq in [0, 2, 100] {
        lab.say(&rst(seq));
        assert!(!lab.is_open(waiting), "{seq}");
    }
    lab.say(&rst(1));
    assert!(lab.is_open(waiting));
    lab.everybody_leaves();
}

#[test]
fn a_syn_harms_no_open_connection() {
    let mut lab = Simulation::new(&plan(1));
    let ours = upload(&mut lab, b"hello");
    lab.pass(Duration::from_millis(100));
    lab.heard();
    for (seq, ack) in [(0, None), (6, None), (6, Some(ours)), (1 << 31, None)] {
        lab.say(&Said { seq, ack, ..SYN });
        assert_challenge(&lab.heard(), ours, 6);
        lab.pass(Duration::from_secs(1));
    }
    lab.say(&Said {
        control: TcpControl::Fin,
        seq: 6,
        ack: Some(ours),
        payload: b" world",
        ..SYN
    });
    let receipt: Vec<u8> = lab.heard().into_iter().flat_map(|heard| heard.payload).collect();
    let receipt = String::from_utf8(receipt).unwrap();
    assert!(receipt.starts_with("stored drop-0001 11 bytes"), "{receipt}");
    lab.everybody_leaves();
}

/// Its ports are those of a connection that it has forgotten.
#[test]
fn a_peer_that_was_switched_off_and_on_is_served_anew() {
    let mut lab = Simulation::new(&plan(1));
    let ours = upload(&mut lab, b"hello");
    lab.pass(Duration::from_millis(100));
    lab.heard();
    let syn = Said { seq: 1 << 20, ..SYN };
    lab.say(&syn);
    assert_challenge(&lab.heard(), ours, 6);
    lab.say(&rst(6));
    assert_eq!(open(&lab), 0);
    lab.say(&syn);
    let answer = lab.heard().pop().expect("R2 answers SYN");
    assert!(answer.syn && !answer.rst);
    lab.everybody_leaves();
}
