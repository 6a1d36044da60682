//! R2 on one machine, KALI on another: R2 listens at its machine's addresses, without any privilege.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use r2_sim::payload::{sha256_of, write_random};
use r2_sim::pcap;
use r2_tests::lab::{hostapp, serve};
use r2_tests::lan::Lan;
use r2_tests::namespace::Namespace;
use r2_tests::program::{PATIENCE, Program};
use r2_tests::store::Store;
use rustix::process::Signal;
use socket2::{Domain, SockAddr, Socket, Type};

/// Machines on one Ethernet: R2 serves on the first.
struct Network<const N: usize> {
    r2: Program,
    lan: Lan<N>,
    folder: tempfile::TempDir,
}

impl<const N: usize> Network<N> {
    fn new(options: &str) -> Self {
        Self::on(Lan::new(), options)
    }

    fn on(lan: Lan<N>, options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let line = serve(&folder.path().join("store"), options)
            .replace(
                "exec ",
                "exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs ",
            )
            .replace("--link tap:tap0", "--link local -v");
        let r2 = lan.machines[0].start(&line);
        r2.complains(" on local\n");
        Self { r2, lan, folder }
    }

    /// Runs a command line on the machine `index` to its end, and returns what it printed.
    fn prints(&self, index: usize, line: &str) -> String {
        let hostapp = hostapp();
        let programs = hostapp.parent().unwrap().display();
        self.lan.machines[index]
            .start(&format!("PATH={programs}:$PATH; {line}"))
            .prints()
    }

    fn store(&self) -> Store {
        Store::at(self.folder.path().join("store"))
    }
}

/// Opens a connection from this address and port of a machine.
fn connect(machine: &Namespace, from: &str, to: &str) -> TcpStream {
    let [from, to] = [from, to].map(|at| SockAddr::from(at.parse::<SocketAddr>().unwrap()));
    let socket = machine
        .inside(|| Socket::new(Domain::IPV4, Type::STREAM, None))
        .unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&from).unwrap();
    socket.connect(&to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

fn ask(stream: &mut TcpStream) -> std::io::Result<[u8; 19]> {
    let mut answer = [0; 19];
    stream.write_all(b"SECRET 1\n")?;
    stream.read_exact(&mut answer).map(|()| answer)
}

#[test]
fn the_lab_is_played_from_another_machine() {
    let mut network = Network::<2>::new("--listen 0.0.0.0 --listen ::");
    network
        .r2
        .complains("R2 ready at 10.7.0.1 on local\n  also at fd07::1\n");
    network
        .r2
        .complains("  open to the network, every machine that reaches it");
    network
        .r2
        .complains("  drop     5020/tcp       nc -N 10.7.0.1 5020 < FILE\n");
    let capture = network.folder.path().join("r2.pcap");
    let mut reader = network.lan.machines[1].start(&format!(
        "exec nc.openbsd -N 10.7.0.1 5050 </dev/null >{}",
        capture.display()
    ));
    network.r2.complains("capture: 10.7.0.2:");
    let file = network.folder.path().join("file");
    write_random(&file, 300_000, 7);
    let (hash, path) = (sha256_of(&file), file.display());
    for (number, r2, kali) in [(1, "10.7.0.1", "10.7.0.2:"), (2, "fd07::1", "[fd07::2]:")] {
        let mut chat = network.lan.machines[1].start(&format!("exec nc.openbsd {r2} 5000"));
        network.r2.complains(&format!("debug: chat: {kali}"));
        network.r2.types(format!("Hi at {r2}\n"));
        chat.sees(&format!("R2: Hi at {r2}\n"));
        chat.types("Hi R2\n");
        chat.sees("KALI: Hi R2\n");
        chat.types("/quit\n");
        // Without -N it stays until its input ends, too.
        chat.finish();

        assert_eq!(
            network.prints(
                1,
                &format!("echo 123Ted 32is 343SECRET | nc.openbsd -N {r2} 5010")
            ),
            "Digits: 12332343 Count: 8\n"
        );
        assert_eq!(
            network.prints(1, &format!("echo 7 SECRET | nc.openbsd -u -W 1 {r2} 5010")),
            "Digits: 7 Count: 1\n"
        );
        assert_eq!(
            network.prints(1, &format!("echo ping | ncat {r2} 10007")),
            "ping\n"
        );

        let stored = format!("stored drop-000{number} 300000 bytes sha256 {hash}\n");
        assert_eq!(
            network.prints(1, &format!("nc.openbsd -N {r2} 5020 < {path}")),
            stored
        );
        network.prints(1, &format!("hostapp send {r2} {path}"));
        network.prints(
            1,
            &format!("hostapp get {r2} file -o {path}.back && cmp {path} {path}.back"),
        );
        network.prints(1, &format!("hostapp rm {r2} file"));
    }
    assert!(
        network
            .prints(1, "nc.openbsd -N fd07::1 5040")
            .contains("\naddress: 10.7.0.1\n")
    );
    network.store().holds(&["drop-0001", "drop-0002"]);

    network.r2.signal(Signal::TERM);
    assert_eq!(network.r2.wait().status.code(), Some(0));
    reader.wait();
    assert_eq!(pcap::complaints(&capture), "");
    for kali in [
        "ip.src == 10.7.0.2 && tcp.dstport == 5020",
        "ipv6.src == fd07::2 && udp.dstport == 5010",
    ] {
        assert_ne!(pcap::tshark(&capture, &["-Y", kali]), "", "{kali}");
    }
    assert!(pcap::sent_to(&capture, 5020) == fs::read(&file).unwrap());
}

#[test]
fn who_is_not_allowed_gets_no_answer_over_either_family() {
    let network = Network::<3>::new("--listen 0.0.0.0 --listen :: --allow 10.7.0.2 --allow fd07::2");
    network.r2.complains("  open to 10.7.0.2/32 and fd07::2/128: ");
    let [_, friend, stranger] = &network.lan.machines;
    for r2 in ["10.7.0.1", "[fd07::1]"] {
        let mut refused = stranger.connect(&format!("{r2}:5010")).unwrap();
        assert_eq!(ask(&mut refused).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(
            &ask(&mut friend.connect(&format!("{r2}:5010")).unwrap()).unwrap(),
            b"Digits: 1 Count: 1\n"
        );
    }
    for (r2, any) in [("10.7.0.1:10007", "0.0.0.0:0"), ("[fd07::1]:10007", "[::]:0")] {
        let [stranger, friend] = [stranger, friend].map(|machine| machine.udp(any));
        stranger.send_to(b"stranger", r2).unwrap();
        friend.send_to(b"friend", r2).unwrap();
        let mut heard = [0; 16];
        assert_eq!(friend.recv(&mut heard).unwrap(), 6);
        // R2 takes one datagram after the other: it has had the stranger's.
        stranger.set_nonblocking(true).unwrap();
        assert_eq!(
            stranger.recv(&mut heard).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
    }
    assert!(
        network
            .prints(1, "nc.openbsd -N 10.7.0.1 5040")
            .contains("\ndropped_not_allowed: 2\n")
    );
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    let lan = Lan::<2>::new();
    lan.machines[0].ip("addr add 10.7.0.77/24 dev eth0");
    lan.machines[0].ip("addr add fd07::77/64 dev eth0 nodad");
    let network = Network::on(lan, "--listen 0.0.0.0 --listen ::");
    for (r2, any) in [
        ("10.7.0.77:5010", "0.0.0.0:0"),
        ("10.7.0.1:5010", "0.0.0.0:0"),
        ("[fd07::77]:5010", "[::]:0"),
        ("[fd07::1]:5010", "[::]:0"),
    ] {
        let kali = network.lan.machines[1].udp(any);
        kali.send_to(b"SECRET 5", r2).unwrap();
        let mut answer = [0; 32];
        let (length, from) = kali.recv_from(&mut answer).unwrap();
        assert_eq!(
            (&answer[..length], from.to_string().as_str()),
            (&b"Digits: 5 Count: 1\n"[..], r2)
        );
    }
}

#[test]
fn what_is_sent_to_all_machines_gets_no_answer() {
    let network = Network::<2>::new("--listen 0.0.0.0 --listen ::");
    let kali = network.lan.machines[1].udp("0.0.0.0:0");
    kali.set_broadcast(true).unwrap();
    for to in ["10.7.0.255:10007", "10.7.0.1:10007"] {
        kali.send_to(to.as_bytes(), to).unwrap();
    }
    let mut answer = [0; 32];
    let length = kali.recv(&mut answer).unwrap();
    assert_eq!(&answer[..length], b"10.7.0.1:10007");
}

#[test]
fn an_address_of_one_link_is_listened_at_by_tcp_and_udp() {
    let lan = Lan::<2>::new();
    lan.machines[0].ip("addr add fe80::7/64 dev eth0 nodad");
    lan.machines[1].ip("addr add fe80::8/64 dev eth0 nodad");
    let network = Network::on(lan, "--listen fe80::7%eth0");
    for netcat in ["-N", "-u -W 1"] {
        let line = format!("echo 7 SECRET | nc.openbsd {netcat} fe80::7%eth0 5010");
        assert_eq!(network.prints(1, &line), "Digits: 7 Count: 1\n");
    }
    network.r2.complains("secret: [fe80::8]:");
}

#[test]
fn two_machines_may_use_the_same_port() {
    let network = Network::<3>::new("--listen 10.7.0.1");
    let machines = &network.lan.machines;
    let mut chats = [1, 2].map(|index| machines[index].start("exec nc.openbsd -p 40000 10.7.0.1 5000"));
    for kali in ["10.7.0.2:40000", "10.7.0.3:40000"] {
        network.r2.complains(&format!("chat: {kali} is connected"));
    }
    for (index, text) in [(0, "first"), (1, "second")] {
        chats[index].types(format!("{text}\n"));
        chats[1 - index].sees(&format!(": {text}\n"));
    }
}

/// On the wire R2 has one address, so a connection is the client's address and port.
#[test]
fn one_port_to_two_addresses_of_r2_is_one_connection_and_the_second_is_reset() {
    let lan = Lan::<2>::new();
    lan.machines[0].ip("addr add 10.7.0.77/24 dev eth0");
    let network = Network::on(lan, "--listen 0.0.0.0");
    let kali = &network.lan.machines[1];
    let mut first = connect(kali, "10.7.0.2:40000", "10.7.0.1:5010");
    assert_eq!(&ask(&mut first).unwrap(), b"Digits: 1 Count: 1\n");
    let mut second = connect(kali, "10.7.0.2:40000", "10.7.0.77:5010");
    assert_eq!(ask(&mut second).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(&ask(&mut first).unwrap(), b"Digits: 1 Count: 1\n");
}

/// The lab's R2 has 192.168.69.1 on a TAP; here a peer has it.
#[test]
fn a_peer_may_have_the_address_that_the_lab_gives_r2() {
    let lan = Lan::<2>::new();
    lan.machines[0].ip("addr add 192.168.69.2/24 dev eth0");
    lan.machines[1].ip("addr add 192.168.69.1/24 dev eth0");
    let network = Network::on(lan, "--listen 192.168.69.2");
    let answer = network.prints(1, "echo 7 SECRET | nc.openbsd -N 192.168.69.2 5010");
    assert_eq!(answer, "Digits: 7 Count: 1\n");
    network.r2.complains("secret: 192.168.69.1:");
}

#[test]
fn a_crowd_from_one_address_gives_way_to_another() {
    let network = Network::<3>::new("--listen 0.0.0.0 --sessions 8");
    let [_, crowded, other] = &network.lan.machines;
    let mut crowd: Vec<_> = (0..8)
        .map(|_| crowded.connect("10.7.0.1:5010").unwrap())
        .collect();
    for peer in &mut crowd {
        ask(peer).unwrap();
    }
    crowd.extend((0..30).map(|_| crowded.connect("10.7.0.1:5010").unwrap()));
    // After 5 s; an idle connection gives way to its own crowd after 60.
    let mut late = other.connect("10.7.0.1:5010").unwrap();
    crowd.extend((0..30).map(|_| crowded.connect("10.7.0.1:5010").unwrap()));
    assert_eq!(&ask(&mut late).unwrap(), b"Digits: 1 Count: 1\n");
    drop(crowd);
}

#[test]
fn an_upload_of_a_machine_that_is_gone_is_over() {
    let network = Network::<2>::new("--listen 0.0.0.0");
    let mut upload = network.lan.machines[1].connect("10.7.0.1:5020").unwrap();
    upload.write_all(&[7; 1000]).unwrap();
    network
        .store()
        .wait_until("its bytes", |store| store.bytes() >= 1000);
    network.lan.switch.ip("link set port1 down");
    // R2's hint, 5 s after the last byte, is never acknowledged; 20 s later the machine is dead.
    network.store().holds(&["drop-0001.partial"]);
}

#[test]
fn where_r2_cannot_listen_is_named() {
    let namespace = Namespace::new();
    let folder = tempfile::tempdir().unwrap();
    for (options, refusal) in [
        (
            "--link local --listen 192.0.2.7",
            "this machine does not have the address 192.0.2.7: listen at one that it has, or at 0.0.0.0 or :: for all of them",
        ),
        (
            "--listen 127.0.0.1 --listen fd00::7",
            "this machine does not have the address fd00::7: listen at one that it has, or at 0.0.0.0 or :: for all of them",
        ),
        (
            "--link tap:tap0 --listen 0.0.0.0",
            "--listen is for the local link, where R2 has this machine's addresses; on a TAP it has its own: leave --listen \
             out and choose that with --ip, or leave --link tap:tap0 out",
        ),
        (
            "--listen ::1 --ip6 fd00::1/64",
            "on the local link R2 has this machine's addresses: leave --ip6 out, or use --link tap:NAME",
        ),
    ] {
        let line = serve(folder.path(), options).replace(" --link tap:tap0 --store", " --store");
        let ended = namespace.start(&line).finish();
        assert_eq!(
            (ended.status.code(), ended.stderr),
            (Some(2), format!("hostapp: {refusal}\n"))
        );
    }
}
