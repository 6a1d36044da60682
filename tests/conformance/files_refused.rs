//! Anything wrong has one answer.

use r2_tests::carrier::{Carrier, End, Service};

use crate::{files, list, sha256, text};

/// The code of the only line that answers `said`.
fn code(r2: &mut impl Carrier, said: &str) -> String {
    let heard = text(files(r2, said.as_bytes()));
    assert_eq!(heard.lines().count(), 1, "{said} is answered by {heard}");
    let mut words = heard.split(' ');
    assert_eq!(words.next(), Some("ERROR"), "{said} is answered by {heard}");
    words.next().expect("a code").to_string()
}

pub(crate) fn names_that_a_peer_may_not_give(r2: &mut impl Carrier) {
    let too_long = "a".repeat(65);
    for name in [
        "../x",
        ".x",
        "a/b",
        "/etc/passwd",
        "drop-0001",
        "a.partial",
        "a.unconfirmed",
        &too_long,
    ] {
        assert_eq!(code(r2, &format!("PUT {name} 5\nhello")), "bad-name", "{name}");
    }
    assert_eq!(code(r2, "GET ../x\n"), "bad-name");
    assert_eq!(code(r2, "DEL ..\n"), "bad-name");
}

pub(crate) fn lengths_beyond_all_bounds(r2: &mut impl Carrier) {
    for length in [
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        let code = code(r2, &format!("PUT bounds {length}\n"));
        assert!(
            ["too-large", "no-space"].contains(&code.as_str()),
            "{length}: {code}"
        );
    }
    for length in ["-1", "+1", "0x10", "", "1.5"] {
        assert_eq!(
            code(r2, &format!("PUT bounds {length}\n")),
            "bad-request",
            "{length}"
        );
    }
}

pub(crate) fn the_bytes_of_a_refused_put_are_no_commands(r2: &mut impl Carrier) {
    assert!(text(files(r2, b"PUT victim 4\nkept")).contains("STORED"));
    let peer = r2.connect(Service::Files);
    r2.send(peer, b"PUT .. 11\n");
    let (heard, end) = r2.read_to_end(peer);
    assert!(heard.starts_with(b"ERROR bad-name "));
    assert_eq!(end, End::Fin);
    r2.send(peer, b"DEL victim\n");
    r2.half_close(peer);
    assert!(list(r2).contains(&format!("victim 4 {}", sha256(b"kept"))));
    files(r2, b"DEL victim");
}

pub(crate) fn a_line_too_long_gets_one_answer(r2: &mut impl Carrier) {
    let peer = r2.connect(Service::Files);
    r2.send(peer, &[b'x'; 5000]);
    r2.send(peer, b"\nGET nothing-here\n");
    assert!(r2.line(peer).starts_with("ERROR bad-request "));
    assert_eq!(r2.line(peer), "ERROR not-found no such file\n");
}

pub(crate) fn a_mismatch_stores_nothing(r2: &mut impl Carrier) {
    let peer = r2.connect(Service::Files);
    r2.send(
        peer,
        format!("PUT mismatched 5 {}\nhallo", sha256(b"hello")).as_bytes(),
    );
    assert_eq!(r2.line(peer), "SEND 0\n");
    assert!(r2.line(peer).starts_with("ERROR mismatch "));
    r2.send(peer, b"GET mismatched\n");
    assert!(r2.line(peer).starts_with("ERROR not-found "));
}
