//! Echo, discard, chargen.

use r2_tests::carrier::{Carrier, Service};

use crate::{half_close_and_read, payload};

pub(crate) fn echo_gives_back_every_byte(r2: &mut impl Carrier) {
    let peer = r2.connect(Service::Echo);
    let bytes = payload(10_000);
    r2.send(peer, &bytes);
    assert_eq!(half_close_and_read(r2, peer), bytes);
}

pub(crate) fn discard_says_nothing(r2: &mut impl Carrier) {
    let peer = r2.connect(Service::Discard);
    r2.send(peer, &payload(10_000));
    assert!(half_close_and_read(r2, peer).is_empty());
}

pub(crate) fn chargen_begins_like_the_rfc(r2: &mut impl Carrier) {
    let peer = r2.connect(Service::Chargen);
    r2.half_close(peer);
    let ring: String = (b'!'..=b'~').chain([b' ']).map(char::from).collect();
    for first in 0..200 {
        let line: String = ring.chars().cycle().skip(first).take(72).collect();
        assert_eq!(r2.line(peer), format!("{line}\r\n"));
    }
    r2.reset(peer);
}
