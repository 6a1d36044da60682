//! Connections that are begun, held and broken as no kernel would.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use r2_sim::payload::random;
use r2_sim::stranger::{Said, tampered};
use r2_tests::aftermath::{AT_ONCE, SOON, survives};
use r2_tests::card::syn;
use smoltcp::wire::TcpControl;
use std::time::Duration;

/// The first of the ports that a crowd of strangers uses.
const CROWD: u16 = 10_000;

#[test]
fn twenty_thousand_syns_from_as_many_addresses() {
    const SYNS: u32 = 20_000;
    const AFTER_A_FLOOD: Duration = Duration::from_secs(5);
    survives("", AFTER_A_FLOOD, SOON, |_, card| {
        for number in 0..SYNS {
            let syn = tampered(syn(CROWD, 5010).frame(), |ip| {
                ip[12..16].copy_from_slice(&(0x0a00_0001 + number).to_be_bytes());
            });
            card.puts(&syn);
        }
    });
}

#[test]
fn a_handshake_that_stops_halfway_on_every_slot() {
    survives("--sessions 16", AT_ONCE, SOON, |_, card| {
        let mut port = CROWD;
        for (service, slots) in [(5000, 16), (5010, 16), (5020, 32), (5030, 32)] {
            for _ in 0..slots {
                port += 1;
                card.says(&syn(port, service));
            }
        }
        // R2 repeats its answer when a second has passed: who is half-open for so long gives way.
        for _ in 0..2 {
            card.hears(port, "SYN and ACK", |heard| heard.syn);
        }
    });
}

#[test]
fn a_crowd_that_sends_a_byte_at_a_time_and_dies() {
    const SLOTS: usize = 32;
    survives("", AT_ONCE, SOON, |lab, _| {
        lab.namespace.ip("addr add 192.168.69.101/24 dev tap0");
        let mut crowd: Vec<_> = (0..SLOTS)
            .map(|_| lab.connect_from("192.168.69.101", 5030))
            .collect();
        for byte in b"PUT slow 1000000\nslow" {
            for peer in &mut crowd {
                peer.write_all(&[*byte]).unwrap();
            }
            lab.kali("sleep 0.01");
        }
        assert_eq!(
            lab.kali("echo 1 SECRET | nc.openbsd -N 192.168.69.1 5010"),
            "Digits: 1 Count: 1\n"
        );
        lab.namespace.ip("rule add from 192.168.69.101 blackhole");
    });
}

#[test]
fn segments_of_one_byte() {
    survives("", AT_ONCE, SOON, |lab, _| {
        let sent = random(5000, 1);
        let mut peer = lab.connect(7);
        peer.set_nodelay(true).unwrap();
        let mut heard = peer.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for byte in &sent {
                    peer.write_all(&[*byte]).unwrap();
                }
                peer.shutdown(Shutdown::Write).unwrap();
            });
            let mut echoed = Vec::new();
            heard.read_to_end(&mut echoed).unwrap();
            assert!(echoed == sent);
        });
    });
}

#[test]
fn fin_in_the_segment_of_the_data() {
    survives("", AT_ONCE, SOON, |lab, card| {
        let open = card.opens(CROWD, 5020);
        card.says(&Said {
            control: TcpControl::Fin,
            payload: b"hello",
            ..open
        });
        let receipt = card.hears(CROWD, "a receipt", |heard| !heard.payload.is_empty());
        let text = String::from_utf8(receipt.payload.clone()).unwrap();
        let name = text.split(' ').nth(1).unwrap().to_owned();
        assert!(text.contains(" 5 bytes sha256 2cf24dba5fb0a30e"), "{text}");
        let end = card.hears(CROWD, "FIN", |heard| heard.fin).end();
        card.says(&Said {
            seq: 7,
            ack: Some(end),
            ..open
        });
        lab.store.wait_until(&name, |store| store.names().contains(&name));
    });
}

#[test]
fn a_reset_in_every_state() {
    survives("", AT_ONCE, SOON, |_, card| {
        let reset = |said: Said<'static>| Said {
            control: TcpControl::Rst,
            ..said
        };
        // Before there is anything, and half-open.
        card.says(&reset(syn(CROWD, 5020)));
        card.says(&syn(CROWD, 5020));
        card.hears(CROWD, "SYN and ACK", |heard| heard.syn);
        card.says(&reset(Said {
            seq: 1,
            ..syn(CROWD, 5020)
        }));
        for service in [5000, 5010, 5020, 5030, 5040, 7, 9, 19] {
            // Established, and with data under way.
            let open = card.opens(CROWD + 1, service);
            card.says(&reset(open));
            let open = card.opens(CROWD + 2, service);
            card.says(&Said {
                payload: b"PUT x 5\nhel",
                ..open
            });
            card.says(&reset(Said { seq: 12, ..open }));
            // Half-closed, and with R2's FIN behind it.
            let open = card.opens(CROWD + 3, service);
            card.says(&Said {
                control: TcpControl::Fin,
                payload: b"hello",
                ..open
            });
            card.hears(CROWD + 3, "an acknowledgement", |heard| !heard.syn);
            card.says(&reset(Said { seq: 7, ..open }));
            card.says(&reset(Said { seq: 7, ..open }));
        }
    });
}
