//! What one session says reaches the others.

use r2_tests::simulation::{Simulation, plan};

#[test]
fn who_joins_is_seen_at_once_though_nothing_else_happens() {
    let mut lab = Simulation::new(&plan(2));
    let first = lab.connect(5000);
    lab.connect(5000);
    assert_eq!(lab.read_once(first), "* KALI-2 joined\n");
}
