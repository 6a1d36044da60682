//! The secret code against the contract, written down once more.

use super::*;
use proptest::prelude::*;
use std::format;
use std::string::String;
use std::vec::Vec;

/// The contract, written down once more and slowly.
fn expected(string: &[u8]) -> String {
    if string.len() > 1024 {
        return String::from("Line too long: at most 1024 bytes.\n");
    }
    if !string.windows(6).any(|window| window == b"SECRET") {
        return String::from("Secret code not found.\n");
    }
    let digits: String = string
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .map(|byte| char::from(*byte))
        .collect();
    let space = if digits.is_empty() { "" } else { " " };
    format!("Digits: {digits}{space}Count: {}\n", digits.len())
}

fn over_udp(datagram: &[u8]) -> Option<String> {
    let mut out = [0; SECRET_ANSWER_MAX];
    let length = answer(datagram, &mut out)?;
    Some(String::from_utf8(out[..length].to_vec()).unwrap())
}

fn over_tcp(bytes: &[u8], sizes: &[usize]) -> String {
    let (mut secret, now, mut said) = (Secret::new(), Instant::default(), String::new());
    let mut sizes = sizes.iter().cycle();
    let mut rest = bytes;
    // A piece, an answer, an end: no byte takes more turns than that.
    for _ in 0..3 * (bytes.len() + 1) {
        if let Some((_, _)) = rest.split_first() {
            let size = sizes.next().map_or(1, |size| (*size).min(rest.len()));
            let taken = secret.receive(now, &rest[..size], &mut ());
            rest = &rest[taken..];
        } else if !secret.finished {
            Session::<()>::finished(&mut secret, now, &mut ());
        } else if Session::<()>::wants(&secret) == Wants::Close {
            return said;
        }
        let mut tx = [0; 700];
        let filled = secret.transmit(now, &mut tx, &mut ());
        said.push_str(core::str::from_utf8(&tx[..filled]).unwrap());
    }
    panic!("it never ends: {said}")
}

#[test]
fn a_datagram_less_one_line_ending_is_one_string() {
    assert_eq!(over_udp(b""), None);
    assert_eq!(over_udp(b"\n").unwrap(), "Secret code not found.\n");
    assert_eq!(over_udp(b"SECRET1\r\n").unwrap(), "Digits: 1 Count: 1\n");
    assert_eq!(over_udp(b"1\nSECRET\n2\n\n").unwrap(), "Digits: 12 Count: 2\n");
    assert_eq!(
        over_udp(&[b'x'; 1025]).unwrap(),
        "Line too long: at most 1024 bytes.\n"
    );
    assert_eq!(answer(b"SECRET", &mut [0; 8]), None, "the answer has no room");
}

#[test]
fn the_longest_answer_fits() {
    let string = [&b"SECRET"[..], &[b'7'; 1018]].concat();
    assert_eq!(over_udp(&string).unwrap(), expected(&string));
    assert!(expected(&[&b"SECRET"[..], &[b'7'; 1018]].concat()).len() <= SECRET_ANSWER_MAX);
}

#[test]
fn a_string_rests_one_second_after_its_last_byte() {
    let mut secret = Secret::new();
    let at = Instant::from_millis;
    secret.receive(at(0), b"SEC", &mut ());
    secret.receive(at(700), b"RET", &mut ());
    assert_eq!(Session::<()>::poll_at(&secret), Some(at(1700)));
    let mut tx = [0; 64];
    assert_eq!(secret.transmit(at(1699), &mut tx, &mut ()), 0);
    let filled = secret.transmit(at(1700), &mut tx, &mut ());
    assert_eq!(&tx[..filled], b"Digits: Count: 0\n");
    assert_eq!(Session::<()>::poll_at(&secret), None);
}

#[test]
fn a_string_that_rested_ends_before_bytes_that_come_with_the_clock() {
    let mut secret = Secret::new();
    let at = Instant::from_millis;
    secret.receive(at(0), b"SECRET", &mut ());
    assert_eq!(
        secret.receive(at(1000), b"7", &mut ()),
        0,
        "the answer comes first"
    );
    let mut tx = [0; 64];
    let filled = secret.transmit(at(1000), &mut tx, &mut ());
    assert_eq!(&tx[..filled], b"Digits: Count: 0\n");
    assert_eq!(secret.receive(at(1000), b"7", &mut ()), 1);
}

#[test]
fn a_cr_that_is_one_byte_too_many_makes_one_answer() {
    let too_long = "Line too long: at most 1024 bytes.\n";
    let string = [&[b'x'; 1024][..], b"\r"].concat();
    assert_eq!(over_tcp(&string, &[2000]), too_long);
    let mut secret = Secret::new();
    let at = Instant::from_millis;
    assert_eq!(secret.receive(at(0), &string, &mut ()), string.len());
    let mut tx = [0; 64];
    let filled = secret.transmit(at(1000), &mut tx, &mut ());
    assert_eq!(&tx[..filled], too_long.as_bytes());
    // It has rested: what follows is another string.
    assert_eq!(secret.receive(at(1000), b"SECRET\n", &mut ()), 7);
    let filled = secret.transmit(at(1000), &mut tx, &mut ());
    assert_eq!(&tx[..filled], b"Digits: Count: 0\n");
}

#[test]
fn nothing_rests_at_a_peer_that_sends_newlines() {
    let mut secret = Secret::new();
    let at = Instant::from_millis;
    secret.receive(at(0), b"SECRET\n", &mut ());
    let mut tx = [0; 64];
    secret.transmit(at(0), &mut tx, &mut ());
    secret.receive(at(0), b"SEC", &mut ());
    assert_eq!(Session::<()>::poll_at(&secret), None);
    assert_eq!(secret.transmit(at(5000), &mut tx, &mut ()), 0);
    secret.receive(at(9000), b"RET7\n", &mut ());
    let filled = secret.transmit(at(9000), &mut tx, &mut ());
    assert_eq!(&tx[..filled], b"Digits: 7 Count: 1\n");
}

fn string() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "SECRET|SECRE|SEC|S|T|[0-9]{1,8}|[a-z ]{1,8}|\r".prop_map(String::into_bytes),
        1 => any::<u8>().prop_filter("ends the line", |byte| *byte != b'\n').prop_map(|byte| Vec::from([byte])),
        1 => (1000..1030usize).prop_map(|length| std::vec![b'5'; length]),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_datagram_is_answered_as_the_contract_says(string in string()) {
        let line = [&string[..], b"\n"].concat();
        let bare = string.strip_suffix(b"\r").unwrap_or(&string);
        prop_assert_eq!(over_udp(&line), Some(expected(bare)));
        prop_assert_eq!(over_udp(&string), (!string.is_empty()).then(|| expected(&string)));
    }

    #[test]
    fn lines_are_answered_in_order_whatever_the_pieces(
        strings in proptest::collection::vec(string(), 0..5),
        last in string(),
        sizes in proptest::collection::vec(1..2000usize, 1..5),
    ) {
        let mut sent = strings.join(&b'\n');
        let mut answers: String = strings.iter().map(|s| expected(s.strip_suffix(b"\r").unwrap_or(s))).collect();
        if !strings.is_empty() {
            sent.push(b'\n');
        }
        sent.extend_from_slice(&last);
        if !last.is_empty() {
            answers.push_str(&expected(&last));
        }
        prop_assert_eq!(over_tcp(&sent, &sizes), answers);
    }
}
