//! Segments that no honest peer sends, or that meet the stack's weak places.

use r2_node::Reason;
use r2_sim::simulation::{BUFFER, R2_ADDRESS, R2_MAC, Simulation, plan};
use r2_sim::stranger::{FIRST, Heard, Said};
use smoltcp::wire::{EthernetAddress, Ipv4Address, TcpControl};

use super::talk::{Talk, bytes, text};

const SYN: Said<'_> = Said {
    from: 1000,
    to: 5020,
    control: TcpControl::Syn,
    seq: 0,
    ack: None,
    payload: b"",
};

/// R2's answer to the SYN `said`.
fn syn_ack(lab: &mut Simulation, said: &Said<'_>) -> Heard {
    lab.say(said);
    let heard = lab.heard();
    assert!(heard.len() == 1 && heard[0].syn && !heard[0].rst, "{heard:?}");
    heard[0].clone()
}

#[test]
fn tcp_that_is_not_for_one_machine_is_dropped_and_harms_nobody() {
    let mut lab = Simulation::new(&plan(1));
    for (mac, address) in [
        (EthernetAddress::BROADCAST, R2_ADDRESS),
        (EthernetAddress([0x01, 0, 0x5e, 0, 0, 1]), R2_ADDRESS),
        (EthernetAddress::BROADCAST, Ipv4Address::BROADCAST),
        (R2_MAC, Ipv4Address::BROADCAST),
        (R2_MAC, Ipv4Address::new(192, 168, 69, 255)),
        (R2_MAC, Ipv4Address::new(224, 0, 0, 1)),
    ] {
        let before = lab.dropped(Reason::NotUnicast);
        lab.put(SYN.frame_to(mac, address));
        assert_eq!(lab.dropped(Reason::NotUnicast), before + 1, "{mac} {address}");
        assert_eq!(lab.heard(), []);
    }
    lab.put(SYN.frame_to(EthernetAddress([2, 0, 0, 0, 0, 9]), R2_ADDRESS));
    lab.put(SYN.frame_to(R2_MAC, Ipv4Address::new(192, 168, 69, 9)));
    assert_eq!(lab.dropped(Reason::NotForUs), 2);
    let kali = lab.connect(5020);
    assert!(lab.is_open(kali));
    lab.everybody_leaves();
}

/// smoltcp cuts a segment at the window's edge and accepts its FIN all the same.
#[test]
fn a_fin_beyond_the_window_never_ends_an_upload_short() {
    // The first data segment meets the window of the SYN, a later one that of an acknowledgement.
    for first in [0, 10] {
        let mut lab = Simulation::new(&plan(1));
        let ours = syn_ack(&mut lab, &SYN);
        let file = [b'x'; BUFFER + 100];
        let data = Said {
            control: TcpControl::Psh,
            seq: 1,
            ack: Some(ours.end()),
            ..SYN
        };
        lab.say(&Said {
            payload: &file[..first],
            ..data
        });
        lab.pass(smoltcp::time::Duration::from_millis(20));
        lab.heard();
        let seq = 1 + u32::try_from(first).unwrap();
        lab.say(&Said {
            control: TcpControl::Fin,
            seq,
            payload: &file[first..],
            ..data
        });
        assert_eq!(lab.dropped(Reason::BeyondWindow), 1);
        assert_eq!(lab.stored().len(), 0, "no end, no file");
        // What a peer's retransmission looks like.
        for (index, piece) in file[first..].chunks(1000).enumerate() {
            let seq = seq + 1000 * u32::try_from(index).unwrap();
            lab.say(&Said {
                seq,
                payload: piece,
                ..data
            });
        }
        let seq = 1 + u32::try_from(file.len()).unwrap();
        lab.say(&Said {
            control: TcpControl::Fin,
            seq,
            ..data
        });
        let receipt: Vec<u8> = lab
            .heard()
            .into_iter()
            .flat_map(|segment| segment.payload)
            .collect();
        let receipt = String::from_utf8(receipt).unwrap();
        assert!(
            receipt.starts_with(&format!("stored drop-0001 {} bytes", file.len())),
            "{receipt}"
        );
        lab.everybody_leaves();
    }
}

/// smoltcp rounds every window down, so that its edge moves back when a piece of another length comes; and it does not
/// take what lies beyond.
#[test]
fn what_a_window_has_once_allowed_is_taken() {
    const SHIFT: u8 = 3;
    let mut plan = plan(1);
    // smoltcp needs one bit more for it than it could do with.
    plan.echo.receive = 1 << (15 + SHIFT);
    for first in 1..=usize::from(1_u8 << SHIFT) {
        let mut lab = Simulation::new(&plan);
        let syn = Said { to: 7, ..SYN };
        lab.put(syn.frame_with(|tcp| tcp.window_scale = Some(0)));
        let ours = lab.heard()[0].end();
        let edge = |heard: &Heard| heard.ack.wrapping_sub(FIRST) + (u32::from(heard.window) << SHIFT);
        // It reads nothing of what comes back, so R2's buffers fill and bytes stay in its ring.
        let say = |lab: &mut Simulation, seq: u32, payload: &[u8]| {
            let said = Said {
                seq,
                payload,
                ack: Some(ours),
                control: TcpControl::None,
                ..syn
            };
            lab.put(said.frame_with(|tcp| tcp.window_len = 0));
            lab.heard()
        };
        let (mut seq, mut allowed) = (1, 0);
        for length in [10_000, 10_000, first, 1, 1, 1, 1] {
            for heard in say(&mut lab, seq, &vec![b'x'; length]) {
                allowed = allowed.max(edge(&heard));
            }
            seq += u32::try_from(length).unwrap();
        }
        let rest = vec![b'x'; usize::try_from(allowed - seq).unwrap()];
        for piece in rest.chunks(20_000) {
            say(&mut lab, seq, piece);
            seq += u32::try_from(piece.len()).unwrap();
        }
        let answered = say(&mut lab, seq - 1, b"");
        let acknowledged = answered.last().map(|heard| heard.ack.wrapping_sub(FIRST));
        assert_eq!(
            acknowledged,
            Some(allowed),
            "{first} bytes behind the first pieces"
        );
    }
}

/// A peer that sends more than the window takes, FIN and all, before R2 can read anything.
#[test]
fn uploads_of_every_size_around_the_window_are_exact() {
    // How much the last segment carries, FIN included.
    const LAST: [usize; 23] = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 100, 500, 535, 536, 537, 999, 1000, 1200, 1459,
    ];
    for size in BUFFER - 4..=BUFFER + 4 {
        for last in LAST {
            let file = r2_sim::payload::random(size, last as u64);
            let mut lab = Simulation::new(&plan(1));
            let ours = syn_ack(&mut lab, &SYN).end();
            let mut receipt = Vec::new();
            let mut acknowledged = 0;
            while receipt.is_empty() {
                let rest = file.get(acknowledged..).expect("no more than was sent");
                let (bulk, end) = rest.split_at(rest.len().saturating_sub(last));
                let said = |at: usize, payload, control| Said {
                    control,
                    seq: u32::try_from(1 + at).unwrap(),
                    ack: Some(ours),
                    payload,
                    ..SYN
                };
                let mut at = acknowledged;
                let mut frames = Vec::new();
                for piece in bulk.chunks(1000) {
                    frames.push(said(at, piece, TcpControl::Psh).frame());
                    at += piece.len();
                }
                frames.push(said(at, end, TcpControl::Fin).frame());
                lab.put_at_once(frames);
                lab.pass(smoltcp::time::Duration::from_millis(20));
                for heard in lab.heard() {
                    let behind = heard.ack.wrapping_sub(FIRST) as usize - 1;
                    acknowledged = acknowledged.max(behind.min(size));
                    receipt.extend(heard.payload);
                }
                assert!(
                    lab.now < smoltcp::time::Instant::from_secs(4),
                    "{size} {last}: stuck"
                );
            }
            let receipt = String::from_utf8(receipt).unwrap();
            let sha256 = r2_sim::payload::sha256(&file[..]);
            assert_eq!(
                receipt,
                format!("stored drop-0001 {size} bytes sha256 {sha256}\n"),
                "{last}"
            );
        }
    }
}

/// What somebody sees of his own connections says nothing about another's.
#[test]
fn ten_sequence_numbers_of_one_peer_do_not_predict_that_of_another() {
    let seen = |secret: u8, others: u16| {
        let mut lab = Simulation::with_secret(&plan(16), [secret; 16]);
        let mut number = |from| syn_ack(&mut lab, &Said { from, ..SYN }).seq;
        let others: Vec<_> = (0..others).map(|other| number(1000 + other)).collect();
        (others, number(5000))
    };
    let starts = [1, 2, 3].map(|secret| {
        let (ten, next) = seen(secret, 10);
        // No generator goes on from one connection to the next: its state would show in these.
        assert_eq!(seen(secret, 0).1, next);
        let steps: std::collections::BTreeSet<_> = ten
            .windows(2)
            .map(|pair| pair[1].wrapping_sub(pair[0]))
            .chain([next.wrapping_sub(ten[9])])
            .collect();
        assert_eq!(steps.len(), 10, "{ten:?} {next}");
        ten.into_iter().chain([next]).collect::<Vec<_>>()
    });
    let mut all = starts.concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 33, "three starts, three sequences: {starts:?}");
}

#[test]
fn initial_sequence_numbers_tell_nobody_the_next_one() {
    let number = |secret: u8, from: u16| {
        let mut lab = Simulation::with_secret(&plan(4), [secret; 16]);
        syn_ack(&mut lab, &Said { from, ..SYN }).seq
    };
    assert_eq!(
        number(1, 1000),
        number(1, 1000),
        "the simulation is deterministic"
    );
    assert_ne!(number(1, 1000), number(2, 1000), "another secret");

    let mut lab = Simulation::new(&plan(4));
    let numbers: Vec<_> = (1000..1004)
        .map(|from| syn_ack(&mut lab, &Said { from, ..SYN }).seq)
        .collect();
    let steps: Vec<_> = numbers
        .windows(2)
        .map(|pair| pair[1].wrapping_sub(pair[0]))
        .collect();
    assert!(steps[0] != steps[1] && steps[1] != steps[2], "{numbers:?}");
    lab.everybody_leaves();
}

/// A segment for each answer would cost the peer an acknowledgement for each, and a board a turn.
#[test]
fn answers_to_lines_that_came_together_leave_together() {
    for lines in [1, 2, 15] {
        let mut talk = Talk::to(5010);
        let heard = talk.says([bytes(1, "a SECRET\n".repeat(lines).as_bytes())]);
        assert_eq!(text(&heard), "Digits: Count: 0\n".repeat(lines));
        let segments = heard.iter().filter(|segment| !segment.payload.is_empty());
        assert_eq!(segments.count(), 1, "{lines} lines");
    }
}
