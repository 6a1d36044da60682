//! R2's name in the network of its TAP, as avahi and others find it.

use std::fs;
use std::net::Ipv4Addr;

use r2_tests::lab::{hostapp, serve};
use r2_tests::namespace::Namespace;
use r2_tests::program::Program;
use rustix::process::Signal;
use socket2::SockRef;
use tempfile::TempDir;

/// KALI, and room for two R2s, on one bridge.
struct Network {
    namespace: Namespace,
    folder: TempDir,
}

impl Network {
    fn new() -> Self {
        let namespace = Namespace::new();
        for step in [
            "link add br0 type bridge",
            "tuntap add name tap1 mode tap",
            "addr flush dev tap0",
            "link set tap0 master br0",
            "link set tap1 master br0 up",
            "link set br0 up",
            "addr add 192.168.69.100/24 brd + dev br0",
        ] {
            namespace.ip(step);
        }
        let folder = tempfile::tempdir().unwrap();
        Self { namespace, folder }
    }

    /// Starts an R2, and waits until it says what its name is.
    fn serve(&self, tap: &str, options: &str, name: &str) -> Program {
        let line = serve(&self.folder.path().join(tap), options);
        let line = line.replace("tap:tap0", &format!("tap:{tap} -v"));
        let r2 = self.namespace.start(&line);
        r2.complains(&format!("debug: this is {name}\n"));
        r2
    }

    /// Starts a line beside an avahi that has nobody else's files, and ends it with its input.
    fn beside_avahi(&self, line: &str) -> Program {
        let config = self.folder.path().join("avahi.conf");
        fs::write(
            &config,
            "[server]\nallow-interfaces=br0\n[publish]\npublish-workstation=no\n",
        )
        .unwrap();
        let avahi = format!(
            "mount -t tmpfs none /run; mkdir -p /run/dbus; dbus-daemon --system --fork --nopidfile
             avahi-daemon --no-drop-root --no-chroot --no-rlimits -f {} >&2 &
             until avahi-browse -a -t >/dev/null; do :; done; {line}",
            config.display()
        );
        let script = self.folder.path().join("avahi.sh");
        fs::write(&script, avahi).unwrap();
        self.namespace
            .start(&format!("exec unshare -m sh {}", script.display()))
    }
}

#[test]
fn two_r2s_have_two_names_that_avahi_finds_and_one_says_goodbye() {
    let network = Network::new();
    let _first = network.serve("tap0", "", "r2.local");
    let second = network.serve("tap1", "--ip 192.168.69.2/24", "r2-2.local");
    second.complains("info: somebody has that name: this is r2-2.local now\n");
    let avahi = network.beside_avahi(
        "avahi-resolve -4 -n r2.local; avahi-resolve -6 -n r2.local; avahi-resolve -4 -n r2-2.local; exec avahi-browse -rp _r2._tcp",
    );
    for line in [
        "r2.local\t192.168.69.1\n",
        "r2.local\tfe80::52:32ff:fea8:4501\n",
        "r2-2.local\t192.168.69.2\n",
        "=;br0;IPv4;r2;_r2._tcp;local;r2.local;192.168.69.1;5000;",
        "=;br0;IPv4;r2-2;_r2._tcp;local;r2-2.local;192.168.69.2;5000;",
        "\"secret=5010\" \"chat=5000\"",
    ] {
        avahi.sees(line);
    }
    second.signal(Signal::TERM);
    avahi.sees("-;br0;IPv4;r2-2;_r2._tcp;local\n");
}

#[test]
fn a_name_that_avahi_has_is_not_taken() {
    let network = Network::new();
    let avahi = network.beside_avahi("exec avahi-publish -a -R bob.local 192.168.69.77");
    avahi.complains("Established under name 'bob.local'");
    network.serve("tap0", "--hostname bob", "bob-2.local");
}

#[test]
fn who_knows_no_multicast_dns_is_answered_alone_if_it_is_on_this_link() {
    /// A question for the address of r2.local, number 7.
    const QUESTION: &[u8] = b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x02r2\x05local\0\0\x01\0\x01";
    let network = Network::new();
    let _r2 = network.serve("tap0", "", "r2.local");
    network.namespace.ip("addr add 10.9.9.9/24 dev br0");
    for (from, is_answered) in [("10.9.9.9", false), ("192.168.69.100", true)] {
        let kali = network.namespace.udp(&format!("{from}:0"));
        let interface: Ipv4Addr = from.parse().unwrap();
        SockRef::from(&kali).set_multicast_if_v4(&interface).unwrap();
        kali.send_to(QUESTION, "224.0.0.251:5353").unwrap();
        if is_answered {
            let mut answer = [0; 512];
            let (length, r2) = kali.recv_from(&mut answer).unwrap();
            assert_eq!(r2.to_string(), "192.168.69.1:5353");
            assert_eq!(answer[..8], [0, 7, 0x84, 0, 0, 1, 0, 1]);
            // Question and name, type, class without the bit, 10 s.
            let record = b"\0\x01\0\x01\0\0\0\x0a\0\x04\xc0\xa8\x45\x01";
            assert_eq!(answer[26 + 10..26 + 10 + record.len()], record[..]);
            assert!(length < answer.len());
        }
    }
    let status = network
        .namespace
        .start("nc.openbsd -N 192.168.69.1 5040")
        .prints();
    assert!(status.contains("\ndropped_no_answer: 1\n"), "{status}");
    let dig = "dig +short +tries=1 @192.168.69.1 -p 5353 r2.local A";
    assert_eq!(network.namespace.start(dig).prints(), "192.168.69.1\n");
}

#[test]
fn the_clients_find_r2_by_its_name_without_a_daemon() {
    let network = Network::new();
    let _first = network.serve("tap0", "", "r2.local");
    let _second = network.serve("tap1", "--ip 192.168.69.2/24", "r2-2.local");
    let hostapp = hostapp();
    let run = |line: &str| {
        network
            .namespace
            .start(&format!("exec {} {line}", hostapp.display()))
            .finish()
    };
    for (line, answer) in [
        (
            "secret r2.local SECRET 7",
            "\nSent: SECRET 7\n\nReceived: Digits: 7 Count: 1\n",
        ),
        (
            "secret R2-2.LOCAL:5010 SECRET 7",
            "\nSent: SECRET 7\n\nReceived: Digits: 7 Count: 1\n",
        ),
        ("ls r2.local", ""),
    ] {
        let ended = run(line);
        assert_eq!(
            (ended.status.code(), ended.stdout.as_str()),
            (Some(0), answer),
            "{}",
            ended.stderr
        );
    }
    let found = run("find");
    let found: Vec<_> = found.stdout.lines().collect();
    for (line, (name, address)) in found
        .iter()
        .zip([("r2-2.local", "192.168.69.2"), ("r2.local", "192.168.69.1")])
    {
        assert!(line.starts_with(&format!("{name}  {address} fe80::")), "{line}");
        assert!(line.contains("  chat=5000 secret=5010 "), "{line}");
    }
    assert_eq!(found.len(), 2);
    let json = run("find --json --for 1").stdout;
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["name"], &first["ports"]["secret"]),
        (&"r2-2.local".into(), &5010.into())
    );
}

#[test]
fn where_nobody_has_the_name_the_client_says_so() {
    let network = Network::new();
    for (line, status, said) in [
        (
            "ls nobody.local",
            2,
            "cannot find nobody.local: nobody on this link has that name; write its address, or a name that this \
             machine knows\n",
        ),
        (
            "find --for 1",
            1,
            "no R2 has answered within 1 s: is hostapp serve running on a TAP of this network?\n",
        ),
    ] {
        let line = format!("exec {} {line}", hostapp().display());
        let ended = network.namespace.start(&line).finish();
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(status), said));
    }
}
