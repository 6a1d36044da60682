//! Files with names, lengths and sums that nobody means well with.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;

use r2_tests::aftermath::{AT_ONCE, SOON, survives};
use r2_tests::lab::Lab;

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// What R2 answers to `request` and FIN.
fn answer(lab: &Lab, request: &[u8]) -> String {
    let mut peer = lab.connect(5030);
    peer.write_all(request).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut text = Vec::new();
    peer.read_to_end(&mut text).unwrap();
    String::from_utf8(text).expect("R2 says text")
}

/// Two hundred names that are no names.
fn hostile_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "..",
        ".",
        ".hidden",
        "../../etc/passwd",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "C:\\x",
        "~root",
        "$(reboot)",
        "`id`",
        "a;b",
        "a|b",
        "a&b",
        "a*",
        "a?",
        "%2e%2e%2f",
        "drop-0001",
        "drop-",
        "x.partial",
        "x.unconfirmed",
        "\u{e9}",
        "\u{202e}gpj",
        "\u{ff0e}\u{ff0e}",
        "-\u{7f}",
        "a\u{0}b",
    ]
    .map(|name| name.as_bytes().to_vec())
    .into();
    // Every byte that is none of a name's: alone, behind a letter and before one. A space ends a word, LF the line.
    let is_a_name_s = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    for byte in (0..=255).filter(|byte| !is_a_name_s(*byte) && !b" \n\r\t".contains(byte)) {
        names.push(vec![b'a', byte, b'z']);
    }
    names.extend([65, 66, 100, 200, 236].map(|length| vec![b'n'; length]));
    assert!(names.len() >= 200, "{}", names.len());
    names
}

#[test]
fn two_hundred_names_that_are_none() {
    survives("", AT_ONCE, SOON, |lab, _| {
        let before = lab.store.names();
        for name in hostile_names() {
            for (verb, behind) in [("PUT ", " 5\n"), ("GET ", "\n"), ("DEL ", "\n")] {
                let reserved = name.starts_with(b"drop-") || name.starts_with(b"x.");
                if verb != "PUT " && reserved {
                    continue;
                }
                let text = answer(lab, &[verb.as_bytes(), &name, behind.as_bytes()].concat());
                assert!(
                    text.starts_with("ERROR bad-name ") || text.starts_with("ERROR bad-request "),
                    "{verb}{name:?}: {text:?}"
                );
                assert!(text.ends_with('\n'));
            }
        }
        assert_eq!(lab.store.names(), before);
    });
}

#[test]
fn lengths_and_sums_at_their_ends() {
    survives("--max-file 1000000", AT_ONCE, SOON, |lab, _| {
        let most = u64::MAX;
        for (request, expected) in [
            (format!("PUT f {most}\n"), "ERROR too-large "),
            ("PUT f 1000001\n".to_owned(), "ERROR too-large "),
            ("PUT f 18446744073709551616\n".to_owned(), "ERROR too-large "),
            (
                "PUT f 99999999999999999999999999\n".to_owned(),
                "ERROR too-large ",
            ),
            ("PUT f +5\nhello".to_owned(), "ERROR bad-request "),
            ("PUT f 0x5\nhello".to_owned(), "ERROR bad-request "),
            (format!("PUT f 5 {}\nhello", &HELLO[1..]), "ERROR bad-request "),
            (format!("PUT f 5 {HELLO}0\nhello"), "ERROR bad-request "),
            (
                format!("PUT f 5 {}\nhello", HELLO.replace('2', "g")),
                "ERROR bad-request ",
            ),
            (format!("PUT f 5 {HELLO}\nHello"), "SEND 0\nERROR mismatch "),
            (format!("PUT f 0 {HELLO}\n"), "SEND 0\nERROR mismatch "),
            (format!("GET f {most}\n"), "ERROR not-found "),
        ] {
            let text = answer(lab, request.as_bytes());
            assert!(text.starts_with(expected), "{request:?}: {text:?}");
            assert!(!lab.store.names().contains(&"f".to_owned()), "{request:?}");
        }
        let nothing = answer(lab, b"PUT f 0\n");
        assert!(nothing.starts_with("SEND 0\nSTORED f 0 e3b0c442"), "{nothing}");
        let beyond = answer(lab, format!("GET f {most}\nGET f 1\n").as_bytes());
        assert_eq!(
            beyond
                .lines()
                .filter(|line| line.starts_with("ERROR bad-request "))
                .count(),
            2,
            "{beyond}"
        );
    });
}

#[test]
fn a_sum_in_upper_case_is_the_same_sum() {
    survives("", AT_ONCE, SOON, |lab, _| {
        let request = format!("PUT upper 5 {}\nhello", HELLO.to_uppercase());
        assert_eq!(
            answer(lab, request.as_bytes()),
            format!("SEND 0\nSTORED upper 5 {HELLO}\n")
        );
        assert_eq!(fs::read(lab.store.file("upper")).unwrap(), b"hello");
    });
}

#[test]
fn an_upload_without_an_end_is_refused_at_the_bound_and_read_on() {
    survives("--max-file 1000000", AT_ONCE, SOON, |lab, _| {
        let printed = lab.kali("head -c 300000000 /dev/zero | nc.openbsd -N 192.168.69.1 5020");
        assert!(
            printed.starts_with("failed drop-") && printed.ends_with(" bytes\n"),
            "{printed}"
        );
        assert!(
            lab.store.bytes() < 2_000_000,
            "{} bytes are kept",
            lab.store.bytes()
        );
    });
}
