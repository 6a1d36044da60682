//! Who has R2's addresses: ARP (RFC 826, RFC 5227) and NDP (RFC 4861), asked by anybody on the link.

use r2_node::Reason;
use r2_node::config::link_local;
use r2_sim::simulation::{R2_ADDRESS, R2_ADDRESS6, R2_MAC, Simulation, plan};
use r2_sim::stranger::{self, Said};
use r2_sim::stranger6::{
    self, ADDRESS, ALL_NODES, ON_LINK, changed, group, heard, heard_icmp, icmp, segment, solicited_node,
};
use smoltcp::wire::{
    EthernetAddress, Icmpv6Repr, Ipv6Address, NdiscNeighborFlags, NdiscRepr, RawHardwareAddress, TcpControl,
};

/// R2's address on the link.
fn r2_on_link() -> Ipv6Address {
    link_local(R2_MAC)
}

/// An ARP packet in a frame to everybody.
fn arp(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    [
        &[0xff; 6][..],
        &stranger::MAC.0,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, operation],
        &stranger::MAC.0,
        &sender,
        &[0; 6],
        &target,
    ]
    .concat()
}

fn solicitation(target: Ipv6Address) -> Icmpv6Repr<'static> {
    Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit {
        target_addr: target,
        lladdr: Some(RawHardwareAddress::from(stranger::MAC)),
    })
}

#[test]
fn whoever_asks_by_arp_is_answered() {
    let mut lab = Simulation::new(&plan(1));
    let r2 = R2_ADDRESS.octets();
    // A neighbour, another network's machine, a router, who has no address yet, and who has taken R2's.
    for sender in [
        [192, 168, 69, 66],
        [10, 1, 2, 3],
        [192, 168, 70, 254],
        [0, 0, 0, 0],
        r2,
    ] {
        let asked = arp(1, sender, r2);
        let mut to_r2_alone = asked.clone();
        to_r2_alone[..6].copy_from_slice(&R2_MAC.0);
        let mut with_a_priority = asked.clone();
        with_a_priority.splice(12..12, [0x81, 0, 0xe0, 0]);
        for frame in [asked, to_r2_alone, with_a_priority] {
            lab.put(frame);
            let expected = [
                &stranger::MAC.0[..],
                &R2_MAC.0,
                &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
                &R2_MAC.0,
                &r2,
                &stranger::MAC.0,
                &sender,
            ]
            .concat();
            assert_eq!(
                lab.to_stranger.drain(..).collect::<Vec<_>>(),
                [expected],
                "{sender:?}"
            );
        }
    }
    lab.everybody_leaves();
}

#[test]
fn arp_that_asks_nothing_of_r2_is_counted() {
    let mut lab = Simulation::new(&plan(1));
    let (r2, sender) = (R2_ADDRESS.octets(), [192, 168, 69, 66]);
    let with = |at: usize, value: u8| {
        let mut frame = arp(1, sender, r2);
        frame[at] = value;
        frame
    };
    let frames = [
        (arp(1, sender, [192, 168, 69, 2]), Reason::NotForUs),
        (arp(1, [192, 168, 69, 2], [192, 168, 69, 2]), Reason::NotForUs),
        (arp(2, sender, r2), Reason::NoAnswer),
        (arp(2, [224, 0, 0, 1], r2), Reason::NotUnicast),
        // Senders that no machine is.
        (arp(1, [127, 0, 0, 1], r2), Reason::NotUnicast),
        (arp(1, [0, 1, 2, 3], r2), Reason::NotUnicast),
        (arp(1, [240, 0, 0, 1], r2), Reason::NotUnicast),
        (arp(1, [224, 0, 0, 1], r2), Reason::NotUnicast),
        (arp(1, [255, 255, 255, 255], r2), Reason::NotUnicast),
        (arp(1, [192, 168, 69, 255], r2), Reason::NotUnicast),
        (with(22, 0x03), Reason::NotUnicast),
        // And a frame from a group.
        (with(6, 0x03), Reason::NotUnicast),
        // Another hardware, another protocol, lengths that are none of theirs, an operation of another time.
        (with(15, 2), Reason::Malformed),
        (with(16, 9), Reason::Malformed),
        (with(18, 5), Reason::Malformed),
        (with(18, 255), Reason::Malformed),
        (with(19, 16), Reason::Malformed),
        (with(21, 9), Reason::Malformed),
        (arp(1, sender, r2)[..41].to_vec(), Reason::Malformed),
    ];
    for (index, (frame, reason)) in frames.into_iter().enumerate() {
        let before = lab.dropped(reason);
        lab.put(frame);
        assert_eq!(lab.dropped(reason), before + 1, "{index}");
        assert_eq!(lab.to_stranger.len(), 0, "{index}");
    }
    lab.everybody_leaves();
}

/// The advertisement that R2 sends: flags, hop limit, and whom it goes to.
fn advertised(lab: &mut Simulation, target: Ipv6Address) -> (EthernetAddress, Ipv6Address, u8) {
    let frames: Vec<_> = lab.to_stranger.drain(..).collect();
    assert_eq!(frames.len(), 1, "one answer");
    let (source, destination, _, hop_limit, _) = heard(&frames[0]).expect("IPv6");
    let message = heard_icmp(&frames[0]).expect("ICMPv6");
    let option = [&[2, 1][..], &R2_MAC.0].concat();
    assert_eq!((source, hop_limit), (target, 255));
    assert_eq!(message[..2], [136, 0]);
    assert_eq!(message[5..8], [0; 3]);
    assert_eq!(message[8..24], target.octets());
    assert_eq!(message[24..], option);
    (
        EthernetAddress::from_bytes(&frames[0][..6]),
        destination,
        message[4],
    )
}

#[test]
fn whoever_asks_by_ndp_is_answered() {
    let mut lab = Simulation::new(&plan(1));
    let elsewhere = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x66);
    for target in [R2_ADDRESS6, r2_on_link()] {
        for source in [ON_LINK, ADDRESS, elsewhere] {
            for destination in [solicited_node(target), target] {
                lab.put(icmp(source, destination, &solicitation(target)));
                let (to, destination, flags) = advertised(&mut lab, target);
                assert_eq!((to, destination), (stranger::MAC, source));
                assert_eq!(flags, 0x60, "solicited, and overrides");
            }
        }
    }
    lab.everybody_leaves();
}

/// RFC 4862, section 5.4.3, and RFC 4861, section 7.2.4.
#[test]
fn whoever_wants_r2s_address_for_itself_is_told_before_all() {
    let mut lab = Simulation::new(&plan(1));
    for target in [R2_ADDRESS6, r2_on_link()] {
        let probe = Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit {
            target_addr: target,
            lladdr: None,
        });
        lab.put(icmp(Ipv6Address::UNSPECIFIED, solicited_node(target), &probe));
        let (to, destination, flags) = advertised(&mut lab, target);
        assert_eq!((to, destination, flags), (group(ALL_NODES), ALL_NODES, 0x20));
    }
    lab.everybody_leaves();
}

/// Solicitations without meaning, and why each is dropped.
fn solicitations_without_meaning() -> Vec<(Vec<u8>, Reason)> {
    let (target, all) = (R2_ADDRESS6, solicited_node(R2_ADDRESS6));
    let good = || icmp(ADDRESS, all, &solicitation(target));
    let through_a_router = {
        let mut frame = good();
        frame[21] = 254;
        frame
    };
    let mut wrong = good();
    wrong[56] ^= 1;
    let other = Ipv6Address::new(0xfd69, 0, 0, 0, 0, 0, 0, 2);
    let nobody = Ipv6Address::UNSPECIFIED;
    vec![
        (through_a_router, Reason::Malformed),
        (wrong, Reason::Checksum),
        (changed(good(), |message| message[1] = 1), Reason::Malformed),
        // An option of no length, one longer than what is there, a half, and no whole target.
        (changed(good(), |message| message[25] = 0), Reason::Malformed),
        (changed(good(), |message| message[25] = 2), Reason::Malformed),
        (changed(good(), |message| message.truncate(27)), Reason::Malformed),
        (changed(good(), |message| message.truncate(25)), Reason::Malformed),
        (changed(good(), |message| message.truncate(23)), Reason::Malformed),
        (icmp(ADDRESS, all, &solicitation(ALL_NODES)), Reason::Malformed),
        // Who has no address has no Ethernet address to tell, and asks all.
        (icmp(nobody, all, &solicitation(target)), Reason::Malformed),
        (
            changed(icmp(nobody, target, &solicitation(target)), |message| {
                message.truncate(24);
            }),
            Reason::Malformed,
        ),
        (
            icmp(ADDRESS, solicited_node(other), &solicitation(other)),
            Reason::NotForUs,
        ),
        (icmp(ADDRESS, other, &solicitation(target)), Reason::NotForUs),
        (
            icmp(Ipv6Address::LOCALHOST, all, &solicitation(target)),
            Reason::NotUnicast,
        ),
        (icmp(ALL_NODES, all, &solicitation(target)), Reason::NotUnicast),
    ]
}

/// Advertisements, and a router's question, that R2 has no use for, and why each is dropped.
fn news_without_meaning() -> Vec<(Vec<u8>, Reason)> {
    let advert = |flags| {
        Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
            flags,
            target_addr: ADDRESS,
            lladdr: Some(RawHardwareAddress::from(stranger::MAC)),
        })
    };
    let solicit_router = Icmpv6Repr::Ndisc(NdiscRepr::RouterSolicit { lladdr: None });
    let mut router = changed(icmp(ADDRESS, ALL_NODES, &solicit_router), |message| {
        message.resize(24, 0);
    });
    router[21] = 255;
    vec![
        // Nobody asked.
        (
            icmp(ADDRESS, R2_ADDRESS6, &advert(NdiscNeighborFlags::SOLICITED)),
            Reason::NoAnswer,
        ),
        (
            icmp(ADDRESS, ALL_NODES, &advert(NdiscNeighborFlags::OVERRIDE)),
            Reason::NoAnswer,
        ),
        (
            icmp(ADDRESS, ALL_NODES, &advert(NdiscNeighborFlags::SOLICITED)),
            Reason::Malformed,
        ),
        (router, Reason::NoAnswer),
        // As every Linux sends it when its interface comes up.
        (icmp(ADDRESS, ALL_NODES, &solicit_router), Reason::NoAnswer),
    ]
}

/// RFC 4861, section 7.1.
#[test]
fn ndp_without_meaning_is_counted() {
    let mut lab = Simulation::new(&plan(1));
    let mut frames = solicitations_without_meaning();
    frames.extend(news_without_meaning());
    for (index, (frame, reason)) in frames.into_iter().enumerate() {
        let before = lab.dropped(reason);
        lab.put(frame);
        assert_eq!(lab.dropped(reason), before + 1, "{index}");
        assert_eq!(lab.to_stranger.len(), 0, "{index}");
    }
    lab.everybody_leaves();
}

/// RFC 4291, section 2.5.6: the identifier is the Ethernet address with ff:fe in its middle, and one bit turned.
#[test]
fn r2_has_the_address_on_the_link_that_its_ethernet_address_gives() {
    assert_eq!(r2_on_link().to_string(), "fe80::52:32ff:fea8:4501");
    let universal = EthernetAddress([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]);
    assert_eq!(link_local(universal).to_string(), "fe80::3656:78ff:fe9a:bcde");
}

#[test]
fn r2_is_reachable_at_its_address_on_the_link() {
    let mut lab = Simulation::new(&plan(1));
    let syn = Said {
        from: 1000,
        to: 5010,
        control: TcpControl::Syn,
        seq: 0,
        ack: None,
        payload: b"",
    };
    lab.put(segment(&syn, r2_on_link()));
    let frame = lab.to_stranger.pop().expect("R2 answers SYN");
    let (source, destination, protocol, _, tcp) = heard(&frame).unwrap();
    assert_eq!((source, destination, protocol), (r2_on_link(), ADDRESS, 6));
    assert_eq!(tcp[13], 0x12, "SYN and ACK");
    lab.put(stranger6::datagram(4000, 7, r2_on_link(), b"hello"));
    let frame = lab.to_stranger.pop().expect("R2 answers a datagram");
    assert!(frame.ends_with(b"hello"));
    lab.everybody_leaves();
}
