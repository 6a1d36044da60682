//! Peers that fall silent.

use r2_node::Limits;
use r2_sim::simulation::{BUFFER, Simulation, plan};
use smoltcp::time::Duration;

fn open_sessions(lab: &Simulation) -> usize {
    lab.world.counters.sessions_open
}

#[test]
fn a_dead_peers_upload_is_partial_after_25_s() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(5020);
    lab.send(kali, b"hello");
    lab.unplugged = true;
    lab.pass(Duration::from_millis(24_500));
    assert_eq!((open_sessions(&lab), lab.stored().len()), (1, 0));
    lab.pass(Duration::from_millis(700));
    assert_eq!(open_sessions(&lab), 0);
    assert_eq!(lab.stored(), ["drop-0001.partial 5"]);
    lab.everybody_leaves();
}

#[test]
fn a_dead_peer_elsewhere_is_gone_after_95_s() {
    for port in [5000, 5010, 7, 9] {
        let mut lab = Simulation::new(&plan(1));
        let kali = lab.connect(port);
        assert!(lab.is_open(kali));
        lab.unplugged = true;
        lab.pass(Duration::from_millis(94_500));
        assert_eq!(open_sessions(&lab), 1, "{port}");
        lab.pass(Duration::from_millis(700));
        assert_eq!(open_sessions(&lab), 0, "{port}");
        lab.everybody_leaves();
    }
}

#[test]
fn a_silent_peer_that_lives_stays() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(5030);
    lab.pass(Duration::from_secs(3600));
    assert!(lab.is_open(kali));
    lab.everybody_leaves();
}

#[test]
fn a_live_peer_that_does_not_read_is_kept_for_150_s() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(19);
    lab.pass(Duration::from_secs(149));
    assert_eq!(open_sessions(&lab), 1);
    lab.pass(Duration::from_secs(2));
    assert_eq!(open_sessions(&lab), 0);
    assert_eq!(lab.read_once(kali).len(), BUFFER);
    lab.everybody_leaves();
}

#[test]
fn a_window_that_opens_again_starts_the_150_s_anew() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(19);
    for _ in 0..3 {
        lab.pass(Duration::from_secs(140));
        assert_eq!(lab.read_once(kali).len(), BUFFER);
    }
    assert!(lab.is_open(kali));
    lab.everybody_leaves();
}

#[test]
fn a_peer_that_acknowledges_nothing_keeps_no_processor_busy_once_the_time_to_stop_is_over() {
    let mut lab = Simulation::new(&plan(1));
    lab.connect(5000);
    lab.unplugged = true;
    lab.stop();
    assert!(!lab.is_stopped(), "FIN is not acknowledged");
    let stop_within = Limits::DEFAULT.stop_within.as_millis();
    lab.pass(Duration::from_millis(stop_within));
    assert!(lab.is_stopped());
    // The node may still be polled; a time that is over is nothing to wait for.
    let next = lab.settle();
    assert!(next.is_none_or(|next| next > lab.now), "{next:?}");
}
