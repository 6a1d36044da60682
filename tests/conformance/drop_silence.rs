//! A sender that never says FIN.

use r2_core::time::Duration;
use r2_tests::carrier::{Carrier, End, Inside, Service};

use crate::{list, sha256, text};

const HINT: &str = "waiting: 5 bytes so far; end with FIN (nc -N, -q 1) or Ctrl-C\n";

pub(crate) fn five_seconds_of_silence_get_one_hint(r2: &mut impl Inside) {
    let peer = r2.connect(Service::Drop);
    r2.send(peer, b"hello");
    r2.pass(Duration::from_millis(4999));
    assert!(r2.is_silent(peer));
    r2.pass(Duration::from_millis(1));
    assert_eq!(r2.line(peer), HINT);
    r2.pass(Duration::from_secs(50));
    assert!(r2.is_silent(peer));
    r2.send(peer, b", world");
    r2.half_close(peer);
    let receipt = text(r2.read_to_end(peer).0);
    assert_eq!(
        receipt,
        format!("stored drop-0001 12 bytes sha256 {}\n", sha256(b"hello, world"))
    );
}

pub(crate) fn a_hint_does_not_end_the_upload(r2: &mut impl Carrier) {
    let peer = r2.connect(Service::Drop);
    r2.send(peer, b"hello");
    r2.pass(Duration::from_secs(5));
    assert_eq!(r2.line(peer), HINT);
    r2.send(peer, b", world");
    r2.half_close(peer);
    assert_eq!(
        text(r2.read_to_end(peer).0),
        format!("stored drop-0001 12 bytes sha256 {}\n", sha256(b"hello, world"))
    );
}

pub(crate) fn a_minute_of_silence_gets_the_receipt(r2: &mut impl Inside) {
    let peer = r2.connect(Service::Drop);
    r2.send(peer, b"hello");
    r2.pass(Duration::from_secs(5));
    r2.pass(Duration::from_secs(55));
    let receipt = format!("stored drop-0001 5 bytes sha256 {}\n", sha256(b"hello"));
    assert_eq!(text(r2.read_to_end(peer).0), format!("{HINT}{receipt}"));
    r2.send(peer, b"too late");
    r2.half_close(peer);
    assert_eq!(r2.read_to_end(peer).1, End::Fin);
    assert_eq!(
        list(r2),
        [format!("drop-0001.unconfirmed 5 {}", sha256(b"hello"))]
    );
}

pub(crate) fn the_clock_stands_while_the_store_takes_nothing(r2: &mut impl Inside) {
    let peer = r2.connect(Service::Drop);
    r2.send(peer, b"he");
    r2.stall(true);
    r2.send(peer, b"llo");
    r2.pass(Duration::from_secs(100));
    assert!(r2.is_silent(peer));
    r2.stall(false);
    r2.pass(Duration::from_millis(4999));
    assert!(r2.is_silent(peer));
    r2.pass(Duration::from_millis(1));
    assert_eq!(r2.line(peer), HINT);
}
