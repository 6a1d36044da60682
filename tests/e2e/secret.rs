//! Show 2: the secret-code examples, to the byte, through every client.

use std::io::{Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::time::{Duration, Instant};

use r2_tests::lab::Lab;

/// What KALI sends and what R2 answers, of the contract.
const EXAMPLES: [(&str, &str); 3] = [
    ("sfdsd Ted is cool23432", "Secret code not found."),
    ("Ted is SECRET cool", "Digits: Count: 0"),
    ("123Ted 32is 343SECRET cool", "Digits: 12332343 Count: 8"),
];

fn asks_every_example(client: &str) {
    let lab = Lab::new();
    for (string, answer) in EXAMPLES {
        for ending in ["\\n", "\\r\\n", ""] {
            let printed = lab.kali(&format!("printf '{string}{ending}' | {client}"));
            assert_eq!(printed, format!("{answer}\n"), "{client}: {string:?} {ending}");
        }
    }
}

#[test]
fn openbsd_netcat_gets_the_answers_of_the_contract() {
    asks_every_example("nc.openbsd -N 192.168.69.1 5010");
}

#[test]
fn traditional_netcat_gets_the_answers_of_the_contract() {
    // It sends no FIN: a string without an ending is answered after a second, so it must stay for longer.
    asks_every_example("nc.traditional -q 2 192.168.69.1 5010");
}

#[test]
fn ncat_gets_the_answers_of_the_contract() {
    asks_every_example("ncat 192.168.69.1 5010");
}

#[test]
fn socat_gets_the_answers_of_the_contract() {
    asks_every_example("socat -t 60 - TCP:192.168.69.1:5010");
}

#[test]
fn every_udp_client_gets_the_answers_of_the_contract() {
    let lab = Lab::new();
    for (string, answer) in EXAMPLES {
        for client in [
            "nc.openbsd -u -W 1 192.168.69.1 5010",
            "socat -t 1 - UDP:192.168.69.1:5010",
        ] {
            assert_eq!(
                lab.kali(&format!("echo '{string}' | {client}")),
                format!("{answer}\n"),
                "{client}: {string:?}"
            );
        }
        let mut ncat = lab.start_kali("ncat -u 192.168.69.1 5010");
        ncat.types(format!("{string}\n"));
        ncat.sees(&format!("{answer}\n"));
    }
}

#[test]
fn hostapp_prints_what_it_sent_and_received() {
    let lab = Lab::new();
    for (string, answer) in EXAMPLES {
        let printed = lab.kali(&format!("hostapp secret 192.168.69.1 {string}"));
        assert_eq!(printed, format!("\nSent: {string}\n\nReceived: {answer}\n"));
    }
}

#[test]
fn many_strings_on_one_connection_are_answered_in_their_order() {
    let lab = Lab::new();
    let one_by_one =
        lab.kali("for n in 1 2 3; do echo $n SECRET; echo $n; done | nc.openbsd -N 192.168.69.1 5010");
    assert_eq!(
        one_by_one,
        "Digits: 1 Count: 1\nSecret code not found.\nDigits: 2 Count: 1\nSecret code not found.\nDigits: 3 Count: 1\nSecret code not found.\n"
    );
    let many = lab.kali("seq -f '%g SECRET' 1000 3999 | nc.openbsd -N 192.168.69.1 5010");
    let expected: Vec<String> = (1000..4000)
        .map(|number| format!("Digits: {number} Count: 4\n"))
        .collect();
    assert_eq!(many, expected.concat());
}

#[test]
fn a_string_in_many_packets_is_one_string() {
    let lab = Lab::new();
    let mut peer = lab.connect(5010);
    peer.set_nodelay(true).unwrap();
    for byte in b"123Ted 32is 343SECRET cool\n" {
        peer.write_all(&[*byte]).unwrap();
    }
    let mut answer = [0; 26];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"Digits: 12332343 Count: 8\n");
}

#[test]
fn a_client_that_sends_no_newline_is_answered_after_a_second() {
    let lab = Lab::new();
    let mut peer = lab.connect(5010);
    let mut answer = [0; 26];
    let sent = Instant::now();
    peer.write_all(b"123Ted 32is 343SECRET cool").unwrap();
    peer.read_exact(&mut answer).unwrap();
    let took = sent.elapsed();
    assert_eq!(&answer, b"Digits: 12332343 Count: 8\n");
    assert!(took >= Duration::from_millis(950), "answered after {took:?}");
    assert!(took < Duration::from_secs(3), "answered after {took:?}");

    // The ending that comes after all is no string of its own; the next string is.
    peer.write_all(b"\nTed is SECRET cool\n").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut rest = String::new();
    peer.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "Digits: Count: 0\n");
}

#[test]
fn edges_of_a_line() {
    let lab = Lab::new();
    let fits = format!("SECRET{}", "7".repeat(1018));
    for (sent, answer) in [
        (String::new(), "Secret code not found.".to_owned()),
        ("secret 1".to_owned(), "Secret code not found.".to_owned()),
        ("xSECRETy1".to_owned(), "Digits: 1 Count: 1".to_owned()),
        (fits.clone(), format!("Digits: {} Count: 1018", "7".repeat(1018))),
        (
            format!("{fits}7"),
            "Line too long: at most 1024 bytes.".to_owned(),
        ),
        (
            "SECRET ".repeat(2000),
            "Line too long: at most 1024 bytes.".to_owned(),
        ),
    ] {
        let file = lab.path("line");
        std::fs::write(&file, format!("{sent}\nSECRET 9\n")).unwrap();
        let printed = lab.kali(&format!("nc.openbsd -N 192.168.69.1 5010 < {}", file.display()));
        assert_eq!(printed, format!("{answer}\nDigits: 9 Count: 1\n"));
    }
}

#[test]
fn datagrams_that_get_no_answer() {
    let lab = Lab::new();
    let silent = |socket: UdpSocket, why: &str| {
        // R2 answers in order: when a later question has its answer, an earlier one has had its own or never will.
        let later = lab.udp(0, 5010);
        later.send(b"SECRET 5").unwrap();
        let mut answer = [0; 64];
        let count = later.recv(&mut answer).unwrap();
        assert_eq!(&answer[..count], b"Digits: 5 Count: 1\n");
        socket.set_nonblocking(true).unwrap();
        assert!(socket.recv(&mut answer).is_err(), "{why} was answered");
    };

    let empty = lab.udp(0, 5010);
    empty.send(b"").unwrap();
    silent(empty, "an empty datagram");

    for port in [7, 19, 5010] {
        let from = lab.udp(port, 5010);
        from.send(b"SECRET 5").unwrap();
        silent(from, &format!("a datagram from port {port}"));
    }

    let fragmented = lab.udp(0, 5010);
    fragmented.send(&[b'x'; 3000]).unwrap();
    silent(fragmented, "a fragmented datagram");

    let broadcast = lab.namespace.udp("0.0.0.0:0");
    broadcast.set_broadcast(true).unwrap();
    broadcast.send_to(b"SECRET 5", "192.168.69.255:5010").unwrap();
    broadcast.send_to(b"SECRET 5", "255.255.255.255:5010").ok();
    silent(broadcast, "a broadcast datagram");
}
