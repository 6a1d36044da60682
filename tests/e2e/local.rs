//! R2 without any privilege: what netcat sees on 127.0.0.1 is what it sees on a TAP.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use r2_sim::payload::sha256_of;
use r2_tests::lab::{Lab, hostapp, serve};
use r2_tests::namespace::Namespace;
use r2_tests::program::Program;
use rustix::process::Signal;

/// The kernel sends a SYN again after 1, 3, 7, 15 and 31 s: who was unlucky with each of them comes then.
const UNLUCKY: Duration = Duration::from_mins(2);

/// How long 64 MiB may take on a busy machine.
const SLOW: Duration = Duration::from_mins(3);

/// Starts `serve` without saying on which link.
fn serve_auto(namespace: &Namespace, store: &std::path::Path) -> Program {
    namespace.start(&serve(store, "").replace(" --link tap:tap0", ""))
}

/// A user without any privilege, in a folder of its own with `hostapp` and a file in it.
struct Nobody<'n> {
    namespace: &'n Namespace,
    folder: tempfile::TempDir,
}

impl<'n> Nobody<'n> {
    fn new(namespace: &'n Namespace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().display();
        // Nobody has to reach the programs, and a folder of its own.
        fs::copy(hostapp(), folder.path().join("hostapp")).unwrap();
        fs::write(folder.path().join("file"), "a file\n").unwrap();
        namespace
            .start(&format!("chmod -R a+rwX {home}; chmod a+rx {home}/hostapp"))
            .prints();
        Self { namespace, folder }
    }

    fn starts(&self, line: &str) -> Program {
        let home = self.folder.path().display();
        self.namespace.start(&format!(
            "cd {home} && PATH=.:$PATH exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '{line}'"
        ))
    }

    fn prints(&self, line: &str) -> String {
        self.starts(line).prints()
    }
}

#[test]
fn a_user_without_any_privilege_has_the_whole_lab() {
    let namespace = Namespace::new();
    namespace.ip("link del tap0");
    let nobody = Nobody::new(&namespace);

    let mut r2 = nobody.starts("exec hostapp serve");
    r2.complains(
        "info: serving on 127.0.0.1, without a TAP (tap0 does not exist: run sudo ./tap-setup/tap-setup up)\n",
    );
    r2.complains("R2 ready at 127.0.0.1 on local\n");
    r2.complains("  drop     5020/tcp       nc -N 127.0.0.1 5020 < FILE\n");
    r2.complains("nc 127.0.0.1 10007\n");

    let mut kali = nobody.starts("exec nc.openbsd 127.0.0.1 5000");
    r2.sees("* KALI joined\n");
    r2.types("Hi, my name is R2\n");
    kali.sees("R2: Hi, my name is R2\n");
    kali.types("Hi R2\n");
    r2.sees("KALI: Hi R2\n");

    assert_eq!(
        nobody.prints("echo 123Ted 32is 343SECRET cool | nc.openbsd -N 127.0.0.1 5010"),
        "Digits: 12332343 Count: 8\n"
    );
    assert_eq!(
        nobody.prints("echo SECRET | nc.openbsd -u -W 1 127.0.0.1 5010"),
        "Digits: Count: 0\n"
    );
    assert_eq!(
        nobody.prints("echo ping | nc.openbsd -u -W 1 127.0.0.1 10007"),
        "ping\n"
    );
    let hash = sha256_of(&nobody.folder.path().join("file"));
    assert_eq!(
        nobody.prints("nc.openbsd -N 127.0.0.1 5020 < file"),
        format!("stored drop-0001 7 bytes sha256 {hash}\n")
    );
    nobody.prints("hostapp send 127.0.0.1 file");
    assert_eq!(
        nobody.prints("hostapp ls 127.0.0.1"),
        format!("drop-0001 7 {hash}\nfile 7 {hash}\n")
    );
    nobody.prints("hostapp get 127.0.0.1 file -o back");
    assert_eq!(fs::read(nobody.folder.path().join("back")).unwrap(), b"a file\n");
    nobody.prints("hostapp rm 127.0.0.1 file");
    assert_eq!(
        nobody.prints("hostapp ls 127.0.0.1"),
        format!("drop-0001 7 {hash}\n")
    );

    r2.signal(Signal::TERM);
    assert_eq!(r2.wait().status.code(), Some(0));
    assert_eq!(kali.finish().stdout, "R2: Hi, my name is R2\nKALI: Hi R2\n");
}

#[test]
fn auto_takes_the_tap_where_there_is_one() {
    let namespace = Namespace::new();
    let folder = tempfile::tempdir().unwrap();
    serve_auto(&namespace, folder.path()).complains("R2 ready at 192.168.69.1 on tap0\n");
}

#[test]
fn a_second_server_says_that_the_ports_are_another_s() {
    let lab = Lab::local("");
    let other = tempfile::tempdir().unwrap();
    let line = serve(other.path(), "").replace("tap:tap0", "local");
    let ended = lab.namespace.start(&line).finish();
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(
        ended.stderr,
        "hostapp: another server has every port of R2 on 127.0.0.1: stop it, or serve on a TAP with --link tap:NAME\n"
    );
    assert_eq!(
        lab.kali("echo SECRET 1 | nc.openbsd -N 127.0.0.1 5010"),
        "Digits: 1 Count: 1\n"
    );
}

#[test]
fn a_port_that_is_taken_is_named_and_the_others_are_served() {
    let namespace = Namespace::new();
    let folder = tempfile::tempdir().unwrap();
    let taken = namespace.inside(|| TcpListener::bind("127.0.0.1:5000")).unwrap();
    let r2 = namespace.start(&serve(folder.path(), "").replace("tap:tap0", "local"));
    r2.complains("another program has 127.0.0.1:5000/tcp: chat is not offered there");
    r2.complains("  chat     5000/tcp       not offered: another program has that port\n");
    r2.complains("  secret   5010/tcp ");
    let mut secret = namespace.start("echo SECRET 1 | nc.openbsd -N 127.0.0.1 5010");
    assert_eq!(secret.prints(), "Digits: 1 Count: 1\n");
    drop(taken);
}

#[test]
fn only_what_r2_acknowledges_to_a_living_client_is_confirmed() {
    let lab = Lab::local("");
    // FIN, and nobody there any more when the receipt comes.
    let mut gone = lab.connect(5020);
    gone.write_all(b"gone").unwrap();
    gone.shutdown(Shutdown::Write).unwrap();
    drop(gone);
    lab.store.holds(&["drop-0001.unconfirmed"]);
    // RST.
    let mut reset = lab.start_kali("exec nc.openbsd 127.0.0.1 5020");
    reset.types(vec![7; 100_000]);
    lab.store
        .wait_until("its bytes", |store| store.bytes() >= 100_000);
    reset.signal(Signal::KILL);
    lab.store
        .holds(&["drop-0001.unconfirmed", "drop-0002.unconfirmed"]);
    assert!(
        lab.kali("echo whole | nc.openbsd -N 127.0.0.1 5020")
            .starts_with("stored drop-0003 6 bytes")
    );
    lab.store
        .holds(&["drop-0001.unconfirmed", "drop-0002.unconfirmed", "drop-0003"]);
}

#[test]
fn a_download_that_is_not_read_waits_and_is_whole() {
    const LENGTH: usize = 64 << 20;
    let lab = Lab::local("");
    let file = lab.file("big", LENGTH as u64);
    lab.start_kali(&format!("hostapp send 127.0.0.1 {}", file.display()))
        .patiently(SLOW)
        .prints();
    let mut slow = lab.connect(5030);
    slow.write_all(b"GET big\n").unwrap();
    slow.shutdown(Shutdown::Write).unwrap();
    // Others are served meanwhile, and R2 does not read the file into memory for it.
    let out = |lab: &Lab| lab.status()["files_bytes_out"].parse::<usize>().unwrap();
    let mut seen = 0;
    let standing = (0..10_000)
        .map(|_| out(&lab))
        .find(|now| *now > 1000 && std::mem::replace(&mut seen, *now) == *now);
    assert!(standing.is_some_and(|bytes| bytes < LENGTH / 2), "{standing:?}");
    let mut got = Vec::new();
    slow.read_to_end(&mut got).unwrap();
    let header = got.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    assert!(got[header..] == fs::read(file).unwrap());
}

#[test]
fn an_idle_crowd_gives_way_to_a_client_that_waits() {
    let lab = Lab::local("--sessions 4");
    let mut answer = [0; 19];
    let mut crowd: Vec<_> = (0..4).map(|_| lab.connect(5010)).collect();
    for peer in &mut crowd {
        peer.write_all(b"SECRET 1\n").unwrap();
        peer.read_exact(&mut answer).unwrap();
    }
    crowd.extend((0..16).map(|_| lab.connect(5010)));
    // R2 closes the longest-idle ones after a minute.
    let mut late = lab.connect(5010);
    late.set_read_timeout(Some(UNLUCKY)).unwrap();
    late.write_all(b"SECRET 1\n").unwrap();
    late.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"Digits: 1 Count: 1\n");
    drop(crowd);
}

#[test]
fn r2_calls_a_netcat_that_waits_on_the_same_host() {
    let namespace = Namespace::new();
    let folder = tempfile::tempdir().unwrap();
    let line = serve(folder.path(), "--call 127.0.0.1:4000").replace("tap:tap0", "local");
    let mut r2 = namespace.start(&line);
    r2.complains("cannot call 127.0.0.1:4000 yet: nobody answers");
    let mut kali = namespace.start("exec nc.openbsd -l 127.0.0.1 4000");
    r2.sees("* KALI joined\n");
    r2.types("Hello\n");
    kali.sees("R2: Hello\n");
    kali.types("Who calls?\n");
    r2.sees("KALI: Who calls?\n");
    kali.ends_input();
    kali.signal(Signal::TERM);
    r2.sees("* KALI left\n");
}

#[test]
fn who_is_not_allowed_gets_no_answer() {
    let lab = Lab::local("--allow 127.0.0.2");
    let mut other = lab.connect(5010);
    let heard = other
        .write_all(b"SECRET 1\n")
        .and_then(|()| other.read(&mut [0; 64]));
    assert_eq!(heard.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut friend = lab.connect_from("127.0.0.2", 5010);
    friend.write_all(b"SECRET 1\n").unwrap();
    let mut answer = [0; 19];
    friend.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"Digits: 1 Count: 1\n");
}

#[test]
fn an_idle_server_sleeps() {
    let lab = Lab::local("");
    let mut peers = [lab.connect(5000), lab.connect(5010), lab.connect(7)];
    lab.r2.sees("* KALI joined\n");
    assert!(lab.status().contains_key("uptime_s"));
    let before = lab.processor_time();
    // Nothing happens until drop gives its hint, 5 s after the last byte.
    let mut hint = lab.connect(5020);
    hint.write_all(b"x").unwrap();
    hint.read_exact(&mut [0; 16]).unwrap();
    let used = lab.processor_time() - before;
    assert!(used <= 10, "{used} hundredths of a second in 5 s");
    for peer in &mut peers {
        peer.shutdown(Shutdown::Both).unwrap();
    }
}

#[test]
fn a_service_of_one_s_own_is_offered_on_every_link() {
    for (lab, netcat) in [
        (Lab::local("--with guess"), "nc.openbsd -N 127.0.0.1 5060"),
        (Lab::with("--with guess"), "nc.openbsd -N 192.168.69.1 5060"),
    ] {
        lab.r2.complains("  guess    5060/tcp ");
        let guesses: Vec<_> = (1..=100).map(|guess| format!("{guess}\n")).collect();
        let mut game = lab.start_kali(netcat);
        game.types(guesses.concat());
        let heard = game.prints();
        assert!(
            heard.starts_with("I think of a number from 1 to 100.\n"),
            "{heard}"
        );
        assert!(
            heard
                .lines()
                .last()
                .is_some_and(|line| line.starts_with("Yes! Guesses: ")),
            "{heard}"
        );
        assert_eq!(lab.status()["guess_connections"], "1");
    }
}
