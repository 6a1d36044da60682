//! Boards in emulators, talked to by real netcats through a TAP: a row a board, the same behaviour of each.
#![allow(missing_docs)]

mod lab;
mod on_target;
mod sizes;
mod template;

use std::fs;
use std::time::Instant;

use r2_sim::pcap;
use r2_tests::program::PATIENCE;

use crate::lab::Lab;

/// What a board says of them when it is up.
const SERVICES: [&str; 8] = [
    "chat 5000/tcp\n",
    "secret 5010/tcp udp\n",
    "drop 5020/tcp\n",
    "files 5030/tcp\n",
    "status 5040/tcp\n",
    "echo 7/tcp udp\n",
    "discard 9/tcp udp\n",
    "chargen 19/tcp udp\n",
];

fn the_lab_works(board: &str) {
    let mut r2 = Lab::boot(board);
    for service in SERVICES {
        r2.board.console.complains(service);
    }
    let mut kali = r2.start_kali("exec nc.openbsd 192.168.69.1 5000");
    r2.board.console.sees("* KALI joined");
    kali.types("Hi R2\n");
    r2.board.console.sees("KALI: Hi R2");
    r2.board.console.types("Hi KALI\n");
    kali.sees("R2: Hi KALI");
    let answer = r2.kali("printf '123Ted 32is 343SECRET cool\\n' | nc.openbsd -N 192.168.69.1 5010");
    assert_eq!(answer, "Digits: 12332343 Count: 8\n");
    let digest = r2.kali("head -c 4096 /dev/urandom >file; sha256sum <file | cut -c 1-64");
    let receipt = r2.kali("nc.openbsd -N 192.168.69.1 5020 <file");
    assert_eq!(receipt, format!("stored drop-0001 4096 bytes sha256 {digest}"));
    let back = r2.kali(
        "echo GET drop-0001 | nc.openbsd -N 192.168.69.1 5030 | tail -c 4096 | sha256sum | cut -c 1-64",
    );
    assert_eq!(back, digest);
    kali.types("/quit\n");
    r2.board.console.sees("* KALI left");
    r2.board.console.types("/quit\n");
    assert!(
        r2.board.console.wait().status.success(),
        "the board ends in order"
    );
}

fn everybody_at_once(board: &str) {
    let r2 = Lab::boot(board);
    let mut peers: Vec<_> = (0..4)
        .map(|_| r2.start_kali("exec nc.openbsd 192.168.69.1 5000"))
        .collect();
    r2.board.console.sees("* KALI-4 joined");
    r2.kali("head -c 4096 /dev/urandom >one; head -c 4000 /dev/urandom >two");
    let mut ping = r2.start_kali("ping -c 50 -i 0.05 192.168.69.1");
    let mut uploads = ["one", "two"].map(|file| {
        r2.start_kali(&format!(
            "nc.openbsd -N 192.168.69.1 5020 <{file} | cut -d ' ' -f 6; sha256sum <{file} | cut -c 1-64"
        ))
    });
    let mut secret =
        r2.start_kali("printf 'a1SECRET\\n%.0s' $(seq 200) | nc.openbsd -N 192.168.69.1 5010 | sort -u");
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.types(format!("line of {number}\n"));
    }
    for upload in &mut uploads {
        let both = upload.prints();
        let (stored, sent) = both.split_once('\n').expect("two lines");
        assert_eq!(stored, sent.trim_end());
    }
    assert_eq!(secret.prints(), "Digits: 1 Count: 1\n");
    for peer in &peers {
        for number in 0..4 {
            peer.sees(&format!(": line of {number}\n"));
        }
    }
    let pinged = ping.prints();
    assert!(pinged.contains("50 received"), "{pinged}");
    assert_eq!(r2.status("chat_connections"), 4);
    assert_eq!(r2.status("store_bytes"), 8096);
    sizes::at_most_three_quarters_of_the_stack(board, r2.status("stack_high_water"));
}

/// The upload has `length` bytes: no more than the board keeps for a reader who acknowledges late, or it loses frames.
fn an_upload_is_captured(board: &str, length: usize) {
    let mut r2 = Lab::boot(board);
    r2.board.console.complains("capture 5050/tcp\n");
    let mut reader = r2.start_kali("exec nc.openbsd -N 192.168.69.1 5050 </dev/null >x.pcap");
    let begun = Instant::now();
    while r2.status("capture_connections") != 1 {
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for the capture");
    }
    r2.kali(&format!("head -c {length} /dev/urandom >file"));
    let receipt = r2.kali("nc.openbsd -N 192.168.69.1 5020 <file");
    assert!(
        receipt.starts_with(&format!("stored drop-0001 {length} bytes")),
        "{receipt}"
    );
    assert_eq!(r2.status("capture_lost"), 0);
    r2.board.console.types("/quit\n");
    assert!(r2.board.console.wait().status.success());
    assert_eq!(reader.wait().status.code(), Some(0));
    let path = r2.path("x.pcap");
    assert_eq!(pcap::complaints(&path), "");
    assert_eq!(pcap::tshark(&path, &["-Y", "tcp.port == 5050"]), "");
    assert!(
        pcap::sent_to(&path, 5020) == fs::read(r2.path("file")).unwrap(),
        "the upload is not in the capture"
    );
}

macro_rules! boards {
    ($($board:ident $name:literal $captured:literal),* $(,)?) => {
        $(mod $board {
            #[test]
            fn the_lab_works() { super::the_lab_works($name); }
            #[test]
            fn everybody_at_once() { super::everybody_at_once($name); }
            #[test]
            fn an_upload_is_captured() { super::an_upload_is_captured($name, $captured); }
        })*
    };
}

boards! {
    lm3s6965evb "lm3s6965evb" 1_500,
    mps2_an385 "mps2-an385" 60_000,
}

/// The board for the hand, in the emulator. It offers no capture.
mod w5500_evb_pico {
    #[test]
    fn the_lab_works() {
        super::the_lab_works("w5500-evb-pico");
    }
    #[test]
    fn everybody_at_once() {
        super::everybody_at_once("w5500-evb-pico");
    }
}

/// The card lets through what neighbours ask in the groups of both of its IPv6 addresses.
#[test]
fn a_neighbour_finds_the_board_at_each_of_its_ipv6_addresses() {
    let r2 = Lab::boot("mps2-an385");
    for address in ["fd69::1", "fe80::c0ff:fea8:4501%tap0"] {
        let answer = r2.kali(&format!("echo 5 SECRET | nc.openbsd -N {address} 5010"));
        assert_eq!(answer, "Digits: 5 Count: 1\n", "{address}");
    }
}

#[test]
fn three_services_answer_where_the_others_are_left_out() {
    let mut r2 = Lab::boot("lm3s6965evb-three");
    let answer = r2.kali("printf '123Ted 32is 343SECRET cool\\n' | nc.openbsd -N 192.168.69.1 5010");
    assert_eq!(answer, "Digits: 12332343 Count: 8\n");
    let digest = r2.kali("head -c 4096 /dev/urandom >file; sha256sum <file | cut -c 1-64");
    let receipt = r2.kali("nc.openbsd -N 192.168.69.1 5020 <file");
    assert_eq!(receipt, format!("stored drop-0001 4096 bytes sha256 {digest}"));
    let refused = r2.kali("nc.openbsd -N -v 192.168.69.1 5040 </dev/null 2>&1 || true");
    assert!(refused.contains("refused"), "{refused}");
    let kali = r2.start_kali("exec nc.openbsd 192.168.69.1 5000");
    r2.board.console.sees("* KALI joined");
    r2.board.console.types("/quit\n");
    assert!(
        r2.board.console.wait().status.success(),
        "the board ends in order"
    );
    drop(kali);
}
