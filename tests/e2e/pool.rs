//! Show 5: more clients than slots. Those that find none wait; nobody is refused.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;

use r2_sim::payload::sha256_of;
use r2_tests::lab::Lab;
use r2_tests::program::{PATIENCE, Program};

const CLIENTS: usize = 200;

/// The kernel sends a SYN again after 1, 3, 7, 15 and 31 s: who was unlucky with each of them comes then.
const UNLUCKY: std::time::Duration = PATIENCE.saturating_mul(4);

/// Starts so many netcats and then lets them all go on at once: each sends its number and what is in `file`.
fn all_at_once(lab: &Lab, line: &str) -> Vec<Program> {
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| lab.start_kali(line).patiently(UNLUCKY))
        .collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.types(format!("{number} SECRET\n"));
    }
    for client in &mut clients {
        client.ends_input();
    }
    clients
}

fn digits(number: usize) -> String {
    format!("Digits: {number} Count: {}\n", number.to_string().len())
}

#[test]
fn two_hundred_netcats_are_served_by_sixteen_slots() {
    let lab = Lab::with("--sessions 16");
    for (number, mut client) in all_at_once(&lab, "nc.openbsd -N 192.168.69.1 5010")
        .into_iter()
        .enumerate()
    {
        assert_eq!(client.prints(), digits(number));
    }
}

#[test]
fn two_hundred_netcats_are_served_by_the_slots_of_drop() {
    find_the_slots_of_drop(&Lab::new(), "192.168.69.1");
}

#[test]
fn two_hundred_netcats_are_served_by_the_slots_of_drop_without_any_privilege() {
    find_the_slots_of_drop(&Lab::local(""), "127.0.0.1");
}

fn find_the_slots_of_drop(lab: &Lab, r2: &str) {
    for mut client in all_at_once(lab, &format!("nc.openbsd -N {r2} 5020")) {
        assert!(client.prints().starts_with("stored drop-"));
    }
    lab.store.wait_until("all uploads, confirmed", |store| {
        store.names().len() == CLIENTS && store.names().iter().all(|name| !name.contains('.'))
    });
    let mut stored: Vec<_> = lab
        .store
        .names()
        .iter()
        .map(|name| fs::read_to_string(lab.store.file(name)).unwrap())
        .collect();
    stored.sort();
    let mut sent: Vec<_> = (0..CLIENTS).map(|number| format!("{number} SECRET\n")).collect();
    sent.sort();
    assert_eq!(stored, sent);
}

#[test]
fn two_hundred_netcats_get_a_file_at_once() {
    let lab = Lab::new();
    let file = lab.file("shared.bin", 200_000);
    lab.kali(&format!("hostapp send 192.168.69.1 {}", file.display()));
    let expected = format!("FILE shared.bin 200000 {}\n", sha256_of(&file));
    let line = "(echo GET shared.bin; cat >/dev/null) | nc.openbsd -N 192.168.69.1 5030 | (head -n 1; wc -c)";
    for mut client in all_at_once(&lab, line) {
        let printed = client.prints();
        assert_eq!(
            printed.lines().next().map(|line| format!("{line}\n")),
            Some(expected.clone())
        );
    }
}

#[test]
fn a_client_that_finds_no_slot_waits_until_one_is_free() {
    const SLOTS: usize = 16;
    let lab = Lab::with("--sessions 16");
    let mut holders: Vec<_> = (0..SLOTS).map(|_| lab.connect(5010)).collect();
    for holder in &mut holders {
        holder.write_all(b"SECRET 1\n").unwrap();
        holder.read_exact(&mut [0; 19]).unwrap();
    }
    // Every slot is taken: the next one's SYN is held. It is served when one of them leaves.
    let mut waiting = lab.start_kali("nc.openbsd -v -N 192.168.69.1 5010");
    waiting.types("SECRET 2\n");
    let other = lab.kali("echo SECRET 3 | nc.openbsd -u -W 1 192.168.69.1 5010");
    assert_eq!(other, digits(3));
    assert_eq!(waiting.stdout.text(), "");
    assert!(
        !waiting.stderr.text().contains("refused"),
        "{}",
        waiting.stderr.text()
    );
    holders.pop().unwrap().shutdown(Shutdown::Write).unwrap();
    assert_eq!(waiting.prints(), digits(2));
}

#[test]
fn a_dead_crowd_does_not_lock_drop() {
    const SLOTS: usize = 32;
    let lab = Lab::new();
    lab.namespace.ip("addr add 192.168.69.101/24 dev tap0");
    let crowd: Vec<_> = (0..SLOTS)
        .map(|_| lab.connect_from("192.168.69.101", 5020))
        .collect();
    for mut peer in &crowd {
        peer.write_all(b"I am still here").unwrap();
    }
    lab.store
        .wait_until("the crowd's uploads", |store| store.names().len() == SLOTS);
    // From now on nothing of the crowd reaches R2: it is as if its host had lost power.
    lab.namespace.ip("rule add from 192.168.69.101 blackhole");
    let mut living = lab
        .start_kali("echo living | nc.openbsd -N 192.168.69.1 5020")
        .patiently(UNLUCKY);
    assert!(living.prints().contains(" 7 bytes sha256 "));
    lab.store.wait_until("the living one's file", |store| {
        store.names().iter().any(|name| !name.contains('.'))
    });
    lab.store.wait_until("the state of the dead", |store| {
        store
            .names()
            .iter()
            .filter(|name| name.ends_with(".partial"))
            .count()
            == SLOTS
    });
}

#[test]
fn a_port_without_a_service_refuses() {
    let lab = Lab::new();
    for port in [1, 5001, 5060, 65_535] {
        let error = lab.try_connect(port).expect_err("nobody serves there");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

#[test]
fn ten_thousand_clients_are_served_at_once() {
    const CLIENTS: usize = 10_000;
    let lab = Lab::local("--sessions 10000");
    let limit = rustix::process::Rlimit {
        current: Some(CLIENTS as u64 + 1000),
        maximum: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)
        .expect("root may have so many files");
    let mut crowd: Vec<_> = (0..CLIENTS).map(|_| lab.connect(7)).collect();
    for (number, peer) in crowd.iter_mut().enumerate() {
        writeln!(peer, "{number}").unwrap();
    }
    for (number, peer) in crowd.iter_mut().enumerate() {
        let expected = format!("{number}\n");
        let mut answer = vec![0; expected.len()];
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(answer, expected.as_bytes());
    }
    assert_eq!(lab.status()["sessions_open"], (CLIENTS + 1).to_string());
    assert_eq!(
        lab.kali("echo SECRET 1 | nc.openbsd -N 127.0.0.1 5010"),
        "Digits: 1 Count: 1\n"
    );
}
