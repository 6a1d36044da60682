//! R2 behind the gateway, in one thread, and its clients in another.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::thread;

use r2_links::server::UntilClosed;
use tempfile::TempDir;

use super::*;

fn open(offers: &[(Spec, Size)]) -> Local {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (local, refused) = Local::open(&[loopback], Ports::Free, &[], offers).unwrap();
    assert!(refused.is_empty());
    local
}

/// Where clients find R2's ports.
struct Found(Vec<(u16, u16)>);

impl Found {
    fn at(&self, port: u16) -> SocketAddr {
        let (_, found) = self.0.iter().find(|(other, _)| *other == port).unwrap();
        SocketAddr::from((Ipv4Addr::LOCALHOST, *found))
    }

    fn connect(&self, port: u16) -> TcpStream {
        TcpStream::connect(self.at(port)).unwrap()
    }
}

/// Serves as long as `clients` run.
fn serve<T: Send>(clients: impl FnOnce(&Found) -> T + Send) -> (T, TempDir) {
    let store = TempDir::new().unwrap();
    let options = Options {
        sessions: 4,
        ..Options::local(store.path())
    };
    let options = on_the_wire(&options).unwrap();
    let mut r2 = R2::start(&options, |offers| Ok(open(offers)))
        .map_err(|refusal| refusal.to_string())
        .unwrap();
    let ports = r2.served.services().map(|spec| spec.port);
    let found = Found(
        ports
            .map(|port| (port, r2.link().tcp_port(port).unwrap()))
            .collect(),
    );
    let (told, done) = UnixStream::pair().unwrap();
    let result = thread::scope(|scope| {
        let clients = scope.spawn(move || {
            let result = clients(&found);
            drop(done);
            result
        });
        r2.run(&mut UntilClosed::new(told)).unwrap();
        clients.join().unwrap()
    });
    (result, store)
}

fn names(store: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(store.path()).unwrap().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

#[test]
fn questions_and_answers_pass_over_tcp_and_udp() {
    let (answers, _) = serve(|r2| {
        let mut tcp = r2.connect(5010);
        tcp.write_all(b"1 SECRET\n22 SECRET").unwrap();
        tcp.shutdown(Shutdown::Write).unwrap();
        let mut answers = String::new();
        tcp.read_to_string(&mut answers).unwrap();
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        udp.send_to(b"333 SECRET", r2.at(5010)).unwrap();
        let mut answer = [0; 64];
        let (length, from) = udp.recv_from(&mut answer).unwrap();
        assert_eq!(from, r2.at(5010));
        answers + std::str::from_utf8(&answer[..length]).unwrap()
    });
    assert_eq!(
        answers,
        "Digits: 1 Count: 1\nDigits: 22 Count: 2\nDigits: 333 Count: 3\n"
    );
}

#[test]
fn datagrams_of_every_size_come_back_whole() {
    serve(|r2| {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        udp.set_read_timeout(Some(std::time::Duration::from_secs(20)))
            .unwrap();
        // Nothing, what an Ethernet carries in one frame, a byte more, and all that IPv4 can.
        for size in [0, 1, 1472, 1473, 8192, 65_506, 65_507] {
            let sent: Vec<u8> = (0..size).map(|byte| (byte % 251).try_into().unwrap()).collect();
            udp.send_to(&sent, r2.at(7)).unwrap();
            let mut echoed = vec![0; 65_536];
            let (length, from) = udp.recv_from(&mut echoed).expect("an answer");
            assert_eq!((length, from), (size, r2.at(7)));
            assert!(echoed[..length] == sent);
        }
        // What is too long for its service is told so.
        udp.send_to(&[b'9'; 3000], r2.at(5010)).unwrap();
        let mut answer = [0; 64];
        let (length, _) = udp.recv_from(&mut answer).expect("an answer");
        assert_eq!(&answer[..length], b"Line too long: at most 1024 bytes.\n");
    });
}

#[test]
fn an_upload_counts_as_confirmed_when_its_client_has_the_receipt() {
    let ((), store) = serve(|r2| {
        let send = |bytes: &[u8]| {
            let mut client = r2.connect(5020);
            client.write_all(bytes).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            client
        };
        let heard = |mut client: TcpStream| {
            let mut receipt = String::new();
            client.read_to_string(&mut receipt).unwrap();
            receipt
        };
        let receipt = heard(send(b"one"));
        assert!(receipt.starts_with("stored drop-0001 3 bytes"), "{receipt}");
        drop(send(b"gone before its receipt came"));
        while !status(r2).contains("drop_bytes_in: 31\n") {}
        let receipt = heard(send(&vec![3; 1 << 20]));
        assert!(receipt.starts_with("stored drop-0003 1048576 bytes"), "{receipt}");
        let mut reset = r2.connect(5020);
        reset.write_all(b"broken off").unwrap();
        close_when_heard(reset, r2);
    });
    let names = names(&store);
    assert!(names.contains(&"drop-0001".to_owned()), "{names:?}");
    assert!(names.contains(&"drop-0002.unconfirmed".to_owned()), "{names:?}");
    assert!(names.contains(&"drop-0003".to_owned()), "{names:?}");
    assert!(names.contains(&"drop-0004.partial".to_owned()), "{names:?}");
}

/// Resets an upload once R2 has its first bytes, and waits until R2 has heard of that.
fn close_when_heard(upload: TcpStream, r2: &Found) {
    while !status(r2).contains("drop_bytes_in: 1048617\n") {}
    r2_links::socket::close_with_reset(upload);
    while !status(r2).contains("sessions_open: 1\n") {}
}

fn status(r2: &Found) -> String {
    let mut page = String::new();
    r2.connect(5040).read_to_string(&mut page).unwrap();
    page
}

#[test]
fn a_client_that_does_not_read_holds_r2_back() {
    serve(|r2| {
        let bytes_out = || {
            let page = status(r2);
            let line = page
                .lines()
                .find_map(|line| line.strip_prefix("chargen_bytes_out: "));
            line.unwrap().parse::<u64>().unwrap()
        };
        let mut slow = r2.connect(19);
        // It fills the buffers on the way, and then it stands.
        let mut seen = 0;
        let standing = (0..10_000)
            .map(|_| bytes_out())
            .find(|now| *now > 0 && std::mem::replace(&mut seen, *now) == *now);
        let standing = standing.expect("R2 does not go on for ever");
        assert!(standing < 16 << 20, "{standing} bytes are on their way");
        // Reading makes it go on where it was.
        let mut read = vec![0; 32 << 20];
        slow.read_exact(&mut read).unwrap();
        let lines: Vec<_> = read.chunks_exact(74).collect();
        assert!(
            lines
                .windows(95)
                .step_by(95)
                .all(|lines| lines[0][1..72] == lines[1][..71])
        );
        // And its end, in the middle of everything, is R2's end of it.
        r2_links::socket::close_with_reset(slow);
        while !status(r2).contains("sessions_open: 1\n") {}
    });
}
