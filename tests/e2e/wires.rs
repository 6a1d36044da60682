//! Wires that lose, repeat, cut and change: what arrives is what was sent, or is not taken for it.

use std::fs;
use std::thread;
use std::time::Duration;

use r2_sim::payload::sha256_of;
use r2_tests::lab::Lab;
use r2_tests::wire::{rule, wire};

/// How long a transfer over such a wire may take.
const PATIENCE: Duration = Duration::from_secs(200);

fn send(lab: &Lab, file: &std::path::Path, name: &str) -> String {
    let line = format!("hostapp send 192.168.69.1 {} --as {name}", file.display());
    lab.start_kali(&line).patiently(PATIENCE).prints()
}

fn is_exact(lab: &Lab, file: &std::path::Path, name: &str) {
    send(lab, file, name);
    assert_eq!(sha256_of(&lab.store.file(name)), sha256_of(file));
}

#[test]
fn fifty_small_uploads_of_fifty_are_exact_at_30_percent_loss() {
    const LOSS: &str = "numgen random mod 100 < 30 drop";
    let lab = wire(LOSS, LOSS);
    let files: Vec<_> = (0..50)
        .map(|number| lab.file(&format!("small-{number}"), 1000 + 10 * number))
        .collect();
    thread::scope(|scope| {
        for (file, number) in files.iter().zip(0..) {
            let (lab, name) = (&lab, format!("small-{number}"));
            // A connection that is given up at 30 % loss is no upload that went wrong. It is asked for again, until R2
            // knows of its end too.
            scope.spawn(move || {
                let line = format!(
                    "for try in $(seq 60); do hostapp send 192.168.69.1 {} --as {name} && exit; sleep 1; done; exit 1",
                    file.display()
                );
                lab.start_kali(&line).patiently(PATIENCE).prints();
            });
        }
    });
    for (file, number) in files.iter().zip(0..) {
        assert_eq!(
            sha256_of(&lab.store.file(&format!("small-{number}"))),
            sha256_of(file)
        );
    }
}

#[test]
fn two_megabytes_are_exact_at_2_percent_loss() {
    const LOSS: &str = "numgen random mod 100 < 2 drop";
    let lab = wire(LOSS, LOSS);
    is_exact(&lab, &lab.file("sent", 2 << 20), "lossy");
    let back = lab.path("back");
    lab.start_kali(&format!("hostapp get 192.168.69.1 lossy -o {}", back.display()))
        .patiently(PATIENCE)
        .prints();
    assert_eq!(sha256_of(&back), sha256_of(&lab.store.file("lossy")));
}

#[test]
fn two_megabytes_are_exact_where_every_tenth_frame_comes_twice() {
    let twice = "numgen random mod 100 < 10 dup to tap0";
    let lab = wire("accept", twice);
    is_exact(&lab, &lab.file("sent", 2 << 20), "twice");
    assert_eq!(
        lab.kali("echo 1 SECRET | nc.openbsd -N 192.168.69.1 5010"),
        "Digits: 1 Count: 1\n"
    );
}

#[test]
fn ten_megabytes_are_exact_through_a_wire_that_is_cut_again_and_again() {
    let lab = wire("accept", "accept");
    let file = lab.file("sent", 10 << 20);
    // So slow that it meets several cuts.
    lab.kali("PATH=$PATH:/usr/sbin tc qdisc replace dev tap0 root tbf rate 16mbit burst 64k latency 500ms");
    let _saboteur = lab.start_kali(
        "PATH=$PATH:/usr/sbin; while sleep 2; do nft add rule netdev wire from_kali drop; \
         nft add rule netdev wire from_r2 drop; sleep 5; nft flush chain netdev wire from_kali; \
         nft flush chain netdev wire from_r2; done",
    );
    is_exact(&lab, &file, "cut");
}

#[test]
fn what_is_changed_with_right_checksums_is_refused_where_it_was_announced() {
    // The eleventh byte behind the TCP header of a long segment; nftables makes the checksum right again.
    let lab = wire("accept", "ip length > 1000 tcp dport 5030 @th,336,8 set 0x58");
    let file = lab.file("sent", 100_000);
    let line = format!("hostapp send 192.168.69.1 {} --as changed", file.display());
    for _ in 0..3 {
        let ended = lab.kali_tries(&line);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains("do not add up to the SHA-256"), "{ended:?}");
        assert!(!lab.store.names().contains(&"changed".to_owned()));
    }
    rule(&lab, "flush chain netdev wire from_kali");
    is_exact(&lab, &file, "changed");
    assert_eq!(
        fs::read(lab.store.file("changed")).unwrap(),
        fs::read(&file).unwrap()
    );
}
