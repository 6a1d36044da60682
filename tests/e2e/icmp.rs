//! R2 is there for ping, over both protocols, and serves over both.

use r2_tests::lab::Lab;

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
