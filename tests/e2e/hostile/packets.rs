//! Packets that no kernel sends: flags, options, fragments, ICMP and ARP that lie, and fields at their ends.

use r2_sim::simulation::R2_MAC;
use r2_sim::stranger::{self, Said, tampered, with_options};
use r2_tests::aftermath::{AT_ONCE, IDLE, SOON, survives};
use r2_tests::card::{Card, syn};
use r2_tests::lab::Lab;
use smoltcp::wire::TcpControl;
use std::io::{Read, Write};

const PORT: u16 = 20_000;

/// Where the flags of TCP stand in an IP packet without options.
const FLAGS: usize = 33;

fn flagged(said: &Said<'_>, flags: u8) -> Vec<u8> {
    tampered(said.frame(), |ip| ip[FLAGS] = flags)
}

fn dropped(lab: &Lab, reason: &str) -> u64 {
    lab.status()[&format!("dropped_{reason}")].parse().unwrap()
}

#[test]
fn every_set_of_flags_to_every_kind_of_port() {
    survives("", AT_ONCE, IDLE, |_, card| {
        for (flags, number) in (0..=255).zip(0..) {
            // Nobody's port, a service's, and a connection.
            card.puts(&flagged(&syn(PORT + number, 4444), flags));
            card.puts(&flagged(&syn(PORT + number, 5020), flags));
            let open = card.opens(PORT + 1000 + number, 5020);
            card.puts(&flagged(
                &Said {
                    payload: b"urgent",
                    ..open
                },
                flags,
            ));
            card.says(&Said {
                control: TcpControl::Rst,
                seq: 1,
                ..open
            });
            card.says(&Said {
                control: TcpControl::Rst,
                seq: 7,
                ..open
            });
            card.says(&Said {
                control: TcpControl::Rst,
                seq: 8,
                ..open
            });
        }
    });
}

#[test]
fn a_segment_from_r2_to_r2() {
    survives("", AT_ONCE, SOON, |lab, card| {
        let before = dropped(lab, "not_unicast");
        for port in [5000, 5010, 5020, 5030] {
            card.puts(&tampered(syn(port, port).frame(), |ip| {
                ip.copy_within(16..20, 12);
            }));
        }
        assert_eq!(dropped(lab, "not_unicast"), before + 4);
    });
}

#[test]
fn options_that_are_none() {
    survives("", AT_ONCE, SOON, |_, card| {
        let broken: [&[u8]; 12] = [
            &[2],
            &[2, 0],
            &[2, 1, 5, 180],
            &[2, 3, 5],
            &[2, 41, 5, 180],
            &[3, 2],
            &[3, 255, 7],
            &[5, 10, 0, 0, 0, 1],
            &[8, 10, 0, 0],
            &[253, 0, 0, 0],
            &[255; 40],
            &[1; 40],
        ];
        for (options, number) in broken.into_iter().zip(0..) {
            card.puts(&with_options(syn(PORT + number, 5020).frame(), options));
            let open = card.opens(PORT + 100 + number, 5020);
            card.puts(&with_options(
                Said {
                    payload: b"x",
                    ..open
                }
                .frame(),
                options,
            ));
            for seq in [1, 2] {
                card.says(&Said {
                    control: TcpControl::Rst,
                    seq,
                    ..open
                });
            }
        }
    });
}

#[test]
fn segments_of_no_bytes_and_a_window_scale_of_255() {
    survives("", AT_ONCE, SOON, |_, card| {
        let small: [&[u8]; 4] = [
            &[2, 4, 0, 0],
            &[2, 4, 0, 1],
            &[3, 3, 255],
            &[2, 4, 0, 1, 3, 3, 255],
        ];
        for (options, number) in small.into_iter().zip(0..) {
            let port = PORT + number;
            card.puts(&with_options(syn(port, 5010).frame(), options));
            let answer = card.hears(port, "SYN and ACK", |heard| heard.syn);
            let question = Said {
                control: TcpControl::None,
                seq: 1,
                ack: Some(answer.end()),
                payload: b"42 SECRET\n",
                ..syn(port, 5010)
            };
            card.says(&question);
            let mut text = String::new();
            let mut ack = answer.end();
            while !text.ends_with('\n') {
                let heard = card.hears(port, "the answer", |heard| {
                    heard.seq == ack && !heard.payload.is_empty()
                });
                text += std::str::from_utf8(&heard.payload).unwrap();
                ack = heard.end();
                card.says(&Said {
                    seq: 11,
                    ack: Some(ack),
                    payload: b"",
                    ..question
                });
            }
            assert_eq!(text, "Digits: 42 Count: 2\n");
            card.says(&Said {
                control: TcpControl::Rst,
                seq: 11,
                payload: b"",
                ..question
            });
        }
    });
}

#[test]
fn fragments_that_overlap_and_never_end() {
    survives("", AT_ONCE, SOON, |lab, card| {
        let before = dropped(lab, "fragment");
        // More fragments, the last one, one on top of the first, and one that would end behind 64 KiB.
        for number in 0..500_u16 {
            for offset in [0x2000, 0x0001, 0x2001, 0x3fff] {
                card.puts(&tampered(syn(PORT, 5010).frame(), |ip| {
                    ip[4..6].copy_from_slice(&number.to_be_bytes());
                    ip[6..8].copy_from_slice(&u16::to_be_bytes(offset));
                }));
            }
        }
        assert_eq!(dropped(lab, "fragment"), before + 2000);
    });
}

/// An ICMP message that says of a segment of R2's to KALI that something is wrong with it.
fn icmp(kind: u8, code: u8, rest: [u8; 4], from: u16, to: u16) -> Vec<u8> {
    tampered(syn(from, to).frame(), |ip| {
        let mut inner = ip.clone();
        inner[12..16].copy_from_slice(&[192, 168, 69, 1]);
        inner[16..20].copy_from_slice(&[192, 168, 69, 100]);
        let mut message = vec![kind, code, 0, 0];
        message.extend(rest);
        message.extend(&inner[..28]);
        let sum: u32 = message
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        ip.truncate(20);
        ip[9] = 1;
        ip.extend(message);
        let total = u16::try_from(ip.len()).unwrap();
        ip[2..4].copy_from_slice(&total.to_be_bytes());
    })
}

#[test]
fn icmp_and_arp_that_lie_about_a_connection() {
    survives("", AT_ONCE, SOON, |lab, card| {
        let mut peer = lab.connect(7);
        let port = peer.local_addr().unwrap().port();
        for (kind, codes) in [(3, 0..=15), (4, 0..=0), (5, 0..=3), (11, 0..=1), (12, 0..=2)] {
            for code in codes {
                for rest in [[0; 4], [0, 0, 0, 68], [192, 168, 69, 66], [255; 4]] {
                    card.puts(&icmp(kind, code, rest, 7, port));
                }
            }
        }
        // KALI's address, and R2's own, are said to be at the stranger's; then a thousand more that are nobody's.
        for number in 0..1000_u16 {
            let [high, low] = number.to_be_bytes();
            for (operation, address) in [
                (1, [192, 168, 69, 100]),
                (2, [192, 168, 69, 100]),
                (2, [192, 168, 69, 1]),
                (2, [192, 168, 70 + high, low]),
            ] {
                card.puts(&arp(operation, address));
            }
        }
        let mut echoed = [0; 5];
        peer.write_all(b"hello").unwrap();
        peer.read_exact(&mut echoed).unwrap();
        assert_eq!(&echoed, b"hello");
        let asked = lab.kali("echo 7 SECRET | nc.openbsd -u -W 1 192.168.69.1 5010");
        assert_eq!(asked, "Digits: 7 Count: 1\n");
    });
}

/// The stranger says of `address` that it is at the stranger's card.
pub(crate) fn arp(operation: u8, address: [u8; 4]) -> Vec<u8> {
    let mac = stranger::MAC.0;
    [
        &R2_MAC.0[..],
        &mac,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, operation],
        &mac,
        &address,
        &R2_MAC.0,
        &[192, 168, 69, 1],
    ]
    .concat()
}

#[test]
fn a_port_scan() {
    survives("", AT_ONCE, SOON, |lab, _| scan(lab, "-4", "192.168.69.1"));
}

/// Every port, and every other way of nmap's to ask.
pub(crate) fn scan(lab: &Lab, version: &str, address: &str) {
    let nmap = format!("nmap {version} -n -Pn -T5");
    let printed = lab.kali(&format!("{nmap} -sS -p 1-65535 --max-retries 2 {address}"));
    for port in [
        "7/tcp", "9/tcp", "19/tcp", "5000/tcp", "5010/tcp", "5020/tcp", "5030/tcp", "5040/tcp",
    ] {
        let line = printed.lines().find(|line| line.starts_with(port));
        assert!(
            line.is_some_and(|line| line.contains("open")),
            "{port}\n{printed}"
        );
    }
    assert!(!printed.contains("6000/tcp"), "{printed}");
    for scan in ["-sN", "-sF", "-sX", "-sA", "-sM", "-O"] {
        lab.kali(&format!(
            "{nmap} {scan} -p 1-100,5000-5040 --max-retries 1 {address}"
        ));
    }
}

/// Every byte of the headers, at the ends of its range, in every state that a peer can bring a connection into.
#[test]
fn every_field_at_its_ends_in_every_state() {
    survives("", AT_ONCE, SOON, |_, card| {
        let mut port = PORT;
        for state in ["none", "half-open", "established", "data", "closing"] {
            for place in 0..40 {
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    port += 1;
                    put_in(card, state, port, place, value);
                }
            }
        }
    });
}

fn put_in(card: &mut Card, state: &str, port: u16, place: usize, value: u8) {
    let begin = syn(port, 5030);
    let said = match state {
        "none" => begin,
        "half-open" => {
            card.says(&begin);
            let answer = card.hears(port, "SYN and ACK", |heard| heard.syn);
            Said {
                control: TcpControl::None,
                seq: 1,
                ack: Some(answer.end()),
                ..begin
            }
        }
        "established" => card.opens(port, 5030),
        "data" => Said {
            payload: b"0123456789",
            ..card.opens(port, 5030)
        },
        _ => {
            let open = card.opens(port, 5030);
            card.says(&Said {
                control: TcpControl::Fin,
                payload: b"hello",
                ..open
            });
            card.hears(port, "an acknowledgement", |heard| !heard.syn);
            Said { seq: 7, ..open }
        }
    };
    // Once with checksums made right, once as it is.
    card.puts(&tampered(said.frame(), |ip| ip[place] = value));
    let mut raw = said.frame();
    raw[14 + place] = value;
    card.puts(&raw);
    for seq in [said.seq, said.seq + 10, said.seq + 11] {
        card.says(&Said {
            control: TcpControl::Rst,
            seq,
            payload: b"",
            ..said
        });
    }
}
