//! What one session says reaches the others, and what it has to say leaves, at once.

use r2_sim::simulation::{Simulation, plan};
use r2_sim::stranger::Said;
use smoltcp::wire::TcpControl;

#[test]
fn who_joins_is_seen_at_once_though_nothing_else_happens() {
    let mut lab = Simulation::new(&plan(2));
    let first = lab.connect(5000);
    lab.connect(5000);
    assert_eq!(lab.read_once(first), "* KALI-2 joined\n");
}

#[test]
fn many_questions_in_one_segment_are_answered_without_waiting_for_anything() {
    let mut lab = Simulation::new(&plan(1));
    let syn = Said {
        from: 1000,
        to: 5010,
        control: TcpControl::Syn,
        seq: 0,
        ack: None,
        payload: b"",
    };
    lab.say(&syn);
    let ours = lab.heard().pop().expect("SYN is answered").end();
    let questions = "x\n".repeat(200);
    // The stranger acknowledges nothing of what follows.
    lab.say(&Said {
        control: TcpControl::Psh,
        seq: 1,
        ack: Some(ours),
        payload: questions.as_bytes(),
        ..syn
    });
    let answered = lab
        .world
        .counters
        .services()
        .iter()
        .find(|service| service.name == "secret");
    let answers = "Secret code not found.\n".len() as u64 * 200;
    assert_eq!(answered.map(|service| service.bytes_out), Some(answers));
}
