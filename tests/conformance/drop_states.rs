//! The states of an upload.

use r2_tests::carrier::{Carrier, Inside, Service};

use crate::{eventually_busy, eventually_listed, files, half_close_and_read, list, payload, sha256, text};

/// Checks a receipt to the byte and returns the name in it.
fn stored(receipt: &str, bytes: &[u8]) -> String {
    let name = receipt.split(' ').nth(1).expect("a name").to_string();
    assert_eq!(
        receipt,
        format!("stored {name} {} bytes sha256 {}\n", bytes.len(), sha256(bytes))
    );
    assert!(name.starts_with("drop-"));
    name
}

pub(crate) fn every_size_gets_its_receipt(r2: &mut impl Carrier) {
    for length in [0, 1, 1459, 1460, 1461, 65_536] {
        let bytes = payload(length);
        let peer = r2.connect(Service::Drop);
        r2.send(peer, &bytes);
        let name = stored(&text(half_close_and_read(r2, peer)), &bytes);
        eventually_listed(r2, &format!("{name} {length} {}", sha256(&bytes)));
        let got = files(r2, format!("GET {name}").as_bytes());
        assert!(got.starts_with(b"FILE ") && got.ends_with(&bytes));
    }
}

pub(crate) fn reset_before_fin_is_partial(r2: &mut impl Carrier) {
    let before = r2.connect(Service::Drop);
    r2.send(before, b"x");
    let name = stored(&text(half_close_and_read(r2, before)), b"x");
    let number: u32 = name.trim_start_matches("drop-").parse().expect("a number");

    let peer = r2.connect(Service::Drop);
    r2.send(peer, b"hello");
    // Two connections have no order but the one in which R2 hears of them.
    eventually_busy(r2, &format!("drop-{:04}", number + 1));
    let meanwhile = r2.connect(Service::Drop);
    r2.send(meanwhile, b"y");
    let after = stored(&text(half_close_and_read(r2, meanwhile)), b"y");
    assert_eq!(
        after,
        format!("drop-{:04}", number + 2),
        "the number in between is reserved"
    );
    r2.reset(peer);
    eventually_listed(
        r2,
        &format!("drop-{:04}.partial 5 {}", number + 1, sha256(b"hello")),
    );
}

pub(crate) fn reset_behind_fin_is_never_confirmed(r2: &mut impl Inside) {
    let peer = r2.connect(Service::Drop);
    r2.send(peer, b"hello");
    r2.stall(true);
    r2.half_close(peer);
    r2.reset(peer);
    r2.stall(false);
    let list = list(r2);
    assert_eq!(list.len(), 1);
    assert!(list[0].starts_with("drop-0001.unconfirmed 5 ") || list[0].starts_with("drop-0001.partial 5 "));
}
