//! A store without room.

use r2_tests::carrier::{Carrier, End, MAX_STORE, Service};

use crate::{list, payload, sha256, text};

pub(crate) fn a_full_store_says_so_and_serves_on(r2: &mut impl Carrier) {
    let peer = r2.connect(Service::Drop);
    r2.send(peer, &payload(MAX_STORE + 100_000));
    assert_eq!(
        r2.line(peer),
        format!("failed drop-0001 no space after {MAX_STORE} bytes\n")
    );
    r2.send(peer, b"and more, which nobody wants");
    r2.half_close(peer);
    assert_eq!(r2.read_to_end(peer), (vec![], End::Fin));
    assert_eq!(list(r2), [""; 0], "nothing is kept");

    let next = r2.connect(Service::Drop);
    r2.send(next, b"hello");
    r2.half_close(next);
    let receipt = text(r2.read_to_end(next).0);
    assert_eq!(
        receipt,
        format!("stored drop-0001 5 bytes sha256 {}\n", sha256(b"hello"))
    );
}
