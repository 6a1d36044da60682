//! More peers than slots.

use r2_links::memory::{Leaving, Wire};
use r2_tests::simulation::{Simulation, plan, switch_on};
use r2_tests::stranger::{FIRST, Heard, Said};
use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::socket::tcp::State;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpControl;

const SYN: Said<'_> = Said {
    from: 1000,
    to: 5010,
    control: TcpControl::Syn,
    seq: 0,
    ack: None,
    payload: b"",
};

#[test]
fn a_syn_to_a_full_service_is_held_and_served_when_a_slot_is_free() {
    let mut lab = Simulation::new(&plan(1));
    let first = lab.connect(5010);
    let second = lab.connect(5010);
    lab.pass(Duration::from_secs(20));
    assert_eq!(lab.state(second), State::SynSent);
    lab.half_close(first);
    assert!(
        lab.is_open(second),
        "served at once: not one retransmission later"
    );
    lab.send(second, b"SECRET 1\n");
    assert_eq!(lab.read(second), "Digits: 1 Count: 1\n");
    assert_eq!(lab.resets, 0);
    lab.everybody_leaves();
}

/// A link that takes no frame but answers to what has just arrived, while it is full.
#[derive(Default)]
struct Link {
    wire: Wire,
    is_full: bool,
}

impl Device for Link {
    type RxToken<'a> = <Wire as Device>::RxToken<'a>;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Leaving<'_>)> {
        self.wire.receive(now)
    }

    fn transmit(&mut self, now: Instant) -> Option<Leaving<'_>> {
        if self.is_full {
            return None;
        }
        self.wire.transmit(now)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.wire.capabilities()
    }
}

#[test]
fn a_syn_that_waits_goes_on_waiting_while_the_link_is_full() {
    let (mut link, mut now) = (Link::default(), Instant::ZERO);
    let (mut node, mut world) = switch_on(&plan(1), [7; 16], &mut link);
    let reset = Said {
        control: TcpControl::Rst,
        seq: 1,
        ..SYN
    };
    let waits = Said { from: 1001, ..SYN };
    link.wire.arriving.extend([SYN, waits].map(|said| said.frame()));
    node.poll(now, &mut link, &mut world);
    link.is_full = true;
    link.wire.arriving.push_back(reset.frame());
    node.poll(now, &mut link, &mut world);
    let heard = |link: &mut Link| {
        let heard = link.wire.leaving.drain(..);
        heard.filter_map(|frame| Heard::read(&frame)).collect::<Vec<_>>()
    };
    assert_eq!(heard(&mut link).len(), 1, "one slot, one answer");
    let next = node.poll(now, &mut link, &mut world);
    now = next.expect("a SYN waits");
    link.is_full = false;
    while node.poll(now, &mut link, &mut world) == Some(now) {}
    let answer = heard(&mut link).pop().expect("an answer to the SYN that waited");
    assert!(answer.syn && answer.to == waits.from && answer.ack == FIRST.wrapping_add(1));
    assert!(now < Instant::from_millis(200), "before anybody repeats a SYN");
}

#[test]
fn a_crowd_is_served_one_by_one_and_nobody_is_refused() {
    let mut lab = Simulation::new(&plan(2));
    let crowd: Vec<_> = (0..12).map(|_| lab.connect(5010)).collect();
    let mut waiting = crowd.clone();
    while !waiting.is_empty() {
        let (open, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|&kali| lab.is_open(kali));
        assert_eq!(open.len(), 2.min(open.len() + others.len()));
        for kali in open {
            lab.half_close(kali);
        }
        waiting = others;
    }
    assert_eq!(lab.resets, 0);
    lab.everybody_leaves();
}

#[test]
fn a_port_without_a_service_answers_rst() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(4444);
    assert_eq!(lab.state(kali), State::Closed);
    assert_eq!(lab.resets, 1);
    lab.everybody_leaves();
}

#[test]
fn a_half_open_slot_is_taken_back_after_10_s() {
    let mut lab = Simulation::new(&plan(1));
    lab.say(&SYN);
    lab.pass(Duration::from_millis(9_990));
    let heard = lab.heard();
    assert!(heard.len() > 1 && heard.iter().all(|segment| segment.syn && !segment.rst));
    lab.pass(Duration::from_millis(20));
    assert!(lab.heard().iter().any(|segment| segment.rst));
    let kali = lab.connect(5010);
    assert!(lab.is_open(kali));
    lab.everybody_leaves();
}

#[test]
fn a_half_open_slot_gives_way_after_1_s_to_a_syn_that_waits() {
    let mut lab = Simulation::new(&plan(1));
    lab.say(&SYN);
    let kali = lab.connect(5010);
    lab.pass(Duration::from_millis(990));
    assert_eq!(lab.state(kali), State::SynSent);
    lab.pass(Duration::from_millis(200));
    assert!(lab.is_open(kali));
    lab.everybody_leaves();
}

#[test]
fn a_connection_that_is_idle_for_a_minute_gives_way_to_a_syn_that_waits() {
    let mut lab = Simulation::new(&plan(2));
    let oldest = lab.connect(5010);
    lab.pass(Duration::from_secs(2));
    let younger = lab.connect(5010);
    let waiting = lab.connect(5010);
    lab.pass(Duration::from_millis(57_990));
    assert_eq!(lab.state(waiting), State::SynSent);
    lab.pass(Duration::from_millis(200));
    assert_eq!(lab.state(oldest), State::CloseWait, "in order: with FIN");
    lab.half_close(oldest);
    assert!(lab.is_open(waiting));
    assert!(lab.is_open(younger));
    assert_eq!(lab.world.counters.services()[1].refused, 1);
    lab.everybody_leaves();
}

#[test]
fn an_idle_connection_stays_while_nobody_waits() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(5010);
    lab.pass(Duration::from_secs(1000));
    assert!(lab.is_open(kali));
    lab.everybody_leaves();
}

#[test]
fn chat_never_gives_way() {
    let mut lab = Simulation::new(&plan(1));
    let idle = lab.connect(5000);
    let waiting = lab.connect(5000);
    lab.pass(Duration::from_secs(1000));
    assert!(lab.is_open(idle));
    assert_eq!(lab.state(waiting), State::SynSent);
    lab.everybody_leaves();
}

#[test]
fn an_idle_connection_that_does_not_close_is_reset_a_second_later() {
    let mut lab = Simulation::new(&plan(1));
    let idle = lab.connect(5010);
    let waiting = lab.connect(5010);
    lab.pass(Duration::from_millis(60_500));
    assert_eq!(lab.state(idle), State::CloseWait);
    assert_eq!(lab.resets, 0);
    lab.pass(Duration::from_secs(1));
    assert_eq!(lab.state(idle), State::Closed);
    assert!(lab.is_open(waiting));
    lab.everybody_leaves();
}
