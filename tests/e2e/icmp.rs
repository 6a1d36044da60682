//! R2 is there for ping, over both protocols, and serves over both.

use std::time::Instant;

use r2_tests::lab::{Lab, hostapp};
use r2_tests::namespace::Namespace;
use r2_tests::program::PATIENCE;

#[test]
fn ping_is_answered() {
    let lab = Lab::with("--ip6 fd69::1/64");
    for line in [
        "ping -n -c 3 -i 0.2 192.168.69.1",
        "ping -n -c 3 -i 0.2 -s 1400 192.168.69.1",
        "ping -6 -n -c 3 -i 0.2 fd69::1",
    ] {
        let printed = lab.kali(line);
        assert!(printed.contains("3 packets transmitted, 3 received"), "{printed}");
    }
}

/// KALI asks from an address that is not of R2's network, as a router does for a client behind it.
#[test]
fn a_client_of_another_network_is_answered() {
    let lab = Lab::new();
    lab.namespace.ip("addr add 10.9.9.9/32 dev lo");
    lab.namespace.ip("neigh flush dev tap0");
    for line in [
        "ping -n -c 3 -i 0.2 -I 10.9.9.9 192.168.69.1",
        "ping -n -c 3 -i 0.2 -I 10.9.9.9 -R 192.168.69.1",
    ] {
        let printed = lab.kali(line);
        assert!(printed.contains("3 packets transmitted, 3 received"), "{printed}");
    }
    for line in ["-N", "-u -W 1"] {
        let answer = lab.kali(&format!(
            "echo 5 SECRET | nc.openbsd {line} -s 10.9.9.9 192.168.69.1 5010"
        ));
        assert_eq!(answer, "Digits: 5 Count: 1\n", "{line}");
    }
}

/// KALI has no address of R2's network, and asks for R2 from that of the link, as every router does.
#[test]
fn a_client_of_another_network_is_answered_over_ipv6() {
    let lab = Lab::with("--ip6 fd69::1/64");
    lab.namespace.ip("-6 addr flush dev tap0 scope global");
    lab.namespace.ip("-6 addr add 2001:db8::9/128 dev lo");
    lab.namespace.ip("-6 route add fd69::/64 dev tap0");
    let printed = lab.kali("ping -6 -n -c 3 -i 0.2 -I 2001:db8::9 fd69::1");
    assert!(printed.contains("3 packets transmitted, 3 received"), "{printed}");
    for line in ["-N", "-u -W 1"] {
        let answer = lab.kali(&format!(
            "echo 5 SECRET | nc.openbsd {line} -s 2001:db8::9 fd69::1 5010"
        ));
        assert_eq!(answer, "Digits: 5 Count: 1\n", "{line}");
    }
}

/// RFC 4291, section 2.8: every machine has one, whatever else it has.
#[test]
fn r2_is_found_at_its_address_on_the_link() {
    for options in ["", "--ip6 fd69::1/64"] {
        let lab = Lab::with(options);
        let printed = lab.kali("ping -6 -n -c 3 -i 0.2 fe80::52:32ff:fea8:4501%tap0");
        assert!(printed.contains("3 packets transmitted, 3 received"), "{printed}");
        for line in ["-N", "-u -W 1"] {
            let answer = lab.kali(&format!(
                "echo 5 SECRET | nc.openbsd {line} fe80::52:32ff:fea8:4501%tap0 5010"
            ));
            assert_eq!(answer, "Digits: 5 Count: 1\n", "{line}");
        }
        let answer = lab.kali(&format!(
            "{} secret fe80::52:32ff:fea8:4501%tap0 5 SECRET",
            hostapp().display()
        ));
        assert!(answer.contains("Digits: 5 Count: 1"), "{answer}");
    }
}

/// It calls from there, too.
#[test]
fn r2_calls_a_neighbour_over_ipv6_without_an_address_of_its_own() {
    let namespace = Namespace::new();
    let waits = namespace.start("exec nc.openbsd -6 -l -p 4000");
    let lab = Lab::joining(namespace, "--call [fd69::100]:4000");
    lab.r2.sees("* KALI joined\n");
    drop(waits);
}

/// RFC 5227: who probes for R2's address, which it wants for itself, hears that somebody has it.
#[test]
fn whoever_wants_r2s_address_for_itself_hears_of_r2() {
    let lab = Lab::new();
    let ended = lab.kali_tries("arping -D -c 1 -w 5 -I tap0 192.168.69.1");
    assert!(!ended.status.success(), "{}", ended.stdout);
    assert!(ended.stdout.contains("Received 1 response"), "{}", ended.stdout);
    let ended = lab.kali_tries("arping -D -c 1 -w 1 -I tap0 192.168.69.2");
    assert!(ended.status.success(), "nobody has it: {}", ended.stdout);
}

/// RFC 4862, section 5.4.
#[test]
fn whoever_wants_r2s_ipv6_address_for_itself_hears_of_r2() {
    let lab = Lab::with("--ip6 fd69::1/64");
    lab.namespace.ip("-6 addr add fd69::1/64 dev tap0");
    let begin = Instant::now();
    let address = || lab.kali("ip -6 addr show dev tap0 to fd69::1");
    while !address().contains("dadfailed") {
        assert!(begin.elapsed() < PATIENCE, "{}", address());
    }
}

/// RFC 1122, section 3.2.2.6; section 4.1.3.1.
#[test]
fn a_ping_to_all_is_not_answered_and_a_closed_port_says_so() {
    let lab = Lab::new();
    lab.kali("ping -n -c 1 192.168.69.1");
    let ended = lab.kali_tries("ping -n -b -c 3 -i 0.2 -W 1 192.168.69.255");
    assert!(!ended.status.success(), "{}", ended.stdout);
    let printed = lab.kali("nmap -n -Pn -sU -p 4444 192.168.69.1");
    assert!(printed.contains("4444/udp closed"), "{printed}");
}

#[test]
fn netcat_asks_over_ipv6() {
    let lab = Lab::with("--ip6 fd69::1/64");
    assert_eq!(
        lab.kali("echo 5 SECRET | nc.openbsd -N fd69::1 5010"),
        "Digits: 5 Count: 1\n"
    );
    assert_eq!(
        lab.kali("echo 5 SECRET | nc.openbsd -u -W 1 fd69::1 5010"),
        "Digits: 5 Count: 1\n"
    );
    lab.kali("echo hello | nc.openbsd -N fd69::1 5000");
    lab.r2.sees("KALI: hello\n");
}

#[test]
fn another_address_is_served_where_it_is_given() {
    let lab = Lab::with("--ip 192.168.69.1/24");
    let ended = lab.kali_tries("ping -n -c 1 -W 1 192.168.69.2");
    assert!(
        !ended.status.success(),
        "nobody has that address: {}",
        ended.stdout
    );
}
