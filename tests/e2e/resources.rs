//! What a stranger can have of R2's host: no more than the operator said.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::time::Instant;

use r2_tests::lab::{Lab, R2, serve};
use r2_tests::namespace::Namespace;
use r2_tests::program::PATIENCE;
use rustix::fd::AsFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use tempfile::TempDir;

#[test]
fn a_file_over_the_limit_is_refused_and_one_at_the_limit_is_stored() {
    let lab = Lab::with("--max-file 100000");
    let (fits, large) = (lab.file("fits.bin", 100_000), lab.file("large.bin", 100_001));
    lab.kali(&format!("hostapp send 192.168.69.1 {}", fits.display()));
    let refused = lab.kali_tries(&format!("hostapp send 192.168.69.1 {}", large.display()));
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.ends_with("; serve with a larger --max-file\n"),
        "{}",
        refused.stderr
    );
    let receipt = lab.kali(&format!("nc.openbsd -N 192.168.69.1 5020 < {}", large.display()));
    assert!(
        receipt.starts_with("failed drop-0001 ") && receipt.ends_with(" after 100000 bytes\n"),
        "{receipt}"
    );
    assert_eq!(lab.store.names(), ["fits.bin"]);
}

#[test]
fn a_store_at_its_limit_takes_no_more_until_something_is_deleted() {
    let lab = Lab::with("--max-store 150000");
    let file = lab.file("file.bin", 100_000);
    let send = |name: &str| {
        lab.kali_tries(&format!(
            "hostapp send 192.168.69.1 {} --as {name}",
            file.display()
        ))
    };
    assert_eq!(send("one").status.code(), Some(0));
    let refused = send("two");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains("; delete something with hostapp rm"),
        "{}",
        refused.stderr
    );
    let receipt = lab.kali(&format!("nc.openbsd -N 192.168.69.1 5020 < {}", file.display()));
    assert!(
        receipt.starts_with("failed drop-0001 no space after "),
        "{receipt}"
    );
    assert_eq!(lab.store.names(), ["one"]);
    lab.kali("hostapp rm 192.168.69.1 one");
    assert_eq!(send("two").status.code(), Some(0));
}

#[test]
fn who_is_not_allowed_gets_no_answer_at_all() {
    let lab = Lab::with("--allow 192.168.69.100/32");
    lab.namespace.ip("addr add 192.168.69.101/24 dev tap0");
    // One that would be answered with SYN, one that would be answered with RST, and one datagram.
    let attempts: Vec<_> = [
        (SocketType::STREAM, 5010),
        (SocketType::STREAM, 4444),
        (SocketType::DGRAM, 5010),
    ]
    .into_iter()
    .map(|(kind, port)| {
        lab.namespace.inside(|| {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let socket = socket_with(AddressFamily::INET, kind, flags, None).unwrap();
            let at = |address: &str, port: u16| SocketAddr::new(address.parse().unwrap(), port);
            bind(&socket, &at("192.168.69.101", 0)).unwrap();
            let begun = connect(&socket, &at(R2, port));
            if kind == SocketType::DGRAM {
                rustix::io::write(&socket, b"SECRET 1").unwrap();
            } else {
                assert_eq!(begun, Err(rustix::io::Errno::INPROGRESS));
            }
            socket
        })
    })
    .collect();
    let deadline = Instant::now() + PATIENCE;
    while lab.status()["dropped_not_allowed"].parse::<u64>().unwrap() < 3 {
        assert!(Instant::now() < deadline, "{:?}", lab.status());
    }
    for socket in &attempts[..2] {
        assert_eq!(sockopt::socket_error(socket.as_fd()), Ok(Ok(())), "no answer");
    }
    let answer = rustix::io::read(&attempts[2], &mut [0; 64][..]);
    assert_eq!(answer, Err(rustix::io::Errno::AGAIN));
    assert_eq!(lab.status()["secret_connections"], "0");
    assert_eq!(
        lab.kali("echo SECRET 1 | nc.openbsd -N 192.168.69.1 5010"),
        "Digits: 1 Count: 1\n"
    );
}

/// What a thread says of its privileges.
const PRIVILEGES: [&str; 5] = [
    "CapInh:\t0000000000000000",
    "CapPrm:\t0000000000000000",
    "CapEff:\t0000000000000000",
    "CapAmb:\t0000000000000000",
    "NoNewPrivs:\t1",
];

#[test]
fn every_thread_of_the_server_has_given_roots_privileges_up() {
    let folder = TempDir::new().unwrap();
    let pcap = folder.path().join("r2.pcap");
    let mut lab = Lab::with(&format!("--pcap {}", pcap.display()));
    let threads = format!("/proc/{}/task", lab.r2.pid().as_raw_nonzero());
    for thread in fs::read_dir(threads).unwrap() {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        for line in PRIVILEGES {
            assert!(
                status.lines().any(|said| said == line),
                "{line} is not in\n{status}"
            );
        }
    }
    // Store, pcap file and TAP are as usable as before.
    let receipt = lab.kali("echo hello | nc.openbsd -N 192.168.69.1 5020");
    assert!(receipt.starts_with("stored drop-0001 6 bytes "), "{receipt}");
    lab.store
        .wait_until("the upload, confirmed", |store| store.names() == ["drop-0001"]);
    assert_eq!(lab.stop().status.code(), Some(0));
    assert!(fs::metadata(&pcap).unwrap().len() > 24);
}

#[test]
fn root_is_told_that_it_may_not_write_into_a_users_folder() {
    let namespace = Namespace::new();
    let store = TempDir::new().unwrap();
    chown(store.path(), Some(65_534), Some(65_534)).unwrap();
    let ended = namespace.start(&serve(store.path(), "")).finish();
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("R2 gives root's privileges up"),
        "{}",
        ended.stderr
    );
}
