//! A hundred thousand frames that no honest machine sends: a board still answers, and says what it has dropped.

use std::net::UdpSocket;
use std::time::Duration;

use r2_sim::stranger::{Said, datagram_to};
use r2_tests::board::Board;
use r2_tests::namespace::Namespace;
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Packet, TcpControl, TcpPacket};
use tempfile::TempDir;

const FRAMES: usize = 100_000;

/// How many go out before the board is asked whether it is still there: fewer than its FIFO holds.
const BATCH: usize = 25;

/// The boards' address in QEMU.
const BOARD: EthernetAddress = EthernetAddress([0x02, 0x00, 0xc0, 0xa8, 0x45, 0x01]);
const BOARD_ADDRESS: Ipv4Address = Ipv4Address::new(192, 168, 69, 1);

/// Bytes of the headers of an answer over UDP.
const HEADERS: usize = 14 + 20 + 8;

/// The other end of the board's cable: each datagram is a frame.
struct Cable(UdpSocket);

impl Cable {
    /// Takes so long a silence for the end of what the board says.
    fn patience(&self, silence: Duration) {
        let set = self.0.set_read_timeout(Some(silence));
        set.expect("a time that is not 0");
    }

    fn send(&self, frame: &[u8]) {
        self.0.send_to(frame, "127.0.0.1:7001").expect("QEMU's end");
    }

    /// The next frame; `None` when nothing comes for a while.
    fn receive(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; 2048];
        let len = self.0.recv(&mut frame).ok()?;
        frame.truncate(len);
        Some(frame)
    }

    /// Asks the echo service until it answers: a frame before may have filled the board's FIFO.
    fn asks_until_answered(&self, question: u64, what: &str) {
        let payload = question.to_be_bytes();
        for _ in 0..1000 {
            self.send(&datagram_to(BOARD, BOARD_ADDRESS, 4007, 7, &payload));
            while let Some(frame) = self.receive() {
                if frame.get(HEADERS..HEADERS + payload.len()) == Some(&payload[..]) {
                    return;
                }
            }
        }
        panic!("{what}: the board no longer answers");
    }

    /// The status page, by a connection of which every segment is written here.
    fn status(&self, port: u16) -> String {
        let said = |control, seq, ack| Said {
            from: port,
            to: 5040,
            control,
            seq,
            ack,
            payload: b"",
        };
        let mut page = String::new();
        let mut next = None;
        self.send(&said(TcpControl::Syn, 0, None).frame_to(BOARD, BOARD_ADDRESS));
        while let Some(frame) = self.receive() {
            let Some(segment) = segment_to(&frame, port) else {
                continue;
            };
            let seq = segment.seq_number();
            if segment.syn() || Some(seq) == next {
                next = Some(seq + segment.segment_len());
                page.push_str(&String::from_utf8_lossy(segment.payload()));
            }
            if segment.fin() || segment.rst() {
                break;
            }
            let ack = next.map(|next| next.0.cast_unsigned());
            self.send(&said(TcpControl::None, 1, ack).frame_to(BOARD, BOARD_ADDRESS));
        }
        page
    }
}

fn segment_to(frame: &[u8], port: u16) -> Option<TcpPacket<&[u8]>> {
    let packet = Ipv4Packet::new_checked(frame.get(14..)?).ok()?;
    let segment = TcpPacket::new_checked(packet.payload()).ok()?;
    (segment.dst_port() == port).then_some(segment)
}

/// A frame as a machine might send it, with a few bytes changed, or cut, or grown.
fn mutated(random: &mut fastrand::Rng) -> Vec<u8> {
    let port = random.choice([7, 9, 19, 5000, 5010, 5020, 5030, 5040, 5050]);
    let port = port.unwrap_or(7);
    let payload = *random
        .choice(
            [
                &b"123 SECRET\n"[..],
                b"PUT a 9\nhello",
                b"LIST\n",
                b"GET ../a\n",
                b"",
            ]
            .iter(),
        )
        .unwrap_or(&&b""[..]);
    let from = 1024 + random.u16(..64);
    let mut frame = if random.u8(..4) == 0 {
        datagram_to(BOARD, BOARD_ADDRESS, from, port, payload)
    } else {
        let control = random
            .choice([
                TcpControl::Syn,
                TcpControl::None,
                TcpControl::Psh,
                TcpControl::Fin,
                TcpControl::Rst,
            ])
            .unwrap_or(TcpControl::None);
        let (seq, ack) = (random.u32(..20), random.bool().then(|| random.u32(..)));
        let ack = if control == TcpControl::Syn { None } else { ack };
        Said {
            from,
            to: port,
            control,
            seq,
            ack,
            payload,
        }
        .frame_to(BOARD, BOARD_ADDRESS)
    };
    // Half of them are still for the board; whoever reads a header has more to do than whoever compares an address.
    let first = if random.bool() { 0 } else { 12 };
    for _ in 0..random.usize(1..6) {
        let place = random.usize(first..frame.len());
        frame[place] = random.u8(..);
    }
    match random.u8(..10) {
        0 => frame.truncate(random.usize(14..=frame.len())),
        1 => frame.resize(random.usize(frame.len()..1514), random.u8(..)),
        _ => {}
    }
    if random.bool() {
        make_checksums_right(&mut frame);
    }
    frame
}

/// So that what is wrong is found by somebody else than the checksum.
fn make_checksums_right(frame: &mut [u8]) {
    let Ok(mut packet) = Ipv4Packet::new_checked(&mut frame[14..]) else {
        return;
    };
    packet.fill_checksum();
    let (source, destination) = (packet.src_addr().into(), packet.dst_addr().into());
    if let Ok(mut segment) = TcpPacket::new_checked(packet.payload_mut()) {
        segment.fill_checksum(&source, &destination);
    }
}

fn bears_the_noise(board: &str) {
    let namespace = Namespace::new();
    let folder = TempDir::new().expect("a temporary folder");
    let cable = Cable(namespace.udp("127.0.0.1:7002"));
    cable.patience(Duration::from_millis(20));
    let nic = "socket,udp=127.0.0.1:7002,localaddr=127.0.0.1:7001";
    let mut running = Board::with_nic(board, &namespace, folder.path(), nic);
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for batch in 0..FRAMES / BATCH {
        for _ in 0..BATCH {
            cable.send(&mutated(&mut random));
        }
        cable.asks_until_answered(batch as u64, &format!("{board}, seed {seed}, batch {batch}"));
    }
    cable.patience(Duration::from_secs(1));
    let page = cable.status(5555);
    let dropped: u64 = page
        .lines()
        .filter(|line| line.starts_with("dropped_"))
        .filter_map(|line| line.split(": ").nth(1)?.parse::<u64>().ok())
        .sum();
    println!("{board}, seed {seed}:\n{page}");
    assert!(dropped > FRAMES as u64 / 4, "{board}, seed {seed}: {page}");
    assert!(page.contains("dropped_checksum: ") && page.contains("dropped_malformed: "));
    // Whoever types is still heard.
    running.console.types("still here\n");
    running.console.sees("R2: still here\n");
}

#[test]
fn mps2_an385_bears_a_hundred_thousand_mutated_frames() {
    bears_the_noise("mps2-an385");
}

#[test]
fn lm3s6965evb_bears_a_hundred_thousand_mutated_frames() {
    bears_the_noise("lm3s6965evb");
}

#[test]
fn w5500_evb_pico_bears_a_hundred_thousand_mutated_frames() {
    bears_the_noise("w5500-evb-pico");
}
