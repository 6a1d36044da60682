//! One address that wants more than its share, and another that waits. The one is the stranger, the other KALI.

use r2_node::Size;
use r2_services::Plan;
use r2_sim::simulation::{BUFFER, Simulation, plan};
use r2_sim::stranger::Said;
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;

const PORT: u16 = 5010;

const SYN: Said<'_> = Said {
    from: 1000,
    to: PORT,
    control: TcpControl::Syn,
    seq: 0,
    ack: None,
    payload: b"",
};

/// How many connections the secret service has.
const SLOTS: u16 = 8;

fn crowd() -> Plan {
    Plan {
        secret: Size {
            connections: SLOTS.into(),
            receive: BUFFER,
            transmit: BUFFER,
        },
        ..plan(1)
    }
}

/// The stranger takes every slot, one each 100 ms. His ports, and what R2's next segment to each begins with.
fn take_all(lab: &mut Simulation) -> Vec<(u16, u32)> {
    let mut taken = Vec::new();
    for from in 1000..1000 + SLOTS {
        lab.say(&Said { from, ..SYN });
        let ours = lab.heard().pop().expect("R2 answers SYN").end();
        lab.say(&Said {
            from,
            control: TcpControl::None,
            seq: 1,
            ack: Some(ours),
            ..SYN
        });
        lab.pass(Duration::from_millis(100));
        taken.push((from, ours));
    }
    assert_eq!(lab.world.counters.sessions_open, usize::from(SLOTS));
    taken
}

/// The ports of the stranger to which R2 has sent FIN since this was asked last, maybe more than once.
fn closed(lab: &mut Simulation) -> Vec<u16> {
    let mut ports: Vec<_> = lab
        .heard()
        .into_iter()
        .filter_map(|heard| heard.fin.then_some(heard.to))
        .collect();
    ports.dedup();
    ports
}

#[test]
fn a_flood_of_syns_from_one_address_locks_nobody_out() {
    let mut lab = Simulation::new(&plan(1));
    let first = lab.connect(PORT);
    let waiting = lab.connect(PORT);
    let mut from = 2000..;
    for round in 0..40 {
        for from in from.by_ref().take(100) {
            lab.say(&Said { from, ..SYN });
        }
        if round == 0 {
            lab.half_close(first);
        }
        lab.pass(Duration::from_millis(100));
        if lab.is_open(waiting) {
            // The stranger's first turn is over after a second, and KALI has the next.
            assert!(round <= 12, "{round}");
            lab.send(waiting, b"SECRET 1\n");
            assert_eq!(lab.read(waiting), "Digits: 1 Count: 1\n");
            return lab.everybody_leaves();
        }
    }
    panic!("KALI waits for ever");
}

#[test]
fn a_crowd_from_one_address_gives_way_to_another_after_5_s() {
    let mut lab = Simulation::new(&crowd());
    take_all(&mut lab);
    // Its own next connection waits as ever.
    lab.say(&SYN_OF_ONE_MORE);
    lab.pass(Duration::from_secs(10));
    assert!(closed(&mut lab).is_empty());
    let waiting = lab.connect(PORT);
    lab.pass(Duration::from_millis(200));
    assert_eq!(closed(&mut lab), [1000_u16], "the longest-idle one, and one only");
    // The stranger does not even acknowledge that.
    lab.pass(Duration::from_millis(5100));
    assert!(lab.is_open(waiting));
    lab.everybody_leaves();
}

const SYN_OF_ONE_MORE: Said<'_> = Said { from: 3000, ..SYN };

#[test]
fn a_crowd_whose_bytes_move_and_a_few_connections_give_way_to_nobody() {
    let mut lab = Simulation::new(&crowd());
    let taken = take_all(&mut lab);
    let waiting = lab.connect(PORT);
    for round in 0..10 {
        for &(from, ours) in &taken {
            lab.say(&Said {
                from,
                control: TcpControl::Psh,
                seq: 1 + 2 * round,
                ack: Some(ours),
                payload: b"x\n",
                ..SYN
            });
        }
        lab.pass(Duration::from_millis(4000));
    }
    assert!(closed(&mut lab).is_empty());
    assert!(!lab.is_open(waiting));
    lab.everybody_leaves();

    let mut lab = Simulation::new(&plan(1));
    lab.say(&SYN);
    let ours = lab.heard().pop().expect("R2 answers SYN").end();
    lab.say(&Said {
        control: TcpControl::None,
        seq: 1,
        ack: Some(ours),
        ..SYN
    });
    let waiting = lab.connect(PORT);
    lab.pass(Duration::from_secs(55));
    assert!(closed(&mut lab).is_empty());
    assert!(!lab.is_open(waiting));
    lab.everybody_leaves();
}
