//! ICMP: the echo, and what R2 says of packets that it cannot take.

use r2_node::Reason;
use r2_node::config::link_local;
use r2_node::limits::{BUCKET_FILLS_EVERY, BUCKET_HOLDS};
use r2_sim::simulation::{R2_ADDRESS, R2_ADDRESS6, R2_MAC, Simulation, plan};
use r2_sim::stranger::{MAC, arp, datagram, datagram_to};
use r2_sim::stranger6::{self, ADDRESS as ADDRESS6, ALL_NODES, ON_LINK, heard_icmp};
use smoltcp::time::Duration;
use smoltcp::wire::{
    ArpOperation, EthernetAddress, Icmpv6Repr, Ipv4Address, Ipv4Packet, Ipv6Address, Ipv6Packet,
};

/// The checksum of ICMP over IPv4 (RFC 792).
fn checksum(message: &[u8]) -> [u8; 2] {
    let mut sum: u32 = message
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).unwrap()).to_be_bytes()
}

fn sealed(mut message: Vec<u8>) -> Vec<u8> {
    message[2..4].fill(0);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum);
    message
}

/// A request for an echo with number `number`.
fn request(number: u8, data: &[u8]) -> Vec<u8> {
    sealed([&[8, 0, 0, 0, 0xab, 0xcd, 0, number], data].concat())
}

/// A packet of the stranger's with `options` (whole words), `protocol` and `payload`.
fn packet(source: [u8; 4], destination: [u8; 4], options: &[u8], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let header = 20 + options.len();
    let length = u16::try_from(header + payload.len()).unwrap().to_be_bytes();
    let words = 0x40 | u8::try_from(header / 4).unwrap();
    let mut ip = vec![words, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0];
    ip.extend(source.iter().chain(&destination).chain(options).chain(payload));
    let mut ip = Ipv4Packet::new_unchecked(ip);
    ip.fill_checksum();
    [&R2_MAC.0[..], &MAC.0, &[8, 0], &ip.into_inner()].concat()
}

const US: [u8; 4] = [192, 168, 69, 66];

fn ping(source: [u8; 4], data: &[u8]) -> Vec<u8> {
    packet(source, R2_ADDRESS.octets(), &[], 1, &request(1, data))
}

/// The ICMP message of R2's to `destination` in `frame`, whose checksum must be right.
fn heard4(frame: &[u8], destination: [u8; 4]) -> Vec<u8> {
    assert_eq!(frame[..12], [MAC.0, R2_MAC.0].concat());
    let ip = Ipv4Packet::new_checked(&frame[14..]).unwrap();
    assert!(ip.verify_checksum());
    assert_eq!((ip.src_addr(), ip.dst_addr()), (R2_ADDRESS, destination.into()));
    assert_eq!(u8::from(ip.next_header()), 1);
    assert_eq!(checksum(ip.payload()), [0; 2]);
    ip.payload().to_vec()
}

#[test]
fn a_ping_is_answered_to_whom_it_came_from() {
    let mut lab = Simulation::new(&plan(1));
    let most = (0..1472)
        .map(|byte| (byte % 251).try_into().unwrap())
        .collect::<Vec<u8>>();
    // Of R2's network, and from behind a router.
    for source in [US, [10, 1, 2, 3], [8, 8, 8, 8]] {
        for length in [0, 1, 56, 1471, 1472] {
            lab.put(ping(source, &most[..length]));
            let frames: Vec<_> = lab.to_stranger.drain(..).collect();
            assert_eq!(frames.len(), 1, "{source:?} {length}");
            let answer = heard4(&frames[0], source);
            assert_eq!(answer[..2], [0, 0]);
            assert_eq!(answer[4..], request(1, &most[..length])[4..]);
        }
    }
    // Options do not come back.
    let recorded = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    lab.put(packet(
        US,
        R2_ADDRESS.octets(),
        &recorded,
        1,
        &request(7, b"options"),
    ));
    assert_eq!(heard4(&lab.to_stranger.pop().unwrap(), US)[7..], *b"\x07options");
    lab.everybody_leaves();
}

#[test]
fn a_ping_over_ipv6_is_answered_to_whom_it_came_from() {
    let mut lab = Simulation::new(&plan(1));
    let elsewhere = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    for (source, r2) in [
        (ADDRESS6, R2_ADDRESS6),
        (elsewhere, R2_ADDRESS6),
        (ON_LINK, link_local(R2_MAC)),
        (ON_LINK, R2_ADDRESS6),
    ] {
        for data in [&b""[..], b"x", &[7; 1452]] {
            let request = Icmpv6Repr::EchoRequest {
                ident: 0xabcd,
                seq_no: 9,
                data,
            };
            lab.put(stranger6::icmp(source, r2, &request));
            let frames: Vec<_> = lab.to_stranger.drain(..).collect();
            assert_eq!(frames.len(), 1);
            let (from, to, ..) = stranger6::heard(&frames[0]).unwrap();
            assert_eq!((from, to), (r2, source));
            let answer = heard_icmp(&frames[0]).unwrap();
            assert_eq!(answer[..2], [129, 0]);
            assert_eq!(answer[4..], [&[0xab, 0xcd, 0, 9], data].concat());
        }
    }
    lab.everybody_leaves();
}

/// Forged ARP, 500 a second, and 20 pings among it.
#[test]
fn a_flood_of_arp_stops_no_ping() {
    let mut lab = Simulation::new(&plan(1));
    for round in 0..20_u8 {
        let lies = (1..=25).map(|host| {
            let mac = EthernetAddress([2, 0, 0, 9, round, host]);
            arp(
                ArpOperation::Request,
                mac,
                Ipv4Address::new(192, 168, 69, host + 100),
            )
        });
        lab.put_at_once(lies);
        lab.to_stranger.clear();
        lab.put(ping(US, b"there?"));
        assert_eq!(lab.to_stranger.len(), 1, "{round}");
        lab.to_stranger.clear();
        lab.pass(Duration::from_millis(50));
    }
    lab.everybody_leaves();
}

/// Messages over IPv4 that are no whole request for an echo, and why each is dropped.
fn no_requests4() -> Vec<(Vec<u8>, Reason)> {
    let r2 = R2_ADDRESS.octets();
    let mut wrong = ping(US, b"data");
    *wrong.last_mut().unwrap() ^= 1;
    let mut fragment = ping(US, b"data");
    fragment[20] = 0x20;
    Ipv4Packet::new_unchecked(&mut fragment[14..]).fill_checksum();
    let mut last = ping(US, b"data");
    last[21] = 9;
    Ipv4Packet::new_unchecked(&mut last[14..]).fill_checksum();
    let mut to_all = ping(US, b"data");
    to_all[..6].fill(0xff);
    let icmp = |message: &[u8]| packet(US, r2, &[], 1, &sealed(message.to_vec()));
    vec![
        (wrong, Reason::Checksum),
        (fragment, Reason::Fragment),
        (last, Reason::Fragment),
        (to_all, Reason::NotUnicast),
        (icmp(&[8, 0, 0, 0, 1, 2, 3]), Reason::Malformed),
        (icmp(&[8, 0, 0, 0]), Reason::Malformed),
        (packet(US, r2, &[], 1, &[8, 0, 0]), Reason::Malformed),
        (packet(US, r2, &[], 1, &[]), Reason::Malformed),
        (icmp(&[8, 1, 0, 0, 1, 2, 3, 4]), Reason::Malformed),
        // A reply, errors, a redirect, a router's news, a request for the time and for the netmask.
        (icmp(&[0, 0, 0, 0, 1, 2, 3, 4]), Reason::NoAnswer),
        (icmp(&[3, 3, 0, 0, 0, 0, 0, 0]), Reason::NoAnswer),
        (icmp(&[5, 1, 0, 0, 0, 0, 0, 0]), Reason::NoAnswer),
        (icmp(&[9, 0, 0, 0, 0, 0, 0, 0]), Reason::NoAnswer),
        (icmp(&[11, 0, 0, 0, 0, 0, 0, 0]), Reason::NoAnswer),
        (icmp(&[13, 0, 0, 0, 0, 0, 0, 0]), Reason::NoAnswer),
        (icmp(&[17, 0, 0, 0, 0, 0, 0, 0]), Reason::NoAnswer),
    ]
}

/// Requests over IPv4 that are to others too, or from nobody.
fn not_to_r2_alone4() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    // RFC 1122, section 3.2.2.6: a broadcast or multicast address may go without.
    for destination in [[192, 168, 69, 255], [255, 255, 255, 255], [224, 0, 0, 1]] {
        frames.push(packet(US, destination, &[], 1, &request(1, b"")));
    }
    for source in [
        [127, 0, 0, 1],
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [240, 0, 0, 1],
        [224, 0, 0, 1],
        [255, 255, 255, 255],
        [192, 168, 69, 255],
        R2_ADDRESS.octets(),
    ] {
        frames.push(ping(source, b"data"));
    }
    frames
}

const REQUEST6: Icmpv6Repr<'_> = Icmpv6Repr::EchoRequest {
    ident: 1,
    seq_no: 1,
    data: b"data",
};

/// The same over IPv6.
fn not_to_r2_alone6() -> Vec<Vec<u8>> {
    let mapped = Ipv4Address::new(192, 168, 69, 66).to_ipv6_mapped();
    [
        (ADDRESS6, ALL_NODES),
        (Ipv6Address::LOCALHOST, R2_ADDRESS6),
        (Ipv6Address::UNSPECIFIED, R2_ADDRESS6),
        (ALL_NODES, R2_ADDRESS6),
        (mapped, R2_ADDRESS6),
        (R2_ADDRESS6, R2_ADDRESS6),
    ]
    .map(|(source, destination)| stranger6::icmp(source, destination, &REQUEST6))
    .to_vec()
}

#[test]
fn what_is_no_request_for_an_echo_to_r2_alone_gets_none() {
    let mut lab = Simulation::new(&plan(1));
    let to_others = not_to_r2_alone4().into_iter().chain(not_to_r2_alone6());
    let mut frames = no_requests4();
    frames.extend(to_others.map(|frame| (frame, Reason::NotUnicast)));
    let mut wrong6 = stranger6::icmp(ADDRESS6, R2_ADDRESS6, &REQUEST6);
    *wrong6.last_mut().unwrap() ^= 1;
    frames.push((wrong6, Reason::Checksum));
    for (index, (frame, reason)) in frames.into_iter().enumerate() {
        let before = lab.dropped(reason);
        lab.put(frame);
        assert_eq!(lab.dropped(reason), before + 1, "{index}");
        assert_eq!(lab.to_stranger.len(), 0, "{index}");
    }
    lab.everybody_leaves();
}

#[test]
fn a_datagram_that_nobody_takes_is_told_of() {
    let mut lab = Simulation::new(&plan(1));
    // Also from behind a router, and by as much of the datagram as fits into 576 bytes.
    for (source, length) in [(US, 4), (US, 1400), ([10, 1, 2, 3], 4)] {
        let mut frame = datagram(4000, 4444, &[7; 1400][..length]);
        frame[26..30].copy_from_slice(&source);
        frame[40..42].fill(0);
        Ipv4Packet::new_unchecked(&mut frame[14..]).fill_checksum();
        let sent = frame[14..].to_vec();
        lab.put(frame);
        let told = heard4(&lab.to_stranger.pop().unwrap(), source);
        assert_eq!(told[..2], [3, 3], "port unreachable");
        assert_eq!(told[4..8], [0; 4]);
        assert_eq!(told[8..], sent[..sent.len().min(548)]);
    }
    for length in [4, 1400] {
        let frame = stranger6::datagram(4000, 4444, R2_ADDRESS6, &[7; 1400][..length]);
        let sent = frame[14..].to_vec();
        lab.put(frame);
        let told = heard_icmp(&lab.to_stranger.pop().unwrap()).unwrap();
        assert_eq!(told[..2], [1, 4], "port unreachable");
        assert_eq!(told[4..8], [0; 4]);
        assert_eq!(told[8..], sent[..sent.len().min(1232)]);
    }
    lab.everybody_leaves();
}

#[test]
fn a_protocol_that_nobody_speaks_is_told_of() {
    let mut lab = Simulation::new(&plan(1));
    lab.put(packet(US, R2_ADDRESS.octets(), &[], 132, b"SCTP?"));
    let told = heard4(&lab.to_stranger.pop().unwrap(), US);
    assert_eq!(told[..2], [3, 2], "protocol unreachable");
    assert!(told.ends_with(b"SCTP?"));
    // IPv6 says where the number stands that it does not know: in the header, or in an extension header.
    let plain = stranger6::packet(ADDRESS6, R2_ADDRESS6, 132, b"SCTP?");
    let behind = stranger6::behind(
        plain.clone(),
        &[(0, &[0, 0, 1, 4, 0, 0, 0, 0]), (60, &[0, 0, 1, 4, 0, 0, 0, 0])],
    );
    for (frame, at) in [(plain, 6), (behind, 48)] {
        lab.put(frame);
        let told = heard_icmp(&lab.to_stranger.pop().unwrap()).unwrap();
        assert_eq!(told[..2], [4, 1], "unrecognized next header");
        assert_eq!(told[4..8], [0, 0, 0, at]);
        assert_eq!(told[8 + usize::from(at)], 132);
        assert_eq!(Ipv6Packet::new_unchecked(&told[8..]).dst_addr(), R2_ADDRESS6);
    }
    // The other family's ICMP is a protocol as well; that nothing follows is none.
    lab.put(packet(
        US,
        R2_ADDRESS.octets(),
        &[],
        58,
        &[128, 0, 0, 0, 0, 0, 0, 0],
    ));
    assert_eq!(heard4(&lab.to_stranger.pop().unwrap(), US)[..2], [3, 2]);
    lab.put(stranger6::packet(ADDRESS6, R2_ADDRESS6, 59, b""));
    assert_eq!(lab.to_stranger.len(), 0);
    lab.everybody_leaves();
}

/// RFC 4443, section 2.4 (f).
#[test]
fn errors_leave_at_ten_a_second() {
    for frame in [
        datagram(4000, 4444, b"x"),
        packet(US, R2_ADDRESS.octets(), &[], 132, b"x"),
        stranger6::datagram(4000, 4444, R2_ADDRESS6, b"x"),
        stranger6::packet(ADDRESS6, R2_ADDRESS6, 132, b"x"),
    ] {
        let mut lab = Simulation::new(&plan(1));
        lab.put_at_once(vec![frame.clone(); 300]);
        assert_eq!(lab.to_stranger.drain(..).count() as u64, BUCKET_HOLDS);
        assert_eq!(lab.dropped(Reason::RateLimited), 300 - BUCKET_HOLDS);
        for _ in 0..3 {
            lab.pass(Duration::from_millis(BUCKET_FILLS_EVERY.as_millis()));
            lab.put_at_once(vec![frame.clone(); 30]);
            assert_eq!(lab.to_stranger.drain(..).count(), 1);
        }
        // What is no error is not held back.
        lab.put_at_once(vec![ping(US, b"there?"); 300]);
        assert_eq!(lab.to_stranger.len(), 300);
        lab.everybody_leaves();
    }
}

/// RFC 1122, section 3.2.2; RFC 4443, section 2.4 (e).
#[test]
fn no_error_is_about_what_went_to_many_or_came_from_nobody() {
    let mut lab = Simulation::new(&plan(1));
    let group = Ipv4Address::new(224, 0, 0, 251);
    let to_many = EthernetAddress::BROADCAST;
    let mut frames = vec![
        datagram_to(to_many, R2_ADDRESS, 4000, 4444, b"x"),
        datagram_to(to_many, Ipv4Address::BROADCAST, 4000, 4444, b"x"),
        datagram_to(R2_MAC, Ipv4Address::new(192, 168, 69, 255), 4000, 4444, b"x"),
        datagram_to(EthernetAddress([1, 0, 0x5e, 0, 0, 251]), group, 5353, 5353, b"x"),
        packet(US, [192, 168, 69, 255], &[], 132, b"x"),
        packet([127, 0, 0, 1], R2_ADDRESS.octets(), &[], 132, b"x"),
        stranger6::packet(ADDRESS6, ALL_NODES, 132, b"x"),
        stranger6::packet(ALL_NODES, R2_ADDRESS6, 132, b"x"),
        stranger6::packet(Ipv6Address::UNSPECIFIED, R2_ADDRESS6, 132, b"x"),
    ];
    frames.push(stranger6::datagram(4000, 4444, ALL_NODES, b"x"));
    for (index, frame) in frames.into_iter().enumerate() {
        lab.put(frame);
        assert_eq!(lab.dropped(Reason::NotUnicast), index as u64 + 1, "{index}");
        assert_eq!(lab.to_stranger.len(), 0, "{index}");
    }
    // Nor about an error: of ICMP, of either family, with codes that nobody knows.
    for kind in [1, 2, 3, 4, 100, 127] {
        let error = [&[kind, 9, 0, 0, 0, 0, 0, 0][..], &[7; 40]].concat();
        let frame = stranger6::packet(ADDRESS6, R2_ADDRESS6, 58, &error);
        lab.put(stranger6::changed(frame, |_| {}));
        assert_eq!(lab.to_stranger.len(), 0, "{kind}");
    }
    assert_eq!(lab.dropped(Reason::NoAnswer), 6);
    lab.everybody_leaves();
}
