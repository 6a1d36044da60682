//! tap-setup needs root once; serve needs none after it.

use r2_tests::lab::{hostapp, serve};
use r2_tests::lan::Lan;
use r2_tests::namespace::Namespace;
use r2_tests::program::Ended;

const TAP_SETUP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tap-setup/tap-setup");

fn tap_setup(namespace: &Namespace, arguments: &str) -> Ended {
    namespace.start(&format!("{TAP_SETUP} {arguments}")).finish()
}

#[test]
fn up_status_and_down_may_each_be_run_again() {
    let namespace = Namespace::new();
    assert_eq!(
        tap_setup(&namespace, "status --name tap1").status.code(),
        Some(1),
        "there is none yet"
    );
    for _ in 0..2 {
        let up = tap_setup(&namespace, "up --name tap1 --user nobody --address 10.1.1.100/24");
        assert_eq!(up.status.code(), Some(0), "{up:?}");
        let status = tap_setup(&namespace, "status --name tap1");
        assert_eq!(status.status.code(), Some(0), "{status:?}");
        for word in ["tap1", "up", "nobody", "10.1.1.100/24"] {
            assert!(status.stdout.contains(word), "no {word}: {status:?}");
        }
    }
    for _ in 0..2 {
        let down = tap_setup(&namespace, "down --name tap1");
        assert_eq!(down.status.code(), Some(0), "{down:?}");
    }
    assert_eq!(tap_setup(&namespace, "status --name tap1").status.code(), Some(1));
}

#[test]
fn serve_needs_no_root_on_a_tap_of_its_user() {
    let namespace = Namespace::new();
    tap_setup(&namespace, "up --name tap1 --user nobody --address 10.1.1.100/24");
    let folder = tempfile::tempdir().unwrap();
    // Where the distribution keeps /dev/net/tun for root, a private mount opens it to all, as others have it.
    let mut r2 = namespace.start(&format!(
        "cd {folder} && cp {hostapp} hostapp && mkdir store && mknod tun c 10 200 && chmod a+rwX . hostapp store tun && \
         exec unshare --mount sh -c 'mount --bind tun /dev/net/tun && exec setpriv --reuid=nobody --clear-groups \
         --regid=nogroup ./hostapp serve --link tap:tap1 --ip 10.1.1.1/24 --store store'",
        folder = folder.path().display(),
        hostapp = hostapp().display(),
    ));
    r2.complains("R2 ready at 10.1.1.1 on tap1\n");
    let printed = namespace
        .start("echo 7 SECRET | nc.openbsd -N 10.1.1.1 5010")
        .prints();
    assert_eq!(printed, "Digits: 7 Count: 1\n");
    r2.signal(rustix::process::Signal::TERM);
    assert_eq!(r2.wait().status.code(), Some(0));
}

#[test]
fn what_a_user_may_not_open_is_named() {
    let namespace = Namespace::new();
    tap_setup(&namespace, "up --name tap1 --user daemon --address 10.1.1.100/24");
    for (mode, refusal) in [
        (
            "a=,u=rw",
            "/dev/net/tun may not be opened by this user: run sudo chmod a+rw /dev/net/tun",
        ),
        (
            "a=rw",
            "tap1 may not be opened by this user: run sudo ./tap-setup/tap-setup up --name tap1 --user",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let refused = namespace
            .start(&format!(
                "cd {folder} && cp {hostapp} hostapp && mknod tun c 10 200 && chmod a+rwX . hostapp && chmod {mode} tun && \
                 exec unshare --mount sh -c 'mount --bind tun /dev/net/tun && exec setpriv --reuid=nobody \
                 --clear-groups --regid=nogroup ./hostapp serve --link tap:tap1 --ip 10.1.1.1/24 --store store'",
                folder = folder.path().display(),
                hostapp = hostapp().display(),
            ))
            .wait();
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(refused.stderr.contains(refusal), "{refused:?}");
    }
}

#[test]
fn a_user_that_is_not_there_is_named() {
    let up = tap_setup(&Namespace::new(), "up --name tap1 --user nobody-at-all");
    assert!(!up.status.success());
    assert!(up.stderr.contains("nobody-at-all"), "{up:?}");
}

#[test]
fn r2_on_a_tap_in_a_bridge_is_a_machine_of_that_network() {
    let lan = Lan::<1>::new();
    let [kali] = &lan.machines;
    for _ in 0..2 {
        let up = tap_setup(&lan.switch, "up --name tap1 --bridge br0");
        assert_eq!(up.status.code(), Some(0), "{up:?}");
    }
    let status = tap_setup(&lan.switch, "status --name tap1").stdout;
    assert!(
        status.ends_with("addresses: none, in the bridge br0\n"),
        "{status}"
    );
    let folder = tempfile::tempdir().unwrap();
    let options = "--ip 10.7.0.50/24 --ip6 fd07::50/64";
    let r2 = lan
        .switch
        .start(&serve(folder.path(), options).replace("tap:tap0", "tap:tap1"));
    r2.complains("R2 ready at 10.7.0.50 on tap1\n");
    for address in ["10.7.0.50", "fd07::50"] {
        let mut netcat = kali.start(&format!("echo 7 SECRET | nc.openbsd -N {address} 5010"));
        assert_eq!(netcat.prints(), "Digits: 7 Count: 1\n");
    }
    drop(r2);
    let down = tap_setup(&lan.switch, "down --name tap1");
    assert_eq!(down.stdout, "tap-setup: removed tap1 out of br0\n");
    assert_eq!(tap_setup(&lan.switch, "down --name tap1").status.code(), Some(0));
}

#[test]
fn a_bridge_that_cannot_be_joined_is_named_and_nothing_is_made() {
    let namespace = Namespace::new();
    namespace.ip("link add br7 type bridge");
    for (arguments, refusal) in [
        (
            "--bridge br0",
            "there is no bridge br0: make it with ip link add br0 type bridge",
        ),
        ("--bridge lo", "lo is no bridge: name one with --bridge"),
        (
            "--bridge a-name-too-long-for-linux",
            "a bridge's name has 1 to 15 of A-Z a-z 0-9 . _ -",
        ),
        ("--bridge", "--bridge needs a value"),
        (
            "--bridge br7 --address 10.1.1.1/24",
            "--bridge goes without --address: in a bridge this host's address is the bridge's",
        ),
    ] {
        let up = tap_setup(&namespace, &format!("up --name tap1 {arguments}"));
        assert_eq!(
            (up.status.code(), up.stderr),
            (Some(2), format!("tap-setup: {refusal}\n"))
        );
        assert_eq!(tap_setup(&namespace, "status --name tap1").status.code(), Some(1));
    }
}
