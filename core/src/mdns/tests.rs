use super::records::{Manner, Own, Records, Set};
use super::wire::{ANY, DnsWriter, PTR, Section, Written};
use super::*;
use crate::group::Group;
use crate::time::{Duration, Instant};
use core::net::{IpAddr, SocketAddr};
use proptest::prelude::*;
use std::borrow::ToOwned;
use std::format;
use std::string::String;
use std::vec::Vec;

const PORTS: [(&str, u16); 2] = [("chat", 5000), ("secret", 5010)];
const OURS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 168, 69, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
];
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 168, 69, 100)), PORT);
const OTHER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 168, 69, 101)), PORT);
const LEGACY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 168, 69, 100)), 40_000);

/// A responder with a clock.
struct Machine<'a> {
    responder: Responder<'a>,
    now: Instant,
    /// What it said to all, and when.
    said: Vec<(u64, Vec<u8>)>,
}

impl<'a> Machine<'a> {
    fn begin(name: &'a str, addresses: &[IpAddr], random: u32) -> Self {
        let mut responder = Responder::new(name, &PORTS, random);
        responder.moved(Instant::default(), addresses);
        Self {
            responder,
            now: Instant::default(),
            said: Vec::new(),
        }
    }

    /// One that has its name.
    fn known() -> Self {
        let mut machine = Self::begin("r2", &OURS, 7);
        machine.pass(5_000);
        machine.said.clear();
        machine
    }

    /// Lets so many milliseconds pass.
    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.responder.poll_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let mut room = [0; MESSAGE_MAX];
            if let Some(length) = self.responder.transmit(self.now, &mut room) {
                self.said.push((self.now.as_millis(), room[..length].to_vec()));
            }
        }
        self.now = end;
    }

    fn hears(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let mut room = [0; MESSAGE_MAX];
        let length = self.responder.receive(self.now, from, datagram, &mut room)?;
        Some(room[..length].to_vec())
    }

    fn name(&self) -> Option<String> {
        self.responder.name().map(ToOwned::to_owned)
    }

    /// What it has said since this was last asked.
    fn told(&mut self) -> Vec<Vec<String>> {
        self.said.drain(..).map(|(_, message)| lines(&message)).collect()
    }
}

fn name(name: DomainName<'_>) -> String {
    let labels: Vec<_> = name.labels().map(String::from_utf8_lossy).collect();
    labels.join(".")
}

/// A message as text: a line for each question and record.
fn lines(bytes: &[u8]) -> Vec<String> {
    let message = DnsMessage::parse(bytes).expect("a message");
    let questions = message.questions().map(|question| {
        let unicast = if question.unicast { " QU" } else { "" };
        format!("? {} {}{unicast}", name(question.name), question.kind)
    });
    let records = message.all_records().map(|record| {
        let data = match record.target() {
            Some(target) => name(target),
            None if record.kind == TXT => String::from_utf8_lossy(record.data).into_owned(),
            None => format!("{:?}", record.data),
        };
        format!("{} {} {} {data}", name(record.name), record.kind, record.ttl)
    });
    questions.chain(records).collect()
}

fn question(labels: &str, kind: u16, unicast: bool) -> Vec<u8> {
    let mut room = [0; MESSAGE_MAX];
    let mut message = DnsWriter::new(&mut room);
    message.question(labels.split('.').map(str::as_bytes), kind, unicast);
    let length = message.finish(0, false).unwrap();
    room[..length].to_vec()
}

/// What a machine of that name and these addresses says in one section, behind a question for `asked`.
fn message(
    label: &str,
    addresses: &[IpAddr],
    (set, section, ttl): (Set, Section, Option<u32>),
    asked: Option<(&str, u16)>,
) -> Vec<u8> {
    let records = Records {
        label: label.try_into().unwrap(),
        ports: &PORTS,
        addresses: addresses.iter().copied().collect(),
    };
    let mut room = [0; MESSAGE_MAX];
    let mut message = DnsWriter::new(&mut room);
    if let Some((name, kind)) = asked {
        message.question(name.split('.').map(str::as_bytes), kind, false);
    }
    match ttl {
        None => records.write(set, section, Manner::Good, &mut message),
        Some(ttl) => {
            let how = Written {
                section,
                unique: true,
                ttl,
            };
            let IpAddr::V4(address) = addresses[0] else {
                panic!("an address of IPv4")
            };
            message.record(records.host(), A, how, |to| to.bytes(&address.octets()));
        }
    }
    let length = message.finish(0, asked.is_none()).unwrap();
    room[..length].to_vec()
}

fn probe_of(label: &str, addresses: &[IpAddr]) -> Vec<u8> {
    message(
        label,
        addresses,
        (Set::PROBED, Section::Authority, None),
        Some((&format!("{label}.local"), ANY)),
    )
}

fn claim_of(label: &str, addresses: &[IpAddr]) -> Vec<u8> {
    message(
        label,
        addresses,
        (Set::of(&[Own::V4]), Section::Answer, None),
        None,
    )
}

fn v4(last: u8) -> [IpAddr; 1] {
    [IpAddr::V4(Ipv4Addr::new(192, 168, 69, last))]
}

/// What avahi 0.8 answers who looks for services: the names are compressed.
const COMPRESSED: &[u8] = &[
    0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 1, // one answer, one additional record
    3, b'_', b'r', b'2', 4, b'_', b't', b'c', b'p', 5, b'l', b'o', b'c', b'a', b'l', 0, // at 12
    0, 12, 0, 1, 0, 0, 0x11, 0x94, 0, 5, 2, b'R', b'2', 0xc0, 12, // PTR R2._r2._tcp.local, at 38
    0xc0, 38, 0, 33, 0x80, 1, 0, 0, 0, 120, 0, 11, 0, 0, 0, 0, 0x13, 0x88, 2, b'r', b'2', 0xc0,
    21, // SRV
];

#[test]
fn names_are_read_behind_pointers_and_compared_without_case() {
    assert_eq!(
        lines(COMPRESSED),
        [
            "_r2._tcp.local 12 4500 R2._r2._tcp.local",
            "R2._r2._tcp.local 33 120 r2.local"
        ]
    );
    let message = DnsMessage::parse(COMPRESSED).unwrap();
    let srv = message.records().nth(1).unwrap();
    assert!(srv.name.is([&b"r2"[..], b"_R2", b"_tcp", b"LOCAL"]));
    assert!(!srv.name.is([&b"r2"[..], b"_r2", b"_tcp"]));
    assert!(!srv.name.is([&b"r2"[..], b"_r2", b"_tcp", b"local", b"net"]));
}

#[test]
fn a_name_that_does_not_end_is_none() {
    let header = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for bad in [
        &[0xc0, 12][..],       // to itself
        &[0xc0, 14, 0xc0, 12], // to what is behind it
        &[1, b'a', 0xc0, 12],  // round and round
        &[0xc0, 200],          // to nowhere
        &[0xc0],               // half a pointer
        &[64, b'a'],           // neither a label nor a pointer
        &[5, b'a', b'b'],      // half a label
        &[1, b'a'],            // no end
    ] {
        let bytes = [&header, bad, &[0, 1, 0, 1]].concat();
        let message = DnsMessage::parse(&bytes).unwrap();
        assert_eq!(message.questions().count(), 0, "{bad:?}");
        assert!(message.all_questions().is_none());
    }
    // 127 labels of one byte are 254 bytes and the root; one more is too many.
    for (labels, count) in [(127, 1), (128, 0)] {
        let name = [1, b'a'].repeat(labels);
        let bytes = [&header[..], &name, &[0, 0, 1, 0, 1]].concat();
        let message = DnsMessage::parse(&bytes).unwrap();
        assert_eq!(message.questions().count(), count);
    }
}

#[test]
fn a_message_of_an_error_or_of_another_kind_is_none() {
    for (at, bits) in [(2, 0x08), (2, 0x78), (3, 0x03)] {
        let mut bytes = question("r2.local", A, false);
        assert!(DnsMessage::parse(&bytes).is_some());
        bytes[at] |= bits;
        assert!(DnsMessage::parse(&bytes).is_none());
    }
    assert!(DnsMessage::parse(&[0; 11]).is_none());
}

#[test]
fn a_machine_asks_three_times_for_its_name_and_says_twice_that_it_has_it() {
    let mut machine = Machine::begin("r2", &OURS, 7);
    machine.pass(10_000);
    let at: Vec<_> = machine.said.iter().map(|(at, _)| *at).collect();
    assert!(at[0] < 250);
    let after: Vec<_> = at.iter().map(|later| later - at[0]).collect();
    assert_eq!(after, [0, 250, 500, 750, 1750]);
    let told = machine.told();
    let (v4, v6) = (
        "r2.local 1 120 [192, 168, 69, 1]",
        "r2.local 28 120 [254, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]",
    );
    let (txt, srv) = (
        "r2._r2._tcp.local 16 4500 \tchat=5000\u{b}secret=5010",
        "r2._r2._tcp.local 33 120 r2.local",
    );
    let probe = [
        "? r2.local 255 QU",
        "? r2._r2._tcp.local 255 QU",
        v4,
        v6,
        txt,
        srv,
    ];
    assert_eq!(told[..3], [probe; 3]);
    let (service, types) = (
        "_r2._tcp.local 12 4500 r2._r2._tcp.local",
        "_services._dns-sd._udp.local 12 4500 _r2._tcp.local",
    );
    assert_eq!(told[3..], [[v4, v6, txt, srv, service, types]; 2]);
    assert_eq!(machine.name().as_deref(), Some("r2"));
}

#[test]
fn a_name_that_somebody_has_is_not_taken() {
    let mut machine = Machine::begin("r2", &OURS, 7);
    machine.pass(400);
    machine.hears(PEER, &claim_of("R2", &v4(100)));
    machine.pass(400);
    machine.hears(PEER, &claim_of("r2-2", &v4(100)));
    machine.pass(3_000);
    assert_eq!(machine.name().as_deref(), Some("r2-3"));
    // What the others are called is none of its business any more.
    machine.said.clear();
    machine.hears(PEER, &claim_of("r2", &v4(100)));
    machine.pass(3_000);
    assert_eq!((machine.name().as_deref(), machine.said.len()), (Some("r2-3"), 0));
}

#[test]
fn a_record_that_says_what_it_says_itself_is_no_conflict() {
    let mut machine = Machine::begin("r2", &OURS, 7);
    machine.pass(400);
    machine.hears(PEER, &claim_of("r2", &OURS[..1]));
    machine.pass(3_000);
    machine.hears(PEER, &claim_of("r2", &OURS[..1]));
    assert_eq!(machine.name().as_deref(), Some("r2"));
}

#[test]
fn a_name_that_somebody_claims_later_is_asked_for_again_and_given_up_if_it_is_defended() {
    for defended in [false, true] {
        let mut machine = Machine::known();
        machine.hears(PEER, &claim_of("r2", &v4(100)));
        assert_eq!(machine.name(), None);
        machine.pass(400);
        assert_eq!(machine.told()[0][0], "? r2.local 255 QU");
        if defended {
            machine.hears(PEER, &claim_of("r2", &v4(100)));
        }
        machine.pass(3_000);
        assert_eq!(
            machine.name().as_deref(),
            Some(if defended { "r2-2" } else { "r2" })
        );
    }
}

#[test]
fn whoever_claims_every_name_is_asked_ever_more_slowly() {
    let mut machine = Machine::begin("r2", &OURS, 7);
    for _ in 0..600 {
        machine.pass(100);
        let label = machine.responder.name().map(ToOwned::to_owned);
        let asked = machine.told().pop().map(|probe| probe[0].clone());
        let asked = asked.and_then(|line| Some(line.strip_prefix("? ")?.split('.').next()?.to_owned()));
        if let Some(label) = asked.or(label) {
            machine.hears(PEER, &claim_of(&label, &v4(100)));
        }
    }
    // In a minute it loses its first name and 15 in the first seconds, and then one in 5 s.
    assert!(machine.responder.name().is_none());
    let number = 1 + 15 + 60 / 5;
    machine.pass(10_000);
    let name = machine.name().unwrap();
    let reached: u32 = name.strip_prefix("r2-").unwrap().parse().unwrap();
    assert!((16..=number).contains(&reached), "{name}");
}

#[test]
fn of_two_that_ask_at_once_the_one_whose_records_come_later_has_the_name() {
    for (last, name) in [(0, "r2"), (200, "r2-2")] {
        let mut machine = Machine::begin("r2", &OURS, 7);
        machine.pass(400);
        let sent = machine.told().len();
        assert!(sent > 0);
        machine.hears(PEER, &probe_of("r2", &v4(last)));
        machine.pass(900);
        let waits = name != "r2";
        assert_eq!(machine.said.is_empty(), waits, "{last}");
        if waits {
            machine.pass(200);
            machine.hears(PEER, &claim_of("r2", &v4(last)));
        }
        machine.pass(3_000);
        assert_eq!(machine.name().as_deref(), Some(name));
    }
}

/// Both hear each other: the addresses and what is behind them decide for both names at once.
#[test]
fn two_machines_that_start_at_once_have_two_names() {
    for (one, other) in [(v4(1), v4(2)), (v4(9), v4(3))] {
        for seeds in [(7, 7), (1, 99), (12345, 3)] {
            let mut machines = [
                Machine::begin("r2", &one, seeds.0),
                Machine::begin("r2", &other, seeds.1),
            ];
            let mut heard = [0, 0];
            for _ in 0..10_000 {
                for index in [0, 1] {
                    machines[index].pass(1);
                    while let Some((_, said)) = machines[index].said.get(heard[index]).cloned() {
                        heard[index] += 1;
                        machines[1 - index].hears(if index == 0 { PEER } else { OTHER }, &said);
                    }
                }
            }
            let mut names = machines.each_ref().map(Machine::name);
            names.sort();
            assert_eq!(names, [Some("r2".into()), Some("r2-2".into())]);
        }
    }
}

#[test]
fn what_is_asked_is_answered_and_what_is_asked_next_with_it() {
    let mut machine = Machine::known();
    for (asked, kind, answer) in [
        ("R2.LOCAL", A, &[1, 28][..]),
        ("r2.local", 28, &[28, 1]),
        ("r2.local", ANY, &[1, 28]),
        ("r2._r2._tcp.local", SRV, &[33, 1, 28]),
        ("r2._r2._tcp.local", TXT, &[16]),
        ("_r2._tcp.local", PTR, &[12, 1, 28, 16, 33]),
        ("_services._dns-sd._udp.local", PTR, &[12]),
        ("r2.local", 65, &[47]),
        ("r2-2.local", A, &[]),
        ("local", ANY, &[]),
    ] {
        machine.pass(2_000);
        machine.said.clear();
        assert_eq!(machine.hears(PEER, &question(asked, kind, false)), None);
        machine.pass(150);
        let mut kinds: Vec<u16> = machine
            .told()
            .iter()
            .flatten()
            .map(|line| line.split(' ').nth(1).unwrap().parse().unwrap())
            .collect();
        let mut answer = answer.to_vec();
        kinds.sort_unstable();
        answer.sort_unstable();
        assert_eq!(kinds, answer, "{asked} {kind}");
    }
}

#[test]
fn that_there_is_no_such_record_is_said_of_the_machine() {
    let mut machine = Machine::begin("r2", &OURS[..1], 7);
    machine.pass(5_000);
    machine.said.clear();
    machine.hears(PEER, &question("r2.local", AAAA, false));
    machine.pass(100);
    let (_, answer) = &machine.said[0];
    let nsec = DnsMessage::parse(answer).unwrap().records().next().unwrap();
    // The name, uncompressed, and the bit of A.
    assert_eq!(
        (nsec.kind, nsec.data),
        (47, &b"\x02r2\x05local\0\0\x04\x40\0\0\0"[..])
    );
}

#[test]
fn a_record_is_told_once_a_second_and_four_times_where_its_name_is_claimed() {
    for (asked, most) in [
        (question("r2.local", A, false), 10),
        (probe_of("r2", &v4(100)), 40),
    ] {
        let mut machine = Machine::known();
        machine.pass(1_000);
        for _ in 0..10_000 {
            machine.hears(PEER, &asked);
            machine.pass(1);
        }
        assert!(
            (most - 1..=most + 1).contains(&machine.said.len()),
            "{}",
            machine.said.len()
        );
    }
}

#[test]
fn what_is_known_is_not_answered() {
    let host = Set::of(&[Own::V4, Own::V6]);
    let asked = Some(("r2.local", A));
    let mut machine = Machine::known();
    machine.hears(PEER, &message("r2", &OURS, (host, Section::Answer, None), asked));
    machine.pass(1_500);
    assert_eq!(machine.said.len(), 0);
    // Another address, and one that is about to be forgotten.
    machine.hears(
        PEER,
        &message("r2", &v4(100), (host, Section::Answer, None), asked),
    );
    machine.pass(1_500);
    machine.hears(
        PEER,
        &message("r2", &OURS, (host, Section::Answer, Some(59)), asked),
    );
    machine.pass(1_500);
    machine.hears(
        PEER,
        &message("r2", &OURS, (host, Section::Answer, Some(60)), asked),
    );
    machine.pass(1_500);
    assert_eq!(machine.said.len(), 2);
}

#[test]
fn a_question_that_goes_on_is_answered_when_it_has_ended() {
    for (follows_from, answers) in [(PEER, 0), (OTHER, 1)] {
        let mut machine = Machine::known();
        let mut asked = question("r2.local", A, false);
        asked[2] |= 0x02;
        machine.hears(PEER, &asked);
        machine.pass(300);
        let known = (Set::of(&[Own::V4]), Section::Answer, None);
        let mut known = message("r2", &OURS, known, Some(("x", A)));
        // Known answers without a question: the flags of a query, and no question.
        let question = 4 + 3;
        known.drain(12..12 + question);
        known[5] = 0;
        machine.hears(follows_from, &known);
        assert_eq!(machine.said.len(), 0);
        machine.pass(1_000);
        assert_eq!(machine.said.len(), answers);
    }
}

#[test]
fn who_knows_no_multicast_dns_is_answered_alone_with_its_number_and_its_question() {
    let mut machine = Machine::known();
    let mut asked = question("r2.local", A, false);
    [asked[0], asked[1]] = [0x12, 0x34];
    let answer = machine.hears(LEGACY, &asked).unwrap();
    assert_eq!(answer[..4], [0x12, 0x34, 0x84, 0]);
    let lines = lines(&answer);
    assert_eq!(lines[..2], ["? r2.local 1", "r2.local 1 10 [192, 168, 69, 1]"]);
    // Its class is the Internet's, without the bit.
    assert_eq!(answer[26 + 12..26 + 14], [0, 1]);
    machine.pass(5_000);
    assert_eq!(machine.said.len(), 0);
    let probe = probe_of("r2", &v4(100));
    assert!(machine.hears(LEGACY, &probe).is_some());
    machine.pass(5_000);
    assert_eq!((machine.said.len(), machine.name().as_deref()), (0, Some("r2")));
}

#[test]
fn who_wants_the_answer_alone_has_it_if_all_were_told_lately() {
    let mut machine = Machine::known();
    let asked = question("r2.local", A, true);
    assert!(machine.hears(PEER, &asked).is_some());
    machine.pass(30_000);
    assert_eq!((machine.said.len(), machine.hears(PEER, &asked)), (0, None));
    machine.pass(10);
    assert_eq!(machine.said.len(), 1);
}

#[test]
fn what_others_say_ends_too_early_is_told_again() {
    let mut machine = Machine::known();
    let early = |ttl| {
        message(
            "r2",
            &OURS,
            (Set::of(&[Own::V4]), Section::Answer, Some(ttl)),
            None,
        )
    };
    machine.pass(2_000);
    machine.hears(PEER, &early(60));
    machine.pass(2_000);
    assert_eq!(machine.said.len(), 0);
    machine.hears(PEER, &early(0));
    machine.pass(2_000);
    assert_eq!(machine.said.len(), 1);
}

#[test]
fn a_new_address_is_told_and_no_address_is_none_of_the_names_business() {
    let mut machine = Machine::known();
    machine.responder.moved(machine.now, &v4(77));
    machine.pass(3_000);
    let told = machine.told();
    assert_eq!(
        (told.len(), told[0][0].as_str()),
        (2, "r2.local 1 120 [192, 168, 69, 77]")
    );
    machine.responder.moved(machine.now, &[]);
    machine.hears(PEER, &question("r2.local", A, false));
    machine.pass(3_000);
    assert_eq!((machine.said.len(), machine.responder.poll_at()), (0, None));
    machine.responder.moved(machine.now, &v4(78));
    machine.pass(3_000);
    assert_eq!(machine.told()[0][0], "? r2.local 255 QU");
}

#[test]
fn goodbye_is_said_once_and_then_nothing() {
    let mut machine = Machine::known();
    machine.responder.stop(machine.now);
    machine.pass(3_000);
    let told = machine.told();
    assert_eq!((told.len(), told[0].len()), (1, 6));
    assert!(told[0].iter().all(|line| line.split(' ').nth(2) == Some("0")));
    assert_eq!(machine.responder.poll_at(), None);
    machine.hears(PEER, &question("r2.local", A, false));
    machine.pass(3_000);
    assert_eq!(machine.said.len(), 0);
    // Who never had a name has none to give up.
    let mut machine = Machine::begin("r2", &OURS, 7);
    machine.responder.stop(machine.now);
    assert_eq!(machine.responder.poll_at(), None);
}

#[test]
fn a_long_name_has_room_for_its_number() {
    let long = "a".repeat(63);
    let mut machine = Machine::begin(&long, &OURS, 7);
    machine.pass(400);
    machine.hears(PEER, &claim_of(&long, &v4(100)));
    machine.pass(3_000);
    assert_eq!(machine.name(), Some(format!("{}-2", "a".repeat(61))));
}

#[test]
fn a_client_asks_for_a_name_and_for_all() {
    let mut room = [0; MESSAGE_MAX];
    let length = ask_for_address("r2.local.", 7, &mut room).unwrap();
    assert_eq!(lines(&room[..length]), ["? r2.local 1", "? r2.local 28"]);
    for bad in ["", ".", "r2..local", &"a".repeat(64)] {
        assert_eq!(ask_for_address(bad, 7, &mut room), None);
    }
    assert_eq!(ask_for_address("r2.local", 7, &mut [0; 20]), None);
    let length = ask_for_all(7, &mut room).unwrap();
    let mut machine = Machine::known();
    let answer = machine.hears(LEGACY, &room[..length]).unwrap();
    let lines = lines(&answer);
    assert_eq!(lines[1], "_r2._tcp.local 12 10 r2._r2._tcp.local");
    assert_eq!(lines.len(), 6);
}

proptest! {
    #[test]
    fn whatever_comes_is_taken_and_what_leaves_is_a_message(
        datagrams in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..80), any::<bool>(), 0_u64..600), 1..20),
        head in prop::collection::vec(0_usize..4, 20),
    ) {
        let mut machine = Machine::begin("r2", &OURS, 7);
        let seen = [question("r2.local", ANY, true), probe_of("r2", &v4(9)), claim_of("r2", &v4(9)), COMPRESSED.to_vec()];
        for ((bytes, legacy, ms), head) in datagrams.into_iter().zip(head) {
            // Arbitrary bytes behind and in place of parts of messages that make sense.
            let mut datagram = seen[head].clone();
            let at = bytes.first().map_or(0, |byte| usize::from(*byte) % datagram.len());
            datagram.splice(at..(at + bytes.len() / 8).min(seen[head].len()), bytes);
            let answer = machine.hears(if legacy { LEGACY } else { PEER }, &datagram);
            for message in answer.iter().chain(machine.said.iter().map(|(_, said)| said)) {
                lines(message);
            }
            machine.pass(ms);
        }
    }
}
