//! Services of one's own: the node knows what was registered, and no port of R2's.

use r2_core::diag::discard::Discard;
use r2_core::diag::echo::{self, Echo};
use r2_node::limits::SERVICES_MAX;
use r2_node::service::{Datagrams, Spec, never, whole};
use r2_node::{ServeError, Size};
use r2_services::{CAPTURE, Plan};
use r2_sim::simulation::{BUFFER, Services, Simulation};
use r2_sim::stranger::{ADDRESS, Heard, MAC, arp, datagram, heard_datagram};
use smoltcp::wire::ArpOperation;

const SIZE: Size = Size {
    connections: 2,
    receive: BUFFER,
    transmit: BUFFER,
};
const NONE: Size = Size {
    connections: 0,
    receive: 0,
    transmit: 0,
};
static AT_5000: Spec = Spec::new("mine", 5000);
static AT_5050: Spec = Spec::new("mine", 5050);
static ASKED: Spec = Spec {
    datagram: Some(Datagrams::Answer(echo::answer)),
    ..Spec::new("asked", 7777)
};

fn serving(serve: impl FnOnce(&mut Services<'_>) -> Result<(), ServeError>) -> Simulation {
    let plan = Plan {
        backlog: 4,
        time_wait: 4,
        ..Plan::NOTHING
    };
    Simulation::serving(&plan, serve)
}

#[test]
fn frames_are_for_the_capture_wherever_it_is_and_for_nobody_at_its_usual_port() {
    static CAPTURE_AT_6050: Spec = Spec {
        port: 6050,
        ..CAPTURE
    };
    let mut lab = serving(|services| {
        services.serve(&AT_5050, SIZE, Echo::new, whole, never)?;
        services.serve_capture(&CAPTURE_AT_6050, SIZE)?;
        Ok(())
    });
    let (own, capture) = (lab.connect(5050), lab.connect(6050));
    lab.put(datagram(4000, 9, b"to nobody"));
    assert_eq!(lab.read(own), "", "nobody has said anything to the echo");
    let captured = lab.read_bytes(capture);
    let holds = |bytes: &[u8]| captured.windows(bytes.len()).any(|window| window == bytes);
    assert!(holds(b"to nobody"));
    lab.send(own, b"said to it");
    assert_eq!(lab.read(own), "said to it");
    lab.everybody_leaves();
}

#[test]
fn any_service_can_be_called() {
    let mut lab = serving(|services| {
        services.serve(&AT_5000, SIZE, Discard::new, whole, never)?;
        Ok(())
    });
    lab.call((ADDRESS, 4000).into());
    lab.put(arp(ArpOperation::Reply, MAC, ADDRESS));
    let syns: Vec<Heard> = lab.heard().into_iter().filter(|heard| heard.syn).collect();
    assert_eq!(syns.len(), 1, "{syns:?}");
    lab.everybody_leaves();
}

/// Whoever forges a datagram from one of two nodes to the other makes them talk for ever, if both answer both.
#[test]
fn a_service_of_one_s_own_answers_nobody_at_its_own_port() {
    let mut lab = serving(|services| {
        services.serve(&ASKED, SIZE, Echo::new, whole, never)?;
        Ok(())
    });
    lab.put(datagram(4000, 7777, b"a question"));
    let answer = lab.to_stranger.pop().expect("an answer");
    assert_eq!(heard_datagram(&answer), Some((4000, b"a question".to_vec())));
    for port in [7777, 7, 13, 17, 19, 37] {
        lab.put(datagram(port, 7777, b"from the other node"));
        assert_eq!(lab.to_stranger.len(), 0, "from port {port}");
    }
    lab.everybody_leaves();
}

#[test]
fn a_service_without_connections_answers_datagrams_and_resets_a_syn() {
    let mut lab = serving(|services| {
        services.serve(&ASKED, NONE, Echo::new, whole, never)?;
        services.serve(&AT_5000, SIZE, Echo::new, whole, never)?;
        Ok(())
    });
    let before = lab.resets;
    let kali = lab.connect(7777);
    assert!(!lab.is_open(kali));
    assert_eq!(lab.resets, before + 1);
    lab.put(datagram(4000, 7777, b"?"));
    assert_eq!(
        lab.to_stranger.pop().as_deref().and_then(heard_datagram),
        Some((4000, b"?".to_vec()))
    );
    let kali = lab.connect(5000);
    assert!(lab.is_open(kali), "the service behind it has its own slots");
    lab.everybody_leaves();
}

#[test]
fn the_service_too_many_and_the_doubled_port_are_errors_that_say_so() {
    static SPECS: [Spec; SERVICES_MAX + 1] = {
        let mut specs = [Spec::new("one of many", 0); SERVICES_MAX + 1];
        let (mut index, mut port) = (0, 6000);
        while index < specs.len() {
            specs[index].port = port;
            index += 1;
            port += 1;
        }
        specs
    };
    static NOWHERE: Spec = Spec::new("nowhere", 0);
    let mut lab = serving(|services| {
        assert_eq!(
            services.serve(&NOWHERE, SIZE, Echo::new, whole, never),
            Err(ServeError::PortTaken)
        );
        let (last, first) = SPECS.split_last().expect("there are some");
        for spec in first {
            services.serve(spec, SIZE, Echo::new, whole, never)?;
            let again = services.serve(spec, SIZE, Echo::new, whole, never);
            assert_eq!(again, Err(ServeError::PortTaken));
        }
        assert_eq!(
            services.serve(last, SIZE, Echo::new, whole, never),
            Err(ServeError::Full)
        );
        assert_eq!(ServeError::Full.to_string(), "a node has at most 12 services");
        assert!(ServeError::PortTaken.to_string().contains("port"));
        Ok(())
    });
    for spec in &SPECS[..SERVICES_MAX] {
        let kali = lab.connect(spec.port);
        assert!(lab.is_open(kali), "{}", spec.port);
    }
    lab.everybody_leaves();
}
