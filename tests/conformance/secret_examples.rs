//! The secret code.

use r2_core::time::Duration;
use r2_tests::carrier::{Carrier, Service};

use crate::{half_close_and_read, text};

fn answers(r2: &mut impl Carrier, said: &str) -> String {
    let peer = r2.connect(Service::Secret);
    r2.send(peer, said.as_bytes());
    text(half_close_and_read(r2, peer))
}

pub(crate) fn the_three_examples(r2: &mut impl Carrier) {
    for (said, answer) in [
        ("sfdsd Ted is cool23432", "Secret code not found.\n"),
        ("Ted is SECRET cool", "Digits: Count: 0\n"),
        ("123Ted 32is 343SECRET cool", "Digits: 12332343 Count: 8\n"),
    ] {
        for ending in ["", "\n", "\r\n"] {
            assert_eq!(answers(r2, &format!("{said}{ending}")), answer);
        }
    }
}

pub(crate) fn many_lines_in_one_packet_keep_their_order(r2: &mut impl Carrier) {
    let said: Vec<String> = (0..200).map(|i| format!("SECRET {i}\n")).collect();
    let answer = |i: u32| format!("Digits: {i} Count: {}\n", i.to_string().len());
    let expected: Vec<String> = (0..200).map(answer).collect();
    assert_eq!(answers(r2, &said.concat()), expected.concat());
}

pub(crate) fn a_string_that_rests_is_answered_as_it_stands(r2: &mut impl Carrier) {
    let peer = r2.connect(Service::Secret);
    for (said, answer) in [
        ("1SECRET", "Digits: 1 Count: 1\n"),
        ("22SECRET", "Digits: 22 Count: 2\n"),
    ] {
        r2.send(peer, said.as_bytes());
        r2.pass(Duration::from_secs(1));
        assert_eq!(r2.line(peer), answer);
    }
    r2.send(peer, b"\nSECRET 3\n");
    assert_eq!(
        text(half_close_and_read(r2, peer)),
        "Digits: 3 Count: 1\n",
        "a lone ending behind an answered string is no string"
    );
}
