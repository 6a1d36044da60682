//! What R2 cannot do it says in one clear line, and ends with status 2.

use std::path::Path;
use std::time::Instant;

use r2_tests::lab::{Lab, hostapp, serve};
use r2_tests::namespace::Namespace;
use r2_tests::program::{Ended, PATIENCE};
use r2_tests::tmpfs::Tmpfs;
use rustix::process::Signal;

/// A program that ended so, with one line that names each of `words`.
fn assert_refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{}", ended.stderr);
    for word in words {
        assert!(
            ended.stderr.contains(word),
            "{word:?} is not in {:?}",
            ended.stderr
        );
    }
    assert_eq!(ended.stdout, "");
}

fn attempt(namespace: &Namespace, line: &str) -> Ended {
    namespace.start(line).finish()
}

#[test]
fn a_tap_that_is_not_there() {
    let namespace = Namespace::new();
    let store = tempfile::tempdir().unwrap();
    let line = serve(store.path(), "").replace("tap:tap0", "tap:tap9");
    assert_refused(&attempt(&namespace, &line), &["tap9"]);
}

/// Kernels differ in who may attach to a TAP without an owner; one that has another owner is closed to everybody else.
/// A device node of the test's own is open to all, so that it is the interface that refuses, not the node.
#[test]
fn a_tap_that_belongs_to_somebody_else() {
    let namespace = Namespace::new();
    namespace.ip("tuntap del dev tap0 mode tap");
    namespace.ip("tuntap add dev tap0 mode tap user daemon");
    let folder = tempfile::tempdir().unwrap();
    let refused = namespace
        .start(&format!(
            "cd {folder} && cp {hostapp} hostapp && mkdir store && mknod tun c 10 200 && chmod a+rwX . hostapp store tun && \
             exec unshare --mount sh -c 'mount --bind tun /dev/net/tun && exec setpriv --reuid=nobody \
             --clear-groups --regid=nogroup ./hostapp serve --link tap:tap0 --store store'",
            folder = folder.path().display(),
            hostapp = hostapp().display(),
        ))
        .finish();
    assert_refused(&refused, &["tap0 may not be opened by this user", "--user"]);
}

#[test]
fn a_second_server_on_the_same_tap() {
    let lab = Lab::new();
    let other = tempfile::tempdir().unwrap();
    assert_refused(&attempt(&lab.namespace, &serve(other.path(), "")), &["tap0"]);
    let auto = serve(other.path(), "").replace("--link tap:tap0", "--link auto");
    assert_refused(&attempt(&lab.namespace, &auto), &["tap0"]);
    assert_eq!(
        lab.kali("echo SECRET 1 | nc.openbsd -N 192.168.69.1 5010"),
        "Digits: 1 Count: 1\n"
    );
}

#[test]
fn a_store_that_cannot_be_written() {
    let namespace = Namespace::new();
    let disk = Tmpfs::new(1 << 20);
    disk.make_read_only();
    let path = disk.path().display().to_string();
    assert_refused(&attempt(&namespace, &serve(disk.path(), "")), &[&path]);
    assert_refused(
        &attempt(&namespace, &serve(&disk.path().join("inside"), "")),
        &[&path],
    );
    assert_refused(
        &attempt(&namespace, &serve(Path::new("/dev/null"), "")),
        &["/dev/null"],
    );
}

#[test]
fn arguments_that_make_no_sense() {
    let namespace = Namespace::new();
    let store = tempfile::tempdir().unwrap();
    for options in [
        "--ip 192.168.69.1",
        "--ip 192.168.69.1/33",
        "--sessions 0",
        "--sessions 10001",
        "--name 'two words'",
        "--peer-name 12345678901234567",
        "--call 192.168.69.100",
        "--frob",
    ] {
        assert_refused(
            &attempt(&namespace, &serve(store.path(), options)),
            &[options.split(' ').next().unwrap()],
        );
    }
}

#[test]
fn addresses_that_the_local_link_cannot_have() {
    let namespace = Namespace::new();
    let store = tempfile::tempdir().unwrap();
    for options in ["--ip 10.0.0.1/24", "--gateway 10.0.0.9", "--ip6 fd00::1/64"] {
        let local = serve(store.path(), options).replace("--link tap:tap0", "--link local");
        let option = options.split(' ').next().unwrap();
        assert_refused(&attempt(&namespace, &local), &[option, "--link tap:NAME"]);
        // No tap0 is there.
        let alone = Namespace::new();
        alone.ip("link del tap0");
        let auto = local.replace("--link local", "--link auto");
        let ended = attempt(&alone, &auto);
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.stderr.contains(option), "{ended:?}");
    }
}

#[test]
fn a_quiet_server_says_errors_only() {
    for link in ["tap:tap0", "local"] {
        let namespace = Namespace::new();
        let store = tempfile::tempdir().unwrap();
        let line = serve(store.path(), "-q").replace("tap:tap0", link);
        let mut r2 = namespace.start(&line);
        let address = if link == "local" {
            "127.0.0.1"
        } else {
            "192.168.69.1"
        };
        let deadline = Instant::now() + PATIENCE;
        let ask = format!("echo SECRET 1 | nc.openbsd -N -w 5 {address} 5010");
        while namespace.start(&ask).finish().stdout != "Digits: 1 Count: 1\n" {
            assert!(Instant::now() < deadline, "R2 does not answer");
        }
        let refused = attempt(&namespace, &line);
        assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
        r2.signal(Signal::TERM);
        let ended = r2.wait();
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn the_store_s_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let namespace = Namespace::new();
    let store = folder.path().join("new");
    let r2 = namespace.start(&serve(&store, ""));
    r2.complains("R2 ready at 192.168.69.1 on tap0\n");
    assert!(store.is_dir());
}

#[test]
fn r2_does_not_call_itself() {
    let namespace = Namespace::new();
    let store = tempfile::tempdir().unwrap();
    for (link, remote) in [
        ("local", "127.0.0.1:5000"),
        ("local", "0.0.0.0:5000"),
        ("local", "127.0.0.1:10007"),
        ("tap:tap0", "192.168.69.1:5000"),
        ("tap:tap0", "[fe80::52:32ff:fea8:4501]:5000"),
    ] {
        let line = serve(store.path(), &format!("--call {remote}")).replace("tap:tap0", link);
        assert_refused(&attempt(&namespace, &line), &[remote, "R2 itself"]);
    }
}
