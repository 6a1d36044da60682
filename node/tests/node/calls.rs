//! Connections that R2 opens: what the called may answer, and what becomes of a call when R2 stops.

use r2_node::node::CallOutcome;
use r2_sim::simulation::{R2_ADDRESS, Simulation, plan};
use r2_sim::stranger::{ADDRESS, Heard, MAC, Said, arp};
use smoltcp::time::Duration;
use smoltcp::wire::{ArpOperation, IpAddress, Ipv4Address, TcpControl};

use super::talk::text;

/// R2 calls the stranger's chat; the stranger, and R2's SYN.
fn called() -> (Simulation, Said<'static>, Heard) {
    let mut lab = Simulation::new(&plan(1));
    lab.call((ADDRESS, 5000).into());
    lab.put(arp(ArpOperation::Reply, MAC, ADDRESS));
    let syn = lab.heard().pop().expect("R2's SYN");
    assert!(syn.syn && !syn.rst);
    let said = Said {
        from: 5000,
        to: 49_152,
        control: TcpControl::Syn,
        seq: 0,
        ack: Some(syn.end()),
        payload: b"",
    };
    (lab, said, syn)
}

fn open(lab: &Simulation) -> usize {
    lab.world.counters.sessions_open
}

/// RFC 9293, section 3.4: SYN may carry bytes. smoltcp takes none of them, so they come again.
#[test]
fn an_answer_that_carries_bytes_opens_the_connection_where_they_begin() {
    for ends in [TcpControl::Fin, TcpControl::Rst] {
        let (mut lab, answer, _) = called();
        lab.say(&Said {
            payload: b"hello\n",
            ..answer
        });
        assert_eq!(open(&lab), 1);
        let heard = lab.heard();
        assert!(heard.iter().all(|it| !it.rst), "{heard:?}");
        let said = Said {
            control: TcpControl::Psh,
            seq: 1,
            payload: b"hello\n",
            ..answer
        };
        lab.say(&said);
        assert!(text(&lab.heard()).contains("KALI: hello\n"));
        // Whatever is counted from there is right, too.
        lab.say(&Said {
            control: ends,
            seq: 7,
            payload: b"",
            ..said
        });
        lab.heard();
        // FIN leaves it half-closed, RST ends it.
        assert_eq!(open(&lab), usize::from(ends == TcpControl::Fin), "{ends:?}");
        lab.everybody_leaves();
    }
}

/// RFC 9293, section 3.5, figure 8: two SYNs cross, and each side acknowledges the other's with its own once more.
#[test]
fn two_syns_that_cross_and_are_both_acknowledged_open_the_connection() {
    let (mut lab, answer, _) = called();
    lab.say(&Said { ack: None, ..answer });
    let crossed = lab.heard().pop().expect("R2's SYN, acknowledged");
    assert!(crossed.syn);
    lab.say(&Said {
        ack: Some(crossed.end()),
        ..answer
    });
    assert_eq!(open(&lab), 1);
    lab.say(&Said {
        control: TcpControl::Psh,
        seq: 1,
        ack: Some(crossed.end()),
        payload: b"hello\n",
        ..answer
    });
    assert!(text(&lab.heard()).contains("KALI: hello\n"));
    lab.everybody_leaves();
}

/// RFC 9293, section 3.10.7.3.
#[test]
fn a_forged_answer_ends_no_call() {
    let (mut lab, answer, syn) = called();
    for ahead in [1, 1 << 31, u32::MAX] {
        for control in [
            TcpControl::Syn,
            TcpControl::Rst,
            TcpControl::None,
            TcpControl::Fin,
        ] {
            lab.say(&Said {
                control,
                ack: Some(syn.end().wrapping_add(ahead)),
                ..answer
            });
        }
    }
    lab.say(&Said {
        control: TcpControl::Rst,
        ack: None,
        ..answer
    });
    lab.heard();
    lab.say(&answer);
    assert_eq!(open(&lab), 1);
    lab.everybody_leaves();
}

#[test]
fn nobody_is_called_at_an_address_that_is_nobodys() {
    let mut lab = Simulation::new(&plan(1));
    for address in [
        [127, 0, 0, 1],
        [0, 0, 0, 1],
        [240, 0, 0, 1],
        [192, 168, 69, 255],
        R2_ADDRESS.octets(),
    ] {
        let address: IpAddress = Ipv4Address::from(address).into();
        assert!(!lab.can_call((address, 5000).into()), "{address}");
    }
    let loopback: IpAddress = smoltcp::wire::Ipv6Address::LOCALHOST.into();
    assert!(!lab.can_call((loopback, 5000).into()));
    lab.everybody_leaves();
}

/// Whoever is called when R2 stops hears of it, or of nothing at all.
#[test]
fn a_call_that_is_under_way_when_r2_stops_is_given_up() {
    // Nobody knows yet where the called is.
    let mut lab = Simulation::new(&plan(1));
    lab.call((ADDRESS, 5000).into());
    lab.stop();
    lab.put(arp(ArpOperation::Reply, MAC, ADDRESS));
    lab.pass(Duration::from_secs(2));
    assert!(lab.heard().is_empty(), "no SYN");
    assert!(lab.is_stopped());
    assert!(
        !lab.can_call((ADDRESS, 5000).into()),
        "nor is anybody called later"
    );
    // SYN has left.
    let (mut lab, answer, _) = called();
    lab.stop();
    let mut heard = lab.heard();
    lab.say(&answer);
    heard.extend(lab.heard());
    assert!(heard.iter().any(|it| it.rst), "{heard:?}");
    assert_eq!(open(&lab), 0);
    assert!(lab.is_stopped());
    // SYN has crossed another.
    let (mut lab, answer, _) = called();
    lab.say(&Said { ack: None, ..answer });
    lab.heard();
    lab.stop();
    assert!(lab.heard().iter().any(|it| it.rst));
    assert!(lab.is_stopped());
}

#[test]
fn what_became_of_a_call_that_was_given_up_is_told() {
    let (mut lab, ..) = called();
    lab.stop();
    assert_eq!(lab.call_outcome(), Some(CallOutcome::Refused));
}
