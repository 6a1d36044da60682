//! What a TAP with super-frames must not change: every byte, whatever the size and the MTU; and what R2 does where
//! the kernel has none.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use r2_sim::payload;
use r2_tests::lab::Lab;
use r2_tests::namespace::Namespace;

/// What R2 says where it has to do without.
const PLAIN: &str = "tap0 carries no super-frames";

/// Sizes around a segment and around the largest super-frame, with the options and lengths that the kernel and
/// smoltcp use, and two of many frames.
const SIZES: [usize; 16] = [
    1, 1447, 1448, 1449, 1460, 1461, 2896, 65_159, 65_160, 65_161, 65_495, 65_496, 65_535, 65_536, 131_073,
    3_000_001,
];

/// Sends so many bytes through echo, through drop and back out of the store.
fn goes_there_and_back(lab: &Lab, size: usize) {
    let bytes = payload::random(size, size as u64);
    let mut peer = lab.connect(7);
    let mut sender = peer.try_clone().expect("a second handle");
    let mut echoed = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            sender.write_all(&bytes).expect("R2 takes it");
            sender.shutdown(Shutdown::Write).expect("FIN");
        });
        peer.read_to_end(&mut echoed).expect("R2's FIN");
    });
    assert!(echoed == bytes, "{size} bytes through echo");

    let file = lab.path("sent");
    std::fs::write(&file, &bytes).expect("room for it");
    let (file, back) = (file.display(), lab.path("back"));
    lab.kali(&format!("hostapp send 192.168.69.1 {file} --as it"));
    assert!(
        std::fs::read(lab.store.file("it")).expect("it is stored") == bytes,
        "{size} bytes stored"
    );
    lab.kali(&format!(
        "hostapp get 192.168.69.1 it --force -o {}",
        back.display()
    ));
    assert!(
        std::fs::read(back).expect("it came") == bytes,
        "{size} bytes from the store"
    );
}

#[test]
fn every_byte_arrives_at_every_size() {
    let lab = Lab::new();
    for size in SIZES {
        goes_there_and_back(&lab, size);
    }
    assert!(
        !lab.r2.stderr.text().contains(PLAIN),
        "this kernel has super-frames"
    );
    let status = lab.status();
    assert_eq!(status["dropped_checksum"], "0");
    assert_eq!(status["dropped_malformed"], "0");
    assert_eq!(status["dropped_device_busy"], "0");
}

#[test]
fn every_byte_arrives_over_ipv6_too() {
    let lab = Lab::with("--ip6 fd69::1/64");
    let file = lab.file("sent", 3_000_001);
    lab.kali(&format!("hostapp send [fd69::1]:5030 {} --as it", file.display()));
    lab.kali(&format!(
        "hostapp get [fd69::1]:5030 it -o {}",
        lab.path("back").display()
    ));
    lab.kali(&format!("cmp {} {}", file.display(), lab.path("back").display()));
}

#[test]
fn every_byte_arrives_at_another_mtu_and_when_it_changes() {
    for mtu in [576, 1280, 9000] {
        let namespace = Namespace::new();
        namespace.ip(&format!("link set tap0 mtu {mtu}"));
        let lab = Lab::joining(namespace, "");
        for size in [1, 536, 65_536, 1_000_000] {
            goes_there_and_back(&lab, size);
        }
        for changed in [1500, 700, 9000] {
            lab.namespace.ip(&format!("link set tap0 mtu {changed}"));
            goes_there_and_back(&lab, 1_000_000);
        }
    }
}

#[test]
fn fast_upload_and_download_pass_in_few_frames() {
    const BYTES: usize = 64 << 20;
    let lab = Lab::new();
    let before = lab.status();
    let mut peer = lab.connect(9);
    peer.write_all(&vec![7; BYTES]).expect("R2 takes it");
    peer.shutdown(Shutdown::Write).expect("FIN");
    peer.read_to_end(&mut Vec::new()).expect("R2's FIN");
    let between = lab.status();
    lab.connect(19)
        .read_exact(&mut vec![0; BYTES])
        .expect("R2 sends on");
    let after = lab.status();
    let frames = |later: &std::collections::BTreeMap<String, String>,
                  earlier: &std::collections::BTreeMap<String, String>,
                  key: &str| {
        later[key].parse::<usize>().expect("a number") - earlier[key].parse::<usize>().expect("a number")
    };
    // In segments of Ethernet it would be more than 700 for each MiB.
    let most = BYTES / (1 << 20) * 40;
    let (received, sent) = (
        frames(&between, &before, "frames_in"),
        frames(&after, &between, "frames_out"),
    );
    assert!(received < most && sent < most, "{received} frames in, {sent} out");
}

#[test]
fn where_the_kernel_refuses_r2_says_so_once_and_serves_in_plain_frames() {
    let folder = tempfile::tempdir().expect("a folder");
    let namespace = Namespace::new();
    // The first request about a TAP is the one for super-frames.
    let refuse =
        "exec strace -o /dev/null -P /dev/net/tun -e trace=ioctl -e inject=ioctl:error=EINVAL:when=1 ";
    let line = r2_tests::lab::serve(folder.path(), "").replace("exec ", refuse);
    let r2 = namespace.start(&line);
    r2.complains("R2 ready at 192.168.69.1 on tap0\n");
    assert_eq!(r2.stderr.text().matches(PLAIN).count(), 1, "{}", r2.stderr.text());
    let mut peer = namespace.connect("192.168.69.1:5020").expect("R2 serves");
    let bytes = payload::random(1_000_000, 1);
    peer.write_all(&bytes).expect("R2 takes it");
    peer.shutdown(Shutdown::Write).expect("FIN");
    let mut receipt = String::new();
    peer.read_to_string(&mut receipt).expect("R2's FIN");
    assert!(
        receipt.starts_with("stored drop-0001 1000000 bytes "),
        "{receipt}"
    );
}

#[test]
fn what_the_interface_does_not_take_is_counted_and_sent_again() {
    let mut lab = Lab::new();
    let peer = lab.start_kali("nc.openbsd 192.168.69.1 5000");
    lab.r2.sees("* KALI joined\n");
    lab.namespace.ip("link set tap0 down");
    lab.r2.types("are you there?\n");
    lab.r2.sees("R2: are you there?\n");
    lab.namespace.ip("link set tap0 up");
    peer.sees("R2: are you there?\n");
    assert_ne!(lab.status()["dropped_device_busy"], "0");
}
