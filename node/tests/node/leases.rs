//! An IPv4 address that the node finds by itself: every message of DHCP and every probe, at its time.

use std::collections::BTreeSet;

use r2_sim::stranger::{ADDRESS, Heard, MAC, Said};
use smoltcp::time::Instant;
use smoltcp::wire::{ArpOperation, EthernetAddress, IpCidr, Ipv4Cidr, TcpControl};

use super::lease_lab::{
    ACK, Answer, DECLINE, DISCOVER, EVERYBODY, LEASED, Lab, NAK, NOBODY, OFFER, OURS, REQUEST, arp, seconds,
};

#[test]
fn an_address_is_offered_requested_probed_and_announced() {
    let mut lab = Lab::new();
    let discover = lab.hears(DISCOVER);
    assert_eq!((discover.from, discover.to), (NOBODY, EVERYBODY));
    assert_eq!(discover.to_mac, EthernetAddress::BROADCAST);
    assert_eq!(discover.option(12), Some(&b"r2"[..]));
    assert_eq!(discover.option(61), Some(&[1, 0x02, 0x52, 0x32, 1, 2, 3][..]));
    assert_eq!(discover.option(55), Some(&[1, 3, 58, 59][..]));
    lab.put(Answer::new(OFFER, discover.number, 120).frame());
    let request = lab.asked.last().unwrap().clone();
    assert_eq!(
        (request.kind, request.number, request.to),
        (REQUEST, discover.number, EVERYBODY)
    );
    assert_eq!(request.option(50), Some(&LEASED.octets()[..]));
    assert_eq!(request.option(54), Some(&ADDRESS.octets()[..]));
    lab.put(Answer::new(ACK, discover.number, 120).frame());
    assert_eq!(lab.address(), None, "it is probed first");
    assert!(lab.until(8, |lab| lab.address().is_some()));
    lab.pass(4);
    let from: Vec<_> = lab.arp.iter().map(|(_, from, about)| (*from, *about)).collect();
    assert_eq!(
        from,
        [NOBODY, NOBODY, NOBODY, LEASED, LEASED].map(|from| (from, LEASED))
    );
    let gaps: Vec<_> = lab
        .arp
        .windows(2)
        .map(|pair| seconds(pair[0].0, pair[1].0))
        .collect();
    assert!(
        (1.0..2.0).contains(&gaps[0]) && (1.0..2.0).contains(&gaps[1]),
        "{gaps:?}"
    );
    assert!(
        (2.0..2.01).contains(&gaps[2]) && (2.0..2.01).contains(&gaps[3]),
        "{gaps:?}"
    );
    assert!(seconds(request.at, lab.arp[0].0) < 1.0);
}

#[test]
fn a_server_is_asked_again_and_more_and_more_slowly() {
    let mut lab = Lab::new();
    lab.pass(300);
    let kinds: Vec<_> = lab.asked.iter().map(|asked| asked.kind).collect();
    assert!(kinds.iter().all(|kind| *kind == DISCOVER));
    let gaps: Vec<_> = lab
        .asked
        .windows(2)
        .map(|pair| seconds(pair[0].at, pair[1].at))
        .collect();
    for (gap, about) in gaps.iter().zip([4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0]) {
        assert!((about - 1.0..about + 1.0).contains(gap), "{gaps:?}");
    }
    // An answer to the last counts as one to the first.
    let number = lab.asked[0].number;
    lab.put(Answer::new(OFFER, number, 120).frame());
    assert_eq!(lab.asked.last().unwrap().kind, REQUEST);
}

#[test]
fn an_offer_that_is_not_kept_is_asked_for_four_times() {
    let mut lab = Lab::new();
    let number = lab.hears(DISCOVER).number;
    lab.put(Answer::new(OFFER, number, 120).frame());
    for _ in 0..3 {
        lab.hears(REQUEST);
    }
    assert_ne!(lab.hears(DISCOVER).number, number);
}

#[test]
fn a_lease_is_renewed_by_its_server_then_by_any_and_then_it_ends() {
    let mut lab = Lab::new();
    lab.lease(1000);
    let leased_at = lab.asked.last().unwrap().at;
    let renew = lab.hears(REQUEST);
    assert!((499.9..500.1).contains(&seconds(leased_at, renew.at)));
    assert_eq!(
        (renew.from, renew.own, renew.to, renew.to_mac),
        (LEASED, LEASED, ADDRESS, MAC)
    );
    assert_eq!((renew.option(50), renew.option(54)), (None, None));
    lab.put(Answer::new(ACK, renew.number, 1000).frame());
    // From now on nobody answers: half of what is left until T2, a minute at least, and then everybody is asked.
    let times: Vec<_> = (0..7).map(|_| lab.hears(REQUEST)).collect();
    let at: Vec<_> = times.iter().map(|asked| seconds(renew.at, asked.at)).collect();
    for (at, about) in at.iter().zip([500.0, 687.5, 781.25, 841.25, 875.0, 937.5, 997.5]) {
        assert!((about - 0.1..about + 0.1).contains(at), "{at} {about}");
    }
    let to: Vec<_> = times.iter().map(|asked| asked.to == EVERYBODY).collect();
    assert_eq!(to, [false, false, false, false, true, true, true]);
    assert!(lab.address().is_some());
    lab.pass(3);
    assert_eq!(lab.address(), None);
    assert_eq!(lab.hears(DISCOVER).own, NOBODY);
}

#[test]
fn another_server_may_go_on_with_a_lease_once_its_own_does_not() {
    let mut lab = Lab::new();
    lab.lease(1000);
    let other = [192, 168, 69, 77];
    let renew = lab.hears(REQUEST);
    lab.put(Answer::new(ACK, renew.number, 1000).with(54, &other).frame());
    let rebind = (0..9)
        .map(|_| lab.hears(REQUEST))
        .find(|asked| asked.to == EVERYBODY)
        .unwrap();
    lab.put(
        Answer::new(ACK, rebind.number, 1000)
            .with(54, &other)
            .with(3, &other)
            .frame(),
    );
    let renew = lab.hears(REQUEST);
    assert_eq!(renew.to.octets(), other);
    assert!((499.9..500.1).contains(&seconds(rebind.at, renew.at)));
    assert_eq!(lab.arp.len(), 5, "what is the node's is not probed again");
}

#[test]
fn t1_and_t2_are_the_servers_where_they_are_in_order() {
    for (t1, t2, renewed_at) in [
        (100_u32, 200_u32, 100.0),
        (300, 200, 500.0),
        (100, 1000, 500.0),
        (0, 9, 500.0),
    ] {
        let mut lab = Lab::new();
        let number = lab.hears(DISCOVER).number;
        lab.put(Answer::new(OFFER, number, 1000).frame());
        let asked_at = lab.asked.last().unwrap().at;
        let ack = Answer::new(ACK, number, 1000)
            .with(58, &t1.to_be_bytes())
            .with(59, &t2.to_be_bytes());
        lab.put(ack.frame());
        let at = lab
            .until(600, |lab| lab.asked.len() == 3)
            .then(|| lab.asked[2].at)
            .unwrap();
        let at = seconds(asked_at, at);
        assert!(
            (renewed_at - 0.1..renewed_at + 0.1).contains(&at),
            "{t1} {t2}: {at}"
        );
    }
}

#[test]
fn a_lease_without_end_is_never_renewed() {
    let mut lab = Lab::new();
    lab.lease(u32::MAX);
    let asked = lab.asked.len();
    lab.pass(10_000_000);
    assert_eq!((lab.asked.len(), lab.address().is_some()), (asked, true));
}

#[test]
fn a_lease_that_is_refused_ends_and_another_one_is_asked_for() {
    let mut lab = Lab::new();
    lab.lease(120);
    let renew = lab.hears(REQUEST);
    let nak = Answer::new(NAK, renew.number, 120);
    lab.put(nak.clone().with(54, &[192, 168, 69, 77]).frame());
    assert!(lab.address().is_some(), "its server does not refuse it");
    lab.put(nak.frame());
    assert_eq!(lab.address(), None);
    let again = lab.hears(DISCOVER);
    assert!((0.9..1.1).contains(&seconds(renew.at, again.at)));
    // Its second message of the kind is of another exchange.
    lab.put(Answer::new(OFFER, again.number, 120).frame());
    lab.put(Answer::new(NAK, again.number, 120).frame());
    assert_eq!(lab.hears(DISCOVER).own, NOBODY);
}

#[test]
fn an_address_that_somebody_has_is_declined_and_another_one_taken() {
    for claim in [
        // An answer to the probe, and somebody who probes as well.
        arp(ArpOperation::Reply, MAC, LEASED, NOBODY),
        arp(ArpOperation::Request, MAC, NOBODY, LEASED),
    ] {
        let mut lab = Lab::new();
        let number = lab.hears(DISCOVER).number;
        lab.put(Answer::new(OFFER, number, 120).frame());
        lab.put(Answer::new(ACK, number, 120).frame());
        assert!(lab.until(3, |lab| !lab.arp.is_empty()));
        lab.put(claim);
        let decline = lab.asked.last().filter(|asked| asked.kind == DECLINE).cloned();
        let decline = decline.unwrap_or_else(|| lab.hears(DECLINE));
        assert_eq!(decline.option(50), Some(&LEASED.octets()[..]));
        assert_eq!(decline.option(54), Some(&ADDRESS.octets()[..]));
        let again = lab.hears(DISCOVER);
        assert!((9.9..10.1).contains(&seconds(decline.at, again.at)));
        assert_eq!(lab.address(), None);
    }
}

#[test]
fn an_address_is_defended_once_in_ten_seconds() {
    let mut lab = Lab::new();
    lab.lease(100_000);
    lab.pass(20);
    let claim = arp(ArpOperation::Request, MAC, LEASED, LEASED);
    for _ in 0..3 {
        let announced = lab.arp.len();
        lab.put(claim.clone());
        lab.pass(11);
        assert_eq!((lab.arp.len(), lab.address().is_some()), (announced + 1, true));
    }
    lab.put(claim.clone());
    lab.pass(9);
    lab.put(claim);
    assert_eq!(lab.address(), None, "who insists has it");
    assert!(lab.asked.iter().any(|asked| asked.kind == DECLINE));
}

#[test]
fn without_a_server_the_address_is_link_local_until_one_comes() {
    let mut lab = Lab::new();
    assert!(lab.until(20, |lab| lab.address().is_some()));
    assert!((10.0..16.0).contains(&seconds(Instant::ZERO, lab.now)));
    let own = lab.address().unwrap();
    assert!(own.starts_with("169.254.") && own.ends_with("/16"), "{own}");
    let number = lab.hears(DISCOVER).number;
    assert_eq!(lab.address().unwrap(), own, "DHCP goes on trying meanwhile");
    lab.put(Answer::new(OFFER, number, 120).frame());
    lab.put(Answer::new(ACK, number, 120).frame());
    lab.pass(8);
    assert_eq!(lab.address().unwrap(), "192.168.69.50/24");
    // The same at every start, whatever the secret.
    let mut again = Lab::with(|config| {
        config.dhcp = Some("r2");
        config.secret = [9; 16];
    });
    again.pass(20);
    assert_eq!(again.address().unwrap(), own);
}

#[test]
fn a_link_local_address_that_somebody_has_is_left_for_another() {
    let mut lab = Lab::new();
    let mut tried = Vec::new();
    for _ in 0..12 {
        let probes = lab.arp.len();
        assert!(lab.until(80, |lab| lab.arp.len() > probes));
        let (at, _, address) = *lab.arp.last().unwrap();
        let [.., third, _] = address.octets();
        assert!(address.octets().starts_with(&[169, 254]) && (1..=254).contains(&third));
        tried.push((at, address));
        lab.put(arp(ArpOperation::Reply, MAC, address, NOBODY));
    }
    let addresses: BTreeSet<_> = tried.iter().map(|(_, address)| *address).collect();
    assert_eq!(addresses.len(), tried.len(), "each is another one");
    assert!(
        seconds(tried[10].0, tried[11].0) >= 60.0,
        "after ten of them slowly"
    );
    assert!(lab.until(80, |lab| lab.address().is_some()));
}

fn said(control: TcpControl, seq: u32, ack: Option<u32>) -> Said<'static> {
    Said {
        control,
        seq,
        ack,
        from: 4000,
        to: 7,
        payload: b"",
    }
}

#[test]
fn connections_to_an_address_that_is_lost_are_reset_and_counted() {
    let mut lab = Lab::new();
    lab.lease(60);
    lab.put(said(TcpControl::Syn, 100, None).frame_to(OURS, LEASED));
    let syn_ack = lab
        .other
        .iter()
        .find_map(|frame| Heard::read(frame))
        .expect("a SYN-ACK");
    lab.put(said(TcpControl::None, 101, Some(syn_ack.end())).frame_to(OURS, LEASED));
    assert_eq!(lab.world.sessions_open, 1);
    lab.other.clear();
    // Nobody renews the lease. The peer's silence would end its connection later.
    assert!(lab.until(70, |lab| lab.address().is_none()));
    lab.pass(1);
    let reset = lab
        .other
        .iter()
        .filter_map(|frame| Heard::read(frame))
        .find(|heard| heard.rst);
    assert!(reset.is_some());
    assert_eq!((lab.world.sessions_open, lab.world.sessions_readdressed), (0, 1));
    // To what is gone nobody answers, and there is an address again.
    lab.other.clear();
    lab.put(said(TcpControl::Syn, 100, None).frame_to(OURS, LEASED));
    assert!(lab.other.is_empty());
    assert!(lab.until(20, |lab| lab.address().is_some()));
}

#[test]
fn an_address_that_was_given_is_kept_whatever_others_say() {
    const GIVEN: &[IpCidr] = &[IpCidr::Ipv4(Ipv4Cidr::new(LEASED, 24))];
    let mut lab = Lab::with(|config| config.addresses = GIVEN);
    assert_eq!(lab.turn(), None, "it asks for nothing");
    for _ in 0..5 {
        lab.put(arp(ArpOperation::Request, MAC, LEASED, LEASED));
        lab.put(arp(ArpOperation::Reply, MAC, LEASED, ADDRESS));
        lab.put(Answer::new(ACK, [0; 4], 120).frame());
    }
    assert_eq!(lab.address().unwrap(), "192.168.69.50/24");
    assert_eq!((lab.asked.len(), lab.arp.len()), (0, 0));
}
