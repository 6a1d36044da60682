//! Ends of connections, and what comes after them.

use r2_node::Limits;
use r2_sim::simulation::{Simulation, plan};
use r2_sim::stranger::{Heard, Said};
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;

use super::talk::{OPEN, Talk, UNTIL_THE_PAGE, bytes};

const SYN: Said<'_> = Said {
    from: 1000,
    to: 5040,
    control: TcpControl::Syn,
    seq: 0,
    ack: None,
    payload: b"",
};

/// The stranger reads the status page to its end and closes; R2's FIN, and the stranger's.
fn visit(lab: &mut Simulation) -> (Heard, Said<'static>) {
    lab.say(&SYN);
    let mut heard = lab.heard();
    let data = Said {
        control: TcpControl::None,
        seq: 1,
        ..SYN
    };
    while let Some(last) = heard.last().filter(|last| !last.fin).cloned() {
        lab.say(&Said {
            ack: Some(last.end()),
            ..data
        });
        if last.syn {
            lab.pass(UNTIL_THE_PAGE);
        }
        heard = lab.heard();
    }
    let ours = heard.pop().expect("R2 sends FIN behind the page");
    let fin = Said {
        control: TcpControl::Fin,
        ack: Some(ours.end()),
        ..data
    };
    lab.say(&fin);
    let last = lab.heard().pop().expect("FIN is acknowledged");
    assert_eq!((last.seq, last.ack, last.rst), (ours.end(), last_ack(), false));
    (ours, fin)
}

/// Behind the stranger's SYN and FIN.
fn last_ack() -> u32 {
    r2_sim::stranger::FIRST.wrapping_add(2)
}

#[test]
fn a_late_fin_is_acknowledged_though_the_slot_has_another_peer() {
    let mut lab = Simulation::new(&plan(1));
    let (ours, fin) = visit(&mut lab);
    let other = lab.connect(5040);
    lab.pass(UNTIL_THE_PAGE);
    assert_ne!(lab.read(other), "", "the slot is free at once");
    lab.pass(Duration::from_secs(9));
    lab.heard();
    lab.say(&fin);
    let heard = lab.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!((heard[0].seq, heard[0].ack), (ours.end(), last_ack()));
    assert!(!heard[0].rst && !heard[0].syn && !heard[0].fin);
    lab.pass(Duration::from_secs(2));
    lab.say(&fin);
    assert!(
        lab.heard().iter().all(|segment| segment.rst),
        "forgotten after 10 s"
    );
    lab.everybody_leaves();
}

#[test]
fn a_new_connection_between_the_same_ports_passes_at_once() {
    let mut lab = Simulation::new(&plan(1));
    for _ in 0..3 {
        visit(&mut lab);
    }
    assert_eq!(lab.world.counters.services()[4].connections, 3);
    lab.everybody_leaves();
}

#[test]
fn a_peer_that_never_sends_fin_keeps_its_slot_for_30_s_after_ours() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(5040);
    lab.pass(UNTIL_THE_PAGE);
    assert_ne!(lab.read(kali), "");
    lab.pass(Duration::from_secs(29));
    assert_eq!(lab.resets, 0);
    lab.pass(Duration::from_secs(2));
    assert_eq!(lab.resets, 1);
    lab.everybody_leaves();
}

#[test]
fn a_peer_that_never_sends_fin_gives_way_to_a_syn_that_waits() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(5040);
    lab.pass(UNTIL_THE_PAGE);
    assert_ne!(lab.read(kali), "");
    let waiting = lab.connect(5040);
    lab.pass(Duration::from_secs(2));
    assert_ne!(lab.read(waiting), "");
    lab.everybody_leaves();
}

#[test]
fn everything_works_over_ipv6() {
    let mut lab = Simulation::new(&plan(1));
    let address = r2_sim::simulation::R2_ADDRESS6.into();
    let kali = lab.connect_to(address, 5010);
    lab.pass(Duration::from_secs(1));
    lab.send(kali, b"12SECRET3\n");
    assert_eq!(lab.read(kali), "Digits: 123 Count: 3\n");
    let refused = lab.connect_to(address, 4444);
    assert_eq!(lab.state(refused), smoltcp::socket::tcp::State::Closed);
    lab.half_close(kali);
    let drop = lab.connect_to(address, 5020);
    lab.send(drop, b"hello");
    lab.half_close(drop);
    assert!(lab.read(drop).starts_with("stored drop-0001 5 bytes"));
    assert_eq!(lab.stored(), ["drop-0001 5"]);
    lab.everybody_leaves();
}

/// Once its time to stop is over, R2 is gone: whoever has no room for what is left, FIN included, hears of it.
#[test]
fn a_peer_whose_window_stays_closed_is_reset_when_the_time_to_stop_is_over() {
    let stop_within = Duration::from_millis(Limits::DEFAULT.stop_within.as_millis());
    for (window, ends) in [(0, false), (OPEN, true)] {
        let mut talk = Talk::to(7);
        talk.window = window;
        talk.says([bytes(1, &[b'x'; 500])]);
        talk.lab.stop();
        talk.lab.pass(stop_within);
        let heard = talk.heard();
        let fin = heard.iter().any(|it| it.fin);
        let rst = heard.iter().any(|it| it.rst);
        assert_eq!((fin, rst), (ends, !ends), "{heard:?}");
        assert!(talk.lab.is_stopped());
    }
}

/// The acknowledgement of SYN-ACK, the first bytes and RST are read at once: R2 has heard of the connection when it is over.
#[test]
fn bytes_that_came_in_one_burst_with_rst_are_kept() {
    let mut lab = Simulation::new(&plan(1));
    let said = |seq, control, ack, payload| Said {
        from: 4000,
        to: 5020,
        control,
        seq,
        ack,
        payload,
    };
    lab.say(&said(0, TcpControl::Syn, None, b""));
    let isn = lab.heard().pop().expect("SYN-ACK").seq;
    lab.put_at_once([
        said(1, TcpControl::Psh, Some(isn.wrapping_add(1)), b"PARTIALRST").frame(),
        said(11, TcpControl::Rst, Some(isn.wrapping_add(1)), b"").frame(),
    ]);
    assert_eq!(lab.stored(), ["drop-0001.partial 10"]);
    lab.everybody_leaves();
}
