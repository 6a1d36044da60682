//! Answers that no honest DHCP server gives.

use r2_node::Reason;
use r2_sim::stranger::{MAC, datagram_to};
use smoltcp::wire::{IpCidr, Ipv4Address, Ipv4Cidr};

use super::lease_lab::{ACK, Answer, DISCOVER, EVERYBODY, LEASED, Lab, NAK, OFFER, OURS, REQUEST, seconds};

/// What nobody may make of an answer: each is an offer, and an acknowledgement, that is not believed.
#[test]
fn answers_that_make_no_sense_are_ignored() {
    type Change = fn(Answer) -> Answer;
    let forged: [(&str, Change); 21] = [
        ("another number", |mut answer| {
            answer.number[3] ^= 1;
            answer
        }),
        ("another machine", |mut answer| {
            answer.client = MAC;
            answer
        }),
        ("nobody's address", |answer| yours(answer, [0, 0, 0, 0])),
        ("loopback", |answer| yours(answer, [127, 0, 0, 1])),
        ("a group", |answer| yours(answer, [224, 0, 0, 1])),
        ("everybody", |answer| yours(answer, [255, 255, 255, 255])),
        ("class E", |answer| yours(answer, [240, 0, 0, 1])),
        ("link-local", |answer| {
            yours(answer, [169, 254, 1, 1]).with(3, &[])
        }),
        ("the network", |answer| yours(answer, [192, 168, 69, 0])),
        ("its broadcast", |answer| yours(answer, [192, 168, 69, 255])),
        ("no mask", |answer| answer.with(1, &[])),
        ("a mask with a hole", |answer| answer.with(1, &[255, 0, 255, 0])),
        ("a mask of half the world", |answer| {
            answer.with(1, &[128, 0, 0, 0])
        }),
        ("a mask of nothing", |answer| answer.with(1, &[0, 0, 0, 0])),
        ("a mask of one", |answer| answer.with(1, &[255, 255, 255, 255])),
        ("a router elsewhere", |answer| answer.with(3, &[10, 0, 0, 1])),
        ("a router that is us", |answer| answer.with(3, &LEASED.octets())),
        ("no server", |answer| answer.with(54, &[])),
        ("a server at loopback", |answer| answer.with(54, &[127, 0, 0, 1])),
        ("no time", |answer| answer.with(51, &[0, 0, 0, 0])),
        ("no length of time", |answer| answer.with(51, &[])),
    ];
    for (what, forge) in forged {
        let mut lab = Lab::new();
        let number = lab.hears(DISCOVER).number;
        lab.put(forge(Answer::new(OFFER, number, 120)).frame());
        assert_eq!(lab.asked.len(), 1, "an offer of {what}");
        lab.put(Answer::new(OFFER, number, 120).frame());
        lab.put(forge(Answer::new(ACK, number, 120)).frame());
        lab.pass(2);
        assert_eq!(lab.arp, [], "an acknowledgement of {what}");
        assert_eq!(lab.world.dropped(Reason::NoAnswer), 2, "{what}");
    }
}

fn yours(mut answer: Answer, address: [u8; 4]) -> Answer {
    answer.yours = address.into();
    answer
}

#[test]
fn nothing_is_believed_that_was_not_asked_for() {
    let mut lab = Lab::new();
    lab.lease(120);
    let number = lab.asked.last().unwrap().number;
    for kind in [OFFER, ACK, NAK] {
        lab.put(Answer::new(kind, number, 100_000).frame());
    }
    assert!(lab.address().is_some());
    let renew = lab.hears(REQUEST);
    assert_ne!(renew.number, number);
    assert!((59.0..61.0).contains(&seconds(lab.asked[1].at, renew.at)));
    // Another address is no renewal of this one.
    lab.put(yours(Answer::new(ACK, renew.number, 100_000), [192, 168, 69, 51]).frame());
    assert_eq!(lab.hears(REQUEST).to, EVERYBODY);
}

/// A few bytes of an honest answer are anything: the node has no address then, or one that can be.
#[test]
fn no_answer_makes_the_node_stumble() {
    let mut chance = 1_u64;
    let mut up_to = |bound: usize| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(chance >> 33).unwrap() % bound
    };
    let mut leased = 0;
    for _ in 0..2_000 {
        let mut lab = Lab::new();
        let number = lab.hears(DISCOVER).number;
        for kind in [OFFER, ACK, ACK, NAK] {
            let mut bytes = Answer::new(kind, number, 120).bytes();
            for _ in 0..up_to(3) {
                let at = [16 + up_to(4), 240 + up_to(bytes.len() - 240)][up_to(2)];
                bytes[at] = up_to(256).try_into().unwrap();
            }
            bytes.truncate([bytes.len(), up_to(bytes.len())][usize::from(up_to(8) == 0)]);
            lab.put(datagram_to(OURS, LEASED, 67, 68, &bytes));
        }
        lab.pass(8);
        if let Some(address) = lab.address() {
            leased += 1;
            let octets: Ipv4Address = address.split('/').next().unwrap().parse().unwrap();
            assert!(matches!(octets.octets()[0], 1..=126 | 128..=223), "{address}");
        }
    }
    assert!(leased > 100, "{leased} of them were honest");
}

#[test]
fn a_server_need_not_be_among_those_that_may_talk_to_the_node() {
    const FRIENDS: &[IpCidr] = &[IpCidr::Ipv4(Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, 0), 8))];
    let mut lab = Lab::with(|config| {
        config.dhcp = Some("r2");
        config.allow = FRIENDS;
    });
    lab.lease(120);
    lab.put(datagram_to(OURS, LEASED, 4000, 7, b"something else"));
    assert_eq!(lab.world.dropped(Reason::NotAllowed), 1);
}
