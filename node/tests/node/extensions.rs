//! Headers between Ethernet's and TCP's: IPv6 extension headers (RFC 8200, section 4), IPv4 options, VLAN tags.

use r2_node::Reason;
use r2_node::limits::EXTENSION_HEADERS_MAX;
use r2_sim::simulation::{R2_ADDRESS6, Simulation, plan};
use r2_sim::stranger::{Heard, Said, datagram, heard_datagram, tampered, with_options};
use r2_sim::stranger6::{self, behind, heard, segment};
use r2_sim::wire::Frame;
use smoltcp::wire::{TcpControl, TcpPacket};

const SYN: Said<'_> = Said {
    from: 1000,
    to: 5010,
    control: TcpControl::Syn,
    seq: 0,
    ack: None,
    payload: b"",
};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// Options that are padding: `PadN`, and eight times `Pad1` after it.
const PAD_N: &[u8] = &[0, 0, 1, 4, 0, 0, 0, 0];
const PAD_1: &[u8] = &[0, 1, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// A router alert (RFC 2711), and an option that who does not know it skips.
const ALERT: &[u8] = &[0, 0, 5, 2, 0, 0, 1, 0];
const UNKNOWN: &[u8] = &[0, 0, 0x3e, 2, 9, 9, 1, 0];
/// A route that has been gone, and the fragment header of a packet that is whole.
const ARRIVED: &[u8] = &[0, 0, 253, 0, 0, 0, 0, 0];
const WHOLE: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 7];

const CHAINS: &[&[(u8, &[u8])]] = &[
    &[(HOP_BY_HOP, PAD_N)],
    &[(HOP_BY_HOP, PAD_1)],
    &[(HOP_BY_HOP, ALERT)],
    &[(HOP_BY_HOP, UNKNOWN)],
    &[(DESTINATION, PAD_N)],
    &[(DESTINATION, UNKNOWN)],
    &[(ROUTING, ARRIVED)],
    &[(FRAGMENT, WHOLE)],
    &[
        (HOP_BY_HOP, PAD_N),
        (DESTINATION, PAD_1),
        (ROUTING, ARRIVED),
        (FRAGMENT, WHOLE),
        (DESTINATION, UNKNOWN),
    ],
];

/// The TCP segments that R2 has sent over IPv6: flags, acknowledgement, payload.
fn segments(lab: &mut Simulation) -> Vec<(u8, u32, Vec<u8>)> {
    let frames: Vec<_> = lab.to_stranger.drain(..).collect();
    let read = frames.iter().filter_map(|frame| {
        let (_, _, protocol, _, bytes) = heard(frame)?;
        let tcp = TcpPacket::new_checked(&bytes[..]).ok()?;
        let ack = tcp.ack_number().0.cast_unsigned();
        (protocol == 6).then(|| (bytes[13], ack, tcp.payload().to_vec()))
    });
    read.collect()
}

/// Opens a connection, every segment of the stranger's behind `chain`: the number of R2's that it goes on with.
fn open(lab: &mut Simulation, chain: &[(u8, &[u8])]) -> u32 {
    lab.put(behind(segment(&SYN, R2_ADDRESS6), chain));
    let frame = lab.to_stranger.pop().expect("R2 answers SYN");
    let bytes = heard(&frame).expect("over IPv6").4;
    assert_eq!(bytes[13], 0x12, "SYN and ACK");
    u32::from_be_bytes(bytes[4..8].try_into().unwrap()).wrapping_add(1)
}

#[test]
fn a_segment_behind_extension_headers_is_its_connections() {
    for chain in CHAINS {
        let mut lab = Simulation::new(&plan(1));
        let ours = open(&mut lab, chain);
        let question = Said {
            control: TcpControl::Psh,
            seq: 1,
            ack: Some(ours),
            payload: b"SECRET 7\n",
            ..SYN
        };
        lab.put(behind(segment(&question, R2_ADDRESS6), chain));
        let answer: Vec<u8> = segments(&mut lab)
            .into_iter()
            .flat_map(|(_, _, payload)| payload)
            .collect();
        assert_eq!(answer, b"Digits: 7 Count: 1\n", "{chain:?}");
        lab.everybody_leaves();
    }
}

#[test]
fn a_syn_behind_extension_headers_waits_for_a_slot() {
    let mut lab = Simulation::new(&plan(1));
    let kali = lab.connect(5010);
    assert!(lab.is_open(kali));
    lab.put(behind(segment(&SYN, R2_ADDRESS6), CHAINS[CHAINS.len() - 1]));
    assert_eq!(lab.to_stranger.len(), 0);
    lab.half_close(kali);
    assert_eq!(segments(&mut lab)[0].0, 0x12, "SYN and ACK");
    lab.everybody_leaves();
}

#[test]
fn a_datagram_behind_extension_headers_is_answered() {
    let mut lab = Simulation::new(&plan(1));
    for chain in CHAINS {
        lab.put(behind(stranger6::datagram(4000, 7, R2_ADDRESS6, b"hello"), chain));
        let answer = heard(&lab.to_stranger.pop().expect("an answer")).unwrap();
        assert_eq!((answer.2, &answer.4[8..]), (17, &b"hello"[..]), "{chain:?}");
    }
    lab.everybody_leaves();
}

/// Extension headers: the number and the bytes of each.
type Chain = Vec<(u8, &'static [u8])>;

/// The chains that R2 does not follow, and why.
fn dead_ends() -> Vec<(Chain, Reason)> {
    let many = vec![(DESTINATION, PAD_N); EXTENSION_HEADERS_MAX + 1];
    vec![
        // A route that goes on.
        (vec![(ROUTING, &[0, 0, 253, 1, 0, 0, 0, 0])], Reason::Extension),
        (vec![(ROUTING, &[0, 2, 0, 1, 0, 0, 0, 0])], Reason::Extension),
        // Options that who does not know them lets go of: without a word, with a word, with a word to one alone.
        (
            vec![(HOP_BY_HOP, &[0, 0, 0x7e, 4, 0, 0, 0, 0])],
            Reason::Extension,
        ),
        (
            vec![(DESTINATION, &[0, 0, 0xbe, 4, 0, 0, 0, 0])],
            Reason::Extension,
        ),
        (
            vec![(HOP_BY_HOP, &[0, 0, 0xc2, 4, 0, 1, 0, 0])],
            Reason::Extension,
        ),
        // Options for every hop that are not the first header.
        (vec![(DESTINATION, PAD_N), (HOP_BY_HOP, PAD_N)], Reason::Extension),
        (vec![(HOP_BY_HOP, PAD_N), (HOP_BY_HOP, PAD_N)], Reason::Extension),
        (
            vec![(AUTHENTICATION, &[0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1])],
            Reason::Extension,
        ),
        (many, Reason::Extension),
        // Pieces: the first, the last, one between.
        (vec![(FRAGMENT, &[0, 0, 0, 1, 0, 0, 0, 7])], Reason::Fragment),
        (vec![(FRAGMENT, &[0, 0, 0, 8, 0, 0, 0, 7])], Reason::Fragment),
        (
            vec![(HOP_BY_HOP, PAD_N), (FRAGMENT, &[0, 0, 1, 1, 0, 0, 0, 7])],
            Reason::Fragment,
        ),
        // Headers and options that are longer than what is there.
        (
            vec![(DESTINATION, &[0, 255, 1, 4, 0, 0, 0, 0])],
            Reason::Malformed,
        ),
        (vec![(DESTINATION, &[0, 0, 1, 5, 0, 0, 0, 0])], Reason::Malformed),
        (vec![(DESTINATION, &[0, 0, 1, 3, 0, 0, 0, 1])], Reason::Malformed),
    ]
}

/// TCP and UDP that R2 cannot find are no protocol that nobody speaks: nothing is said, no connection ends.
#[test]
fn a_chain_that_leads_nowhere_is_counted_and_ends_no_connection() {
    let mut lab = Simulation::new(&plan(1));
    let ours = open(&mut lab, &[]);
    let question = Said {
        control: TcpControl::Psh,
        seq: 1,
        ack: Some(ours),
        payload: b"SECRET 7\n",
        ..SYN
    };
    for (index, (chain, reason)) in dead_ends().into_iter().enumerate() {
        for frame in [
            segment(&question, R2_ADDRESS6),
            stranger6::datagram(4000, 7, R2_ADDRESS6, b"hello"),
        ] {
            let before = lab.dropped(reason);
            lab.put(behind(frame, &chain));
            assert_eq!(lab.dropped(reason), before + 1, "{index}");
            assert_eq!(lab.to_stranger.len(), 0, "{index}");
        }
    }
    // A packet that is nothing but headers.
    lab.put(stranger6::packet(
        stranger6::ADDRESS,
        R2_ADDRESS6,
        DESTINATION,
        &[6],
    ));
    lab.put(stranger6::packet(
        stranger6::ADDRESS,
        R2_ADDRESS6,
        DESTINATION,
        b"",
    ));
    assert_eq!(lab.to_stranger.len(), 0);
    lab.put(segment(&question, R2_ADDRESS6));
    let answer: Vec<u8> = segments(&mut lab)
        .into_iter()
        .flat_map(|(_, _, payload)| payload)
        .collect();
    assert_eq!(answer, b"Digits: 7 Count: 1\n");
    lab.everybody_leaves();
}

/// RFC 9293, MUST-57, and RFC 4291, section 2.5.3.
#[test]
fn tcp_to_no_machine_behind_extension_headers_is_dropped() {
    let mut lab = Simulation::new(&plan(1));
    let loopback = smoltcp::wire::Ipv6Address::LOCALHOST;
    for (destination, reason) in [
        (stranger6::ALL_NODES, Reason::NotUnicast),
        (loopback, Reason::NotForUs),
    ] {
        let before = lab.dropped(reason);
        lab.put(behind(segment(&SYN, destination), &[(HOP_BY_HOP, PAD_N)]));
        assert_eq!(lab.dropped(reason), before + 1);
        assert_eq!(lab.to_stranger.len(), 0);
    }
    lab.everybody_leaves();
}

#[test]
fn a_segment_behind_ipv4_options_is_its_connections() {
    let mut lab = Simulation::new(&plan(1));
    // No operation, a router alert (RFC 2113), and 40 bytes of them.
    for (index, options) in [&[1, 1, 1, 0][..], &[148, 4, 0, 0], &[1; 40]]
        .into_iter()
        .enumerate()
    {
        let from = 1000 + u16::try_from(index).unwrap();
        let with_options = |said: &Said<'_>| -> Frame {
            tampered(said.frame(), |ip| {
                ip.splice(20..20, options.iter().copied());
                ip[0] += u8::try_from(options.len() / 4).unwrap();
                let total = u16::try_from(ip.len()).unwrap();
                ip[2..4].copy_from_slice(&total.to_be_bytes());
            })
        };
        let syn = Said { from, to: 7, ..SYN };
        lab.put(with_options(&syn));
        let ours = lab.heard().pop().expect("R2 answers SYN").end();
        lab.put(with_options(&Said {
            control: TcpControl::Fin,
            seq: 1,
            ack: Some(ours),
            payload: b"hello",
            ..syn
        }));
        let echoed: Vec<u8> = lab
            .heard()
            .into_iter()
            .flat_map(|heard: Heard| heard.payload)
            .collect();
        assert_eq!(echoed, b"hello", "{options:?}");
        lab.put(with_options(&Said {
            control: TcpControl::None,
            seq: 7,
            ack: Some(ours.wrapping_add(6)),
            ..syn
        }));
    }
    lab.everybody_leaves();
}

/// IEEE 802.1Q: in VLAN 0 a tag says how urgent a frame is, and no more.
#[test]
fn a_tag_that_gives_a_priority_is_read_and_one_of_another_vlan_is_not() {
    let mut lab = Simulation::new(&plan(4));
    let tagged = |frame: &Frame, tags: &[u8]| {
        let mut tagged = frame.clone();
        tagged.splice(12..12, tags.iter().copied());
        tagged
    };
    let question = datagram(4000, 7, b"hello");
    for (tag, from) in [([0x81, 0, 0, 0], 1000), ([0x81, 0, 0xf0, 0], 1001)] {
        let syn = Said { from, ..SYN };
        lab.put(tagged(&question, &tag));
        let answer = lab.to_stranger.pop().expect("an answer");
        assert_eq!(
            heard_datagram(&answer),
            Some((4000, b"hello".to_vec())),
            "without a tag"
        );
        lab.put(tagged(&syn.frame(), &tag));
        assert!(lab.heard().pop().expect("R2 answers SYN").syn);
        lab.put(tagged(&segment(&syn, R2_ADDRESS6), &tag));
        assert_eq!(segments(&mut lab)[0].0, 0x12, "SYN and ACK");
    }
    let elsewhere: [&[u8]; 4] = [
        &[0x81, 0, 0, 1],
        &[0x81, 0, 0x0f, 0xff],
        &[0x88, 0xa8, 0, 0],
        &[0x81, 0, 0, 0, 0x81, 0, 0, 0],
    ];
    for (index, tags) in elsewhere.into_iter().enumerate() {
        lab.put(tagged(&question, tags));
        assert_eq!(lab.dropped(Reason::NotForUs), index as u64 + 1, "{tags:?}");
    }
    // A tag, and nothing behind it.
    lab.put(tagged(&question, &[0x81, 0, 0, 0])[..15].to_vec());
    assert_eq!(lab.to_stranger.len(), 0);
    lab.everybody_leaves();
}

/// A packet may end anywhere in its chain, whatever its headers say of their lengths.
#[test]
fn a_chain_that_is_cut_off_is_dropped_and_ends_no_connection() {
    let mut lab = Simulation::new(&plan(1));
    let ours = open(&mut lab, &[]);
    let question = Said {
        control: TcpControl::Psh,
        seq: 1,
        ack: Some(ours),
        payload: b"SECRET 7\n",
        ..SYN
    };
    for chain in CHAINS {
        let whole = behind(segment(&question, R2_ADDRESS6), chain);
        for end in 54..whole.len() {
            let mut cut = whole[..end].to_vec();
            let length = u16::try_from(end - 54).unwrap();
            cut[18..20].copy_from_slice(&length.to_be_bytes());
            lab.put(cut);
            assert_eq!(segments(&mut lab), [], "{chain:?} {end}");
        }
    }
    lab.put(segment(&question, R2_ADDRESS6));
    assert_eq!(segments(&mut lab).len(), 1);
    lab.everybody_leaves();
}

/// RFC 4443, section 2.4 (e): nor is it one where headers stand before it.
#[test]
fn no_error_is_about_an_error_behind_extension_headers() {
    let mut lab = Simulation::new(&plan(1));
    for chain in CHAINS {
        for kind in [1, 2, 3, 4, 127] {
            let error = [&[kind, 9, 0, 0, 0, 0, 0, 0][..], &[7; 40]].concat();
            let frame = stranger6::packet(stranger6::ADDRESS, R2_ADDRESS6, 58, &error);
            lab.put(behind(stranger6::changed(frame, |_| {}), chain));
            assert_eq!(lab.to_stranger.len(), 0, "{chain:?} {kind}");
        }
    }
    lab.everybody_leaves();
}

/// A TCP option ends before its segment does, and one of another length than its own says nothing.
#[test]
fn a_segment_whose_options_are_not_whole_is_dropped() {
    let mut lab = Simulation::new(&plan(4));
    for options in [
        &[2, 0, 0, 0][..],
        &[2, 1, 1, 1],
        &[2, 5, 5, 180],
        &[1, 1, 1, 3],
        &[8, 10, 0, 0],
    ] {
        let before = lab.dropped(Reason::Malformed);
        lab.put(with_options(SYN.frame(), options));
        assert_eq!(lab.dropped(Reason::Malformed), before + 1, "{options:?}");
        assert_eq!(lab.to_stranger.len(), 0);
    }
    // A scale beyond 14 is 14 (RFC 7323, section 2.3); what stands behind the end of the list is nothing.
    for (from, options) in [(1001, &[3, 3, 255, 0][..]), (1002, &[0, 2, 1, 0])] {
        lab.put(with_options(Said { from, ..SYN }.frame(), options));
        assert!(lab.heard().pop().expect("R2 answers SYN").syn, "{options:?}");
    }
    lab.everybody_leaves();
}
