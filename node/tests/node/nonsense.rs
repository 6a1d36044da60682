//! Frames that no honest machine sends: dropped, counted, and without a trace in R2.

use r2_node::Reason;
use r2_sim::simulation::{R2_ADDRESS, R2_ADDRESS6, R2_MAC, Simulation, plan};
use r2_sim::stranger::{ADDRESS, Said, arp, datagram};
use smoltcp::wire::{
    ArpOperation, EthernetAddress, Ipv4Address, Ipv4Packet, Ipv6Address, TcpControl, TcpPacket,
};

const SYN: Said<'_> = Said {
    from: 1000,
    to: 5010,
    control: TcpControl::Syn,
    seq: 0,
    ack: None,
    payload: b"",
};

/// Bytes before the TCP header.
const TCP: usize = 14 + 20;

/// `frame` with something in its TCP header or behind it changed, and its checksum right.
fn changed(mut frame: Vec<u8>, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    change(&mut frame[TCP..]);
    TcpPacket::new_unchecked(&mut frame[TCP..]).fill_checksum(&ADDRESS.into(), &R2_ADDRESS.into());
    frame
}

#[test]
fn a_segment_without_meaning_is_dropped_and_takes_no_slot() {
    let mut lab = Simulation::new(&plan(1));
    let with_options = SYN.frame_with(|tcp| tcp.max_seg_size = Some(1460));
    let mut malformed = vec![
        // A header shorter than itself, and one longer than the packet.
        changed(SYN.frame(), |tcp| tcp[12] = 4 << 4),
        changed(SYN.frame(), |tcp| tcp[12] = 15 << 4),
        // An option of no length, and one longer than the header.
        changed(with_options.clone(), |tcp| tcp[21] = 0),
        changed(with_options.clone(), |tcp| tcp[21] = 40),
        // Nobody has port 0.
        changed(SYN.frame(), |tcp| tcp[..2].fill(0)),
        changed(SYN.frame(), |tcp| tcp[2..4].fill(0)),
    ];
    // SYN with FIN, with RST, with both, and everything at once.
    for flags in [0x03, 0x06, 0x07, 0x3f] {
        malformed.push(changed(SYN.frame(), |tcp| tcp[13] = flags));
    }
    for (index, frame) in malformed.into_iter().enumerate() {
        lab.put(frame);
        assert_eq!(lab.dropped(Reason::Malformed), index as u64 + 1, "{index}");
        assert_eq!(lab.heard(), [], "{index}");
    }
    let kali = lab.connect(5010);
    assert!(lab.is_open(kali), "the only slot is free");
    lab.everybody_leaves();
}

#[test]
fn a_fragment_is_dropped_and_takes_no_slot() {
    let mut lab = Simulation::new(&plan(1));
    // The first of a SYN's fragments, one from its middle, the last, and those of a datagram that never ends.
    let first = 0x2000_u16;
    let pieces: Vec<_> = [(SYN.frame(), first), (SYN.frame(), first | 1), (SYN.frame(), 9)]
        .into_iter()
        .chain((0..100).map(|at| (datagram(4000, 7, b"four"), first | at)))
        .map(|(mut frame, fragment)| {
            frame[20..22].copy_from_slice(&fragment.to_be_bytes());
            Ipv4Packet::new_unchecked(&mut frame[14..]).fill_checksum();
            frame
        })
        .collect();
    lab.put_at_once(pieces);
    assert_eq!(lab.dropped(Reason::Fragment), 103);
    assert_eq!(lab.to_stranger.len(), 0);
    let kali = lab.connect(5010);
    assert!(lab.is_open(kali), "the only slot is free");
    lab.everybody_leaves();
}

/// RFC 8200, section 4.5.
#[test]
fn a_fragment_over_ipv6_is_dropped_and_counted() {
    let mut lab = Simulation::new(&plan(1));
    let kali = Ipv6Address::new(0xfd69, 0, 0, 0, 0, 0, 0, 0x666).octets();
    let segment = &SYN.frame()[TCP..];
    let length = u8::try_from(8 + segment.len()).unwrap();
    let header = [0x60, 0, 0, 0, 0, length, 44, 64];
    let fragment = [6, 0, 0, 1, 0, 0, 0, 7];
    let ethernet = [&R2_MAC.0[..], &[2; 6], &[0x86, 0xdd]].concat();
    let packet = [&header[..], &kali, &R2_ADDRESS6.octets(), &fragment, segment].concat();
    lab.put([ethernet, packet].concat());
    assert_eq!(lab.dropped(Reason::Fragment), 1);
    assert_eq!(lab.to_stranger.len(), 0);
    lab.everybody_leaves();
}

#[test]
fn a_segment_from_an_address_that_nobody_has_is_dropped() {
    let mut lab = Simulation::new(&plan(1));
    let sources = [R2_ADDRESS, Ipv4Address::BROADCAST, Ipv4Address::UNSPECIFIED]
        .into_iter()
        .chain([[192, 168, 69, 255], [224, 0, 0, 1]].map(Ipv4Address::from));
    for (index, source) in sources.enumerate() {
        let mut frame = SYN.frame();
        let mut ip = Ipv4Packet::new_unchecked(&mut frame[14..]);
        ip.set_src_addr(source);
        ip.fill_checksum();
        TcpPacket::new_unchecked(&mut frame[TCP..]).fill_checksum(&source.into(), &R2_ADDRESS.into());
        lab.put(frame);
        assert_eq!(lab.dropped(Reason::NotUnicast), index as u64 + 1, "{source}");
        assert_eq!(lab.to_stranger.len(), 0, "{source}");
    }
    lab.everybody_leaves();
}

#[test]
fn options_of_senseless_values_do_no_harm() {
    for (mss, scale) in [(0, 255), (1, 15), (65_535, 14), (1, 0)] {
        let mut lab = Simulation::new(&plan(1));
        lab.put(SYN.frame_with(|tcp| (tcp.max_seg_size, tcp.window_scale) = (Some(mss), Some(scale))));
        let ours = lab.heard().pop().expect("R2 answers SYN").end();
        lab.say(&Said {
            control: TcpControl::Psh,
            seq: 1,
            ack: Some(ours),
            payload: b"SECRET 7\n",
            ..SYN
        });
        let answer: Vec<u8> = lab.heard().into_iter().flat_map(|heard| heard.payload).collect();
        assert_eq!(answer, b"Digits: 7 Count: 1\n", "MSS {mss}, scale {scale}");
        lab.everybody_leaves();
    }
}

/// Whoever fills every table of neighbours with lies changes nothing for a connection that is open.
#[test]
fn a_flood_of_arp_does_not_stall_a_connection() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(5010);
    for round in 0..20_u8 {
        let lies = (1..=254).map(|host| {
            let operation = if host % 2 == 0 {
                ArpOperation::Reply
            } else {
                ArpOperation::Request
            };
            let mac = EthernetAddress([2, 0, 0, 9, round, host]);
            arp(operation, mac, Ipv4Address::new(192, 168, 69, host))
        });
        lab.put_at_once(lies);
        let before = lab.now;
        lab.send(kali, b"SECRET 7\n");
        assert_eq!(lab.read(kali), "Digits: 7 Count: 1\n");
        assert_eq!(lab.now, before, "at once");
        let other = lab.connect(7);
        assert!(lab.is_open(other));
        lab.half_close(other);
    }
    lab.everybody_leaves();
}
