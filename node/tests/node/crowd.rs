//! Many.

use r2_node::Size;
use r2_services::Plan;
use r2_sim::simulation::{R2_ADDRESS, Simulation, plan};

#[test]
fn ten_thousand_slots_and_a_thousand_peers() {
    let small = Size {
        connections: 10_000,
        receive: 256,
        transmit: 256,
    };
    let plan = Plan {
        secret: small,
        ..plan(1)
    };
    let mut lab = Simulation::new(&plan);
    let crowd: Vec<_> = (0..1000).map(|_| lab.dial(R2_ADDRESS.into(), 5010)).collect();
    lab.settle();
    assert_eq!(lab.world.counters.sessions_open, 1000);
    for &kali in [&crowd[0], &crowd[500], &crowd[999]] {
        lab.send(kali, b"SECRET 7\n");
        assert_eq!(lab.read(kali), "Digits: 7 Count: 1\n");
    }
    lab.everybody_leaves();
}

#[test]
fn one_slot_serves_a_thousand_peers_one_after_the_other() {
    let mut lab = Simulation::new(&plan(1));
    for _ in 0..1000 {
        let kali = lab.connect(5010);
        lab.send(kali, b"SECRET 7\n");
        assert_eq!(lab.read(kali), "Digits: 7 Count: 1\n");
        lab.half_close(kali);
    }
    // Every other service has as much room in the table of connections as before.
    for port in [7, 5000, 5020, 5030] {
        let kali = lab.connect(port);
        assert!(lab.is_open(kali), "{port}");
    }
    assert_eq!(lab.resets, 0);
    lab.everybody_leaves();
}
