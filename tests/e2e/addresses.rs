//! R2 on a TAP finds its IPv4 address by itself: beside dnsmasq, beside a server of the test's own whose leases are short,
//! beside nobody, and beside somebody who has the same one.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::path::Path;

use r2_tests::lab::serve;
use r2_tests::namespace::Namespace;
use r2_tests::program::Program;
use rustix::process::Signal;

/// R2 with these options, and its namespace.
struct Network {
    r2: Program,
    namespace: Namespace,
    folder: tempfile::TempDir,
}

impl Network {
    /// R2 in a namespace where `before` has begun already.
    fn new(options: &str, before: impl FnOnce(&Namespace, &Path)) -> Self {
        let (namespace, folder) = (Namespace::new(), tempfile::tempdir().unwrap());
        before(&namespace, folder.path());
        let r2 = namespace.start(&serve(&folder.path().join("store"), options));
        Self {
            r2,
            namespace,
            folder,
        }
    }

    fn asks(&self, address: &str) -> String {
        let mut stream = self.namespace.connect(&format!("{address}:5010")).unwrap();
        stream.write_all(b"SECRET 123\n").unwrap();
        let mut answer = [0; 21];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn status(&self, address: &str) -> String {
        let mut page = String::new();
        let mut stream = self.namespace.connect(&format!("{address}:5040")).unwrap();
        stream.read_to_string(&mut page).unwrap();
        page
    }
}

const ANSWER: &str = "Digits: 123 Count: 3\n";

#[test]
fn dnsmasq_gives_r2_its_only_address_and_knows_it_by_name() {
    let mut servers = Vec::new();
    let mut network = Network::new("--ip dhcp --hostname lab-7", |namespace, folder| {
        let dnsmasq = namespace.start(&format!(
            "exec dnsmasq --conf-file=/dev/null --keep-in-foreground --port=0 --interface=tap0 --bind-interfaces --no-ping \
             --user=root --pid-file= --dhcp-range=192.168.69.50,192.168.69.50,2m --dhcp-leasefile={} --log-facility=-",
            folder.join("leases").display()
        ));
        dnsmasq.complains("DHCP, IP range 192.168.69.50");
        servers.push(dnsmasq);
    });
    network.r2.complains("R2 ready at 192.168.69.50 on tap0\n");
    network
        .r2
        .complains("  drop     5020/tcp    nc -N 192.168.69.50 5020 < FILE\n");
    assert_eq!(network.asks("192.168.69.50"), ANSWER);
    assert!(
        network
            .status("192.168.69.50")
            .contains("\naddress: 192.168.69.50\n")
    );
    let leases = std::fs::read_to_string(network.folder.path().join("leases")).unwrap();
    assert!(
        leases.contains(" 02:52:32:") && leases.contains(" 192.168.69.50 lab-7 "),
        "{leases}"
    );
    network.r2.signal(Signal::TERM);
    let ended = network.r2.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(ended.stderr.matches("R2 ready").count(), 1, "{ended:?}");
}

/// A DHCP server whose leases last for seconds: dnsmasq's last for two minutes at least.
struct ShortLeases(UdpSocket);

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;
const ACK: u8 = 5;
const NAK: u8 = 6;

impl ShortLeases {
    fn new(namespace: &Namespace) -> Self {
        let socket = namespace.udp("0.0.0.0:67");
        socket.set_broadcast(true).unwrap();
        Self(socket)
    }

    /// Waits for the next message, and answers it: what it was, and whether the client had an address already.
    fn answers(&self, kind: u8, last: u8, seconds: u8) -> (u8, bool) {
        let mut asked = [0; 1024];
        let length = self.0.recv(&mut asked).unwrap();
        let asked = &asked[..length];
        let mut answer = asked[..236].to_vec();
        answer[0] = 2;
        answer[12..16].fill(0);
        answer[16..20].copy_from_slice(&[192, 168, 69, last]);
        answer.extend([99, 130, 83, 99, 53, 1, kind, 54, 4, 192, 168, 69, 100]);
        answer.extend([1, 4, 255, 255, 255, 0, 51, 4, 0, 0, 0, seconds, 255]);
        // R2 may have no address to send it to.
        self.0.send_to(&answer, "192.168.69.255:68").unwrap();
        (asked[242], asked[12] != 0)
    }
}

#[test]
fn a_connection_outlives_renewals_and_ends_with_the_address() {
    let mut server = None;
    let network = Network::new("--ip dhcp", |namespace, _| {
        server = Some(ShortLeases::new(namespace));
    });
    let server = server.unwrap();
    assert_eq!(server.answers(OFFER, 60, 10), (DISCOVER, false));
    assert_eq!(server.answers(ACK, 60, 10), (REQUEST, false));
    // While the address is probed, half of its time passes: it is renewed before or after R2 is ready.
    let mut renewals = 0;
    std::thread::scope(|scope| {
        let renewed = scope.spawn(|| {
            (0..3).for_each(|_| assert_eq!(server.answers(ACK, 60, 10), (REQUEST, true)));
            3
        });
        network.r2.complains("R2 ready at 192.168.69.60 on tap0\n");
        let mut chat = network.namespace.connect("192.168.69.60:5000").unwrap();
        let mut upload = network.namespace.connect("192.168.69.60:5020").unwrap();
        upload.write_all(&[7; 1000]).unwrap();
        renewals = renewed.join().unwrap();
        assert_eq!(network.asks("192.168.69.60"), ANSWER);
        // The next renewal is refused, and another address offered.
        assert_eq!(server.answers(NAK, 60, 10), (REQUEST, true));
        network
            .r2
            .complains("R2 no longer has the address 192.168.69.60: 2 connections to it were reset\n");
        let mut rest = Vec::new();
        assert!(chat.read_to_end(&mut rest).is_err(), "{rest:?}");
        assert!(upload.read_to_end(&mut rest).is_err(), "{rest:?}");
    });
    assert_eq!(renewals, 3);
    assert_eq!(server.answers(OFFER, 61, 200), (DISCOVER, false));
    assert_eq!(server.answers(ACK, 61, 200), (REQUEST, false));
    network.r2.complains("R2 ready at 192.168.69.61 on tap0\n");
    assert!(
        network
            .status("192.168.69.61")
            .contains("\nsessions_readdressed: 2\n")
    );
}

#[test]
fn without_a_server_r2_is_reached_at_a_link_local_address() {
    let network = Network::new("--ip dhcp", |namespace, _| {
        namespace.ip("addr add 169.254.255.7/16 dev tap0 scope link");
    });
    network.r2.complains("R2 ready at 169.254.");
    let text = network.r2.stderr.text();
    let address = text
        .split("R2 ready at ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    assert_eq!(network.asks(address.unwrap()), ANSWER);
}

#[test]
fn a_machine_with_r2s_own_address_is_named_once() {
    let mut network = Network::new("", |_, _| {});
    network.r2.complains("R2 ready at 192.168.69.1 on tap0\n");
    network.namespace.ip("addr add 192.168.69.1/32 dev tap0");
    for kind in ["-U", "-A", "-U"] {
        let mut arping = network
            .namespace
            .start(&format!("exec arping {kind} -c 1 -I tap0 192.168.69.1"));
        arping.finish();
    }
    network.namespace.ip("addr del 192.168.69.1/32 dev tap0");
    network
        .r2
        .complains("192.168.69.1 is also the address of the machine at ");
    assert_eq!(network.asks("192.168.69.1"), ANSWER, "R2 keeps it");
    network.r2.signal(Signal::TERM);
    let said = network.r2.wait().stderr;
    assert_eq!(said.matches("is also the address").count(), 1, "{said}");
}

#[test]
fn an_address_that_a_machine_has_is_left_to_it() {
    let mut server = None;
    let network = Network::new("--ip dhcp", |namespace, _| {
        namespace.ip("addr add 192.168.69.62/32 dev tap0");
        server = Some(ShortLeases::new(namespace));
    });
    let server = server.unwrap();
    assert_eq!(server.answers(OFFER, 62, 200), (DISCOVER, false));
    assert_eq!(server.answers(ACK, 62, 200), (REQUEST, false));
    network
        .r2
        .complains("192.168.69.62 is the address of the machine at ");
    assert_eq!(server.answers(NAK, 62, 200), (DECLINE, false));
    assert_eq!(server.answers(OFFER, 63, 200), (DISCOVER, false));
    assert_eq!(server.answers(ACK, 63, 200), (REQUEST, false));
    network.r2.complains("R2 ready at 192.168.69.63 on tap0\n");
}
