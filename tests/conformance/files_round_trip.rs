//! A file goes there and comes back.

use r2_tests::carrier::{Carrier, Service};

use crate::{files, list, payload, sha256, text};

pub(crate) fn put_list_get_delete(r2: &mut impl Carrier) {
    let bytes = payload(10_000);
    let sha = sha256(&bytes);
    let peer = r2.connect(Service::Files);
    r2.send(
        peer,
        format!("PUT round-trip 10000 {}\r\n", sha.to_uppercase()).as_bytes(),
    );
    assert_eq!(r2.line(peer), "SEND 0\n");
    r2.send(peer, &bytes);
    assert_eq!(r2.line(peer), format!("STORED round-trip 10000 {sha}\n"));
    assert!(list(r2).contains(&format!("round-trip 10000 {sha}")));
    r2.send(peer, b"GET round-trip\n");
    assert_eq!(r2.line(peer), format!("FILE round-trip 10000 {sha}\n"));
    assert_eq!(r2.read(peer, 10_000), bytes);
    r2.send(peer, b"DEL round-trip\nGET round-trip\n");
    assert_eq!(r2.line(peer), "DELETED round-trip\n");
    assert_eq!(r2.line(peer), "ERROR not-found no such file\n");
}

pub(crate) fn a_pipelined_put_is_stored(r2: &mut impl Carrier) {
    let sha = sha256(b"hello");
    let heard = text(files(r2, b"PUT pipelined 5\nhello"));
    assert_eq!(heard, format!("SEND 0\nSTORED pipelined 5 {sha}\n"));
    assert_eq!(
        files(r2, b"GET pipelined"),
        format!("FILE pipelined 5 {sha}\nhello").as_bytes()
    );
    files(r2, b"DEL pipelined");
}

pub(crate) fn a_file_without_a_byte(r2: &mut impl Carrier) {
    let sha = sha256(b"");
    let heard = text(files(r2, b"PUT empty 0\nGET empty\nGET empty 0\nDEL empty\n"));
    let file = format!("FILE empty 0 {sha}\n");
    assert_eq!(
        heard,
        format!("SEND 0\nSTORED empty 0 {sha}\n{file}{file}DELETED empty\n")
    );
}
