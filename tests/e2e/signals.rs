//! R2 ends in order: peers get their FIN, uploads their state, the caller a status of 0.

use std::fs;
use std::io::{Read, Write};

use r2_tests::lab::Lab;
use rustix::process::Signal;

#[test]
fn every_peer_gets_its_fin_and_the_status_is_0() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut lab = Lab::new();
        let mut peers = [
            lab.connect(5000),
            lab.connect(5010),
            lab.connect(5030),
            lab.connect(7),
        ];
        lab.r2.sees("* KALI joined\n");
        lab.r2.signal(signal);
        for peer in &mut peers {
            let mut last = Vec::new();
            peer.read_to_end(&mut last).expect("a FIN, not a reset");
            assert_eq!(last, b"");
        }
        assert_eq!(lab.r2.wait().status.code(), Some(0));
    }
}

#[test]
fn an_upload_that_was_under_way_is_partial() {
    let mut lab = Lab::new();
    let mut peer = lab.connect(5020);
    peer.write_all(&vec![7; 100_000]).unwrap();
    // The hint says that R2 has them all, wherever they are.
    let mut hint = [0; 67];
    peer.read_exact(&mut hint).unwrap();
    assert_eq!(
        &hint,
        b"waiting: 100000 bytes so far; end with FIN (nc -N, -q 1) or Ctrl-C\n"
    );
    assert_eq!(lab.stop().status.code(), Some(0));
    assert_eq!(lab.store.names(), ["drop-0001.partial"]);
    assert_eq!(
        fs::read(lab.store.file("drop-0001.partial")).unwrap(),
        vec![7; 100_000]
    );
}

#[test]
fn the_tap_is_free_for_the_next_server() {
    let mut lab = Lab::new();
    lab.kali("echo 1 | nc.openbsd -N 192.168.69.1 5020");
    assert_eq!(lab.stop().status.code(), Some(0));
    let line = r2_tests::lab::serve(lab.store.path(), "");
    lab.r2 = lab.namespace.start(&line);
    lab.r2.complains("R2 ready at 192.168.69.1 on tap0\n");
    assert!(
        lab.kali("echo 2 | nc.openbsd -N 192.168.69.1 5020")
            .starts_with("stored drop-0002 2 bytes ")
    );
}
