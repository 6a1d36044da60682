//! A name that has a file already, or soon.

use r2_tests::carrier::{Carrier, Service};

use crate::{files, sha256, text};

pub(crate) fn the_old_file_is_whole_until_the_new_one_is(r2: &mut impl Carrier) {
    files(r2, b"PUT replaced 3\nold");
    let peer = r2.connect(Service::Files);
    r2.send(peer, b"PUT replaced 5\nhell");
    assert_eq!(r2.line(peer), "SEND 0\n");
    assert_eq!(
        text(files(r2, b"GET replaced")),
        format!("FILE replaced 3 {}\nold", sha256(b"old"))
    );
    r2.send(peer, b"o");
    assert_eq!(r2.line(peer), format!("STORED replaced 5 {}\n", sha256(b"hello")));
    assert_eq!(
        text(files(r2, b"GET replaced")),
        format!("FILE replaced 5 {}\nhello", sha256(b"hello"))
    );
    files(r2, b"DEL replaced");
}

pub(crate) fn two_uploads_of_one_name_are_one_too_many(r2: &mut impl Carrier) {
    let first = r2.connect(Service::Files);
    r2.send(first, b"PUT contested 5\nhe");
    assert_eq!(r2.line(first), "SEND 0\n");
    assert!(text(files(r2, b"PUT contested 5\nHELLO")).starts_with("ERROR busy "));
    r2.send(first, b"llo");
    assert_eq!(
        r2.line(first),
        format!("STORED contested 5 {}\n", sha256(b"hello"))
    );
    files(r2, b"DEL contested");
}
