//! Floods from as many addresses as there are frames, over IPv6 and by ARP, and a scan: connections go on meanwhile.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpStream};
use std::time::Instant;

use r2_sim::payload::random;
use r2_sim::stranger;
use r2_sim::stranger6::{ALL_NODES, icmp, packet as ipv6, solicited_node};
use r2_tests::aftermath::{AT_ONCE, SOON, survives};
use r2_tests::card::Card;
use r2_tests::lab::Lab;
use smoltcp::time;
use smoltcp::wire::{Icmpv6Repr, NdiscNeighborFlags, NdiscRepr, NdiscRouterFlags, RawHardwareAddress};

use crate::packets::{arp, scan};

const R2: Ipv6Addr = Ipv6Addr::new(0xfd69, 0, 0, 0, 0, 0, 0, 1);
const KALI: Ipv6Addr = Ipv6Addr::new(0xfd69, 0, 0, 0, 0, 0, 0, 0x100);

const FRAMES: u32 = 20_000;

/// After so many frames the connections are asked to go on.
const AT_A_TIME: usize = 1000;

const PIECE: usize = 100_000;

/// One of as many neighbours as there are frames.
fn neighbor(number: u32) -> Ipv6Addr {
    let [high, low] = [number >> 16, number & 0xffff].map(|half| u16::try_from(half).expect("a half"));
    Ipv6Addr::new(0xfd69, 0, 0, 0, 0xbad, 0, high, low)
}

fn strangers_card() -> RawHardwareAddress {
    RawHardwareAddress::from(stranger::MAC)
}

/// Whether R2 gives back what it is sent; how long that takes is asked.
fn echoes(peer: &mut TcpStream, sent: &[u8]) {
    let begin = Instant::now();
    let mut heard = peer.try_clone().unwrap();
    let mut echoed = vec![0; sent.len()];
    std::thread::scope(|scope| {
        scope.spawn(|| peer.write_all(sent).unwrap());
        heard.read_exact(&mut echoed).unwrap();
    });
    assert!(echoed == sent);
    assert!(begin.elapsed() <= AT_ONCE, "an echo after {:?}", begin.elapsed());
}

/// Lets frames come over R2 while a connection of either kind goes on, and asserts that nothing is left of them.
fn flood(frame: impl Fn(u32) -> Vec<u8> + Send) {
    let frames: Vec<_> = (0..FRAMES).map(frame).collect();
    survives(
        "--ip6 fd69::1/64",
        AT_ONCE,
        SOON,
        |lab: &mut Lab, card: &mut Card| {
            let mut peers = [lab.connect(7), lab.namespace.connect("[fd69::1]:7").unwrap()];
            let piece = random(PIECE, 0);
            // A frame whose checksum is wrong is dropped before it is counted as received.
            let frames_in = || -> u32 {
                let status = lab.status();
                ["frames_in", "dropped_checksum"]
                    .iter()
                    .map(|key| status[*key].parse::<u32>().unwrap())
                    .sum()
            };
            let before = frames_in();
            for some in frames.chunks(AT_A_TIME) {
                for frame in some {
                    card.puts(frame);
                }
                for peer in &mut peers {
                    echoes(peer, &piece);
                }
            }
            assert!(frames_in() - before >= FRAMES, "the cable has lost some of them");
            let asked = Instant::now();
            let answer = lab.kali("echo 6 SECRET | nc.openbsd -N fd69::1 5010");
            assert_eq!(answer, "Digits: 6 Count: 1\n");
            assert!(
                asked.elapsed() <= AT_ONCE,
                "a fresh netcat was served after {:?}",
                asked.elapsed()
            );
        },
    );
}

#[test]
fn neighbors_that_ask_for_r2() {
    flood(|number| {
        let solicit = Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit {
            target_addr: R2,
            lladdr: Some(strangers_card()),
        });
        // To all who may be meant, and to R2 alone.
        icmp(
            neighbor(number),
            if number % 2 == 0 { solicited_node(R2) } else { R2 },
            &solicit,
        )
    });
}

#[test]
fn neighbors_that_say_where_they_are_and_where_kali_is() {
    flood(|number| {
        let target = if number % 2 == 0 { neighbor(number) } else { KALI };
        let advert = Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
            flags: NdiscNeighborFlags::OVERRIDE | NdiscNeighborFlags::SOLICITED,
            target_addr: target,
            lladdr: Some(strangers_card()),
        });
        icmp(target, if number % 3 == 0 { ALL_NODES } else { R2 }, &advert)
    });
}

#[test]
fn routers_that_say_that_they_are_the_way() {
    flood(|number| {
        let advert = Icmpv6Repr::Ndisc(NdiscRepr::RouterAdvert {
            hop_limit: 1,
            flags: NdiscRouterFlags::MANAGED,
            router_lifetime: time::Duration::from_secs(9000),
            reachable_time: time::Duration::from_millis(1),
            retrans_time: time::Duration::from_millis(1),
            lladdr: Some(strangers_card()),
            mtu: Some(number),
            prefix_info: None,
        });
        let [.., high, low] = neighbor(number).segments();
        let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, high, low);
        icmp(router, ALL_NODES, &advert)
    });
}

#[test]
fn echo_requests_from_everywhere() {
    flood(|number| {
        let request = Icmpv6Repr::EchoRequest {
            ident: 0,
            seq_no: 0,
            data: b"are you there?",
        };
        icmp(
            neighbor(number),
            if number % 2 == 0 { R2 } else { ALL_NODES },
            &request,
        )
    });
}

/// Every protocol and every extension header, with noise in it.
#[test]
fn headers_of_every_number() {
    flood(|number| {
        let [next_header, ..] = number.to_le_bytes();
        let length = usize::try_from(number / 256).unwrap();
        ipv6(neighbor(number), R2, next_header, &random(length, number.into()))
    });
}

/// RFC 8200, section 4.5: the next header, where the piece belongs, whether more come, and of which packet it is.
#[test]
fn fragments_that_never_become_a_packet() {
    flood(|number| {
        let [a, b, c, d] = (number / 4).to_be_bytes();
        // The first one, one on top of it, one far behind, and a last one that is none.
        let [high, low] =
            [0x0001_u16, 0x0009, 0xfff9, 0x0000][usize::try_from(number % 4).unwrap()].to_be_bytes();
        let header = [6, 0, high, low, a, b, c, d];
        ipv6(
            neighbor(number),
            R2,
            44,
            &[&header[..], &random(64, number.into())].concat(),
        )
    });
}

/// A chain of headers that belong to no one, before a SYN that would be one's.
#[test]
fn chains_of_headers() {
    flood(|number| {
        let links = usize::try_from(number % 150).unwrap();
        // Hop-by-hop and destination options, 8 bytes each: what follows, no more than 8 bytes, and padding.
        let mut chain = [60, 0, 1, 4, 0, 0, 0, 0].repeat(links);
        if let Some(last) = chain.len().checked_sub(8) {
            chain[last] = 6;
        }
        let syn = stranger::Said::frame(&r2_tests::card::syn(4000, 5010));
        chain.extend(&syn[34..]);
        ipv6(neighbor(number), R2, if links == 0 { 6 } else { 0 }, &chain)
    });
}

#[test]
fn arp_from_everywhere() {
    flood(|number| {
        let [_, a, b, c] = number.to_be_bytes();
        let address = if number % 5 == 0 {
            [192, 168, 69, 100]
        } else {
            [10, a, b, c]
        };
        arp(1 + u8::from(number % 2 == 0), address)
    });
}

#[test]
fn a_port_scan_over_ipv6() {
    survives("--ip6 fd69::1/64", AT_ONCE, SOON, |lab, _| {
        scan(lab, "-6", "fd69::1");
    });
}
