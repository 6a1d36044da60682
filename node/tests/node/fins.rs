//! FIN: where it stands, what comes before it late, and what a peer sends behind it.

use r2_sim::simulation::BUFFER;
use r2_sim::stranger::Heard;
use smoltcp::time::Duration;

use super::talk::{OPEN, Piece, Talk, acknowledged, bare, bytes, last, text};

const DROP: u16 = 5020;

/// What R2 says at once to an upload in these pieces.
fn receipt<const N: usize>(ipv6: bool, pieces: [Piece<'_>; N]) -> String {
    let mut talk = Talk::with(DROP, ipv6);
    let heard = pieces.map(|piece| talk.says([piece])).concat();
    talk.lab.everybody_leaves();
    text(&heard)
}

/// The same, where all pieces come before R2 can do anything.
fn receipt_at_once<const N: usize>(ipv6: bool, pieces: [Piece<'_>; N]) -> String {
    let mut talk = Talk::with(DROP, ipv6);
    let heard = talk.says(pieces);
    talk.lab.everybody_leaves();
    text(&heard)
}

fn says(length: usize) -> String {
    format!("stored drop-0001 {length} bytes")
}

/// smoltcp leaves FIN out of a segment's end when it asks whether the segment is in the window (RFC 9293, section
/// 3.10.7.4).
#[test]
fn a_fin_on_bytes_that_r2_already_has_is_taken() {
    let file = b"0123456789";
    for ipv6 in [false, true] {
        // All of the bytes again, some of them, none.
        for known in [0, 5, 10] {
            let again = last(1 + known, &file[known as usize..]);
            let heard = receipt(ipv6, [bytes(1, file), again]);
            assert!(heard.starts_with(&says(10)), "{known} {heard:?}");
            let heard = receipt_at_once(ipv6, [bytes(1, file), again]);
            assert!(heard.starts_with(&says(10)), "{known} {heard:?}");
        }
        // New bytes among them.
        let heard = receipt(ipv6, [bytes(1, &file[..7]), last(1, file)]);
        assert!(heard.starts_with(&says(10)), "{heard:?}");
    }
}

#[test]
fn a_fin_on_known_bytes_is_taken_by_every_service() {
    for (port, said, answer) in [
        (5010, "12SECRET3", "Digits: 123 Count: 3\n"),
        (7, "hello", "hello"),
    ] {
        let mut talk = Talk::to(port);
        let mut heard = talk.says([bytes(1, said.as_bytes())]);
        heard.extend(talk.says([last(1, said.as_bytes())]));
        assert_eq!(text(&heard), answer);
        let end = heard.last().expect("R2 ends too");
        assert!(end.fin, "{port}: {heard:?}");
        assert_eq!(
            acknowledged(&heard),
            Some(2 + u32::try_from(said.len()).expect("a short string"))
        );
        talk.lab.everybody_leaves();
    }
}

/// A FIN that is overtaken by nothing is not repeated by its sender for a second or more.
#[test]
fn a_fin_that_overtakes_bytes_is_taken_when_they_come() {
    let file = [b'x'; 200];
    let (first, second, end) = (bytes(1, &file[..100]), last(101, &file[100..]), last(201, b""));
    for ipv6 in [false, true] {
        for at_once in [false, true] {
            let hear = if at_once {
                receipt_at_once::<3>
            } else {
                receipt::<3>
            };
            for pieces in [
                [second, first, bare(202)],
                [end, bytes(101, &file[100..]), first],
                [end, first, bytes(101, &file[100..])],
                [end, second, first],
                [first, end, bytes(101, &file[100..])],
            ] {
                let heard = hear(ipv6, pieces);
                assert!(heard.starts_with(&says(200)), "{at_once} {heard:?}");
            }
        }
    }
}

/// What was sent is owed to a peer whose FIN came early, too.
#[test]
fn a_fin_that_overtakes_bytes_ends_a_connection_that_r2_has_closed() {
    let mut talk = Talk::to(5040);
    let mut heard = talk.waits_for_the_page();
    while let Some(more) = heard.last().filter(|segment| !segment.fin) {
        talk.ack = more.end();
        heard = talk.says([bare(1)]);
    }
    talk.ack = heard.last().expect("R2 ends").end();
    assert_eq!(talk.says([last(6, b"")]).len(), 0);
    let heard = talk.says([bytes(1, b"hello")]);
    assert_eq!(acknowledged(&heard), Some(7));
    assert_eq!(talk.lab.world.counters.sessions_open, 0);
    talk.lab.everybody_leaves();
}

/// RFC 9293, section 3.10.7.4: segment text behind FIN is ignored.
#[test]
fn nothing_behind_a_fin_is_part_of_the_file() {
    let (end, behind) = (last(1, b"hello"), bytes(7, b"WORLD!"));
    for ipv6 in [false, true] {
        for heard in [
            receipt_at_once(ipv6, [end, behind]),
            receipt_at_once(ipv6, [behind, end]),
            receipt(ipv6, [behind, end]),
            receipt_at_once(ipv6, [end, bytes(6, b"WORLD!")]),
            receipt_at_once(ipv6, [end, bytes(1, b"helloWORLD!")]),
            receipt_at_once(ipv6, [end, bytes(7, b"WORLD!"), bytes(6, b"x")]),
            receipt_at_once(ipv6, [end, last(1, b"helloWORLD!")]),
            // FIN stands where it stood first.
            receipt_at_once(ipv6, [last(3, b"llo"), bytes(1, b"helloWORLD!")]),
            receipt(ipv6, [last(6, b""), last(3, b"lloWORLD"), bytes(1, b"he")]),
        ] {
            assert!(heard.starts_with(&says(5)), "{heard:?}");
        }
    }
}

/// The bytes came first, and FIN among them: one of the two is a lie, and no file is what was meant.
#[test]
fn a_fin_among_bytes_that_came_before_it_ends_nothing() {
    for pieces in [
        [bytes(3, b"lloWORLD!"), last(1, b"hello")],
        [bytes(3, b"lloWORLD!"), last(1, b"he")],
    ] {
        let heard = receipt(false, pieces);
        assert!(!heard.contains("stored"), "{heard:?}");
    }
    // A FIN before what was acknowledged is old, or nobody's: the upload goes on.
    let heard = receipt(
        false,
        [bytes(1, b"hello world"), last(1, b"hello"), last(12, b"")],
    );
    assert!(heard.starts_with(&says(11)), "{heard:?}");
}

/// RFC 9293, sections 3.10.7.4 and 3.8.6.1: whatever lies outside the window is answered with an acknowledgement.
#[test]
fn a_fin_outside_the_window_is_answered() {
    let far = 1 + u32::try_from(BUFFER).expect("a small buffer");
    for ipv6 in [false, true] {
        for piece in [
            last(far, b"x"),
            last(far + 1, b""),
            last(far - 5, b"0123456789"),
            last(0, b""),
        ] {
            let mut talk = Talk::with(DROP, ipv6);
            talk.says([bytes(1, b"")]);
            for _ in 0..3 {
                let heard = talk.says([piece]);
                assert_eq!(heard.len(), 1, "{} {heard:?}", piece.seq);
                assert_eq!(acknowledged(&heard), Some(1));
                assert!(!heard[0].rst && heard[0].payload.is_empty());
            }
            talk.lab.everybody_leaves();
        }
    }
}

/// Some stacks probe a closed window with its next byte, and FIN where that is the last one.
#[test]
fn a_closed_window_is_probed_with_byte_and_fin() {
    let mut talk = Talk::to(7);
    talk.window = 0;
    // R2's buffers are full.
    let mut seq = 1;
    for _ in 0..100 {
        talk.says([bytes(seq, &[b'x'; 1024])]);
        talk.lab.pass(Duration::from_millis(10));
        talk.heard();
        let now = talk.says([bytes(seq, b"x")]);
        seq = acknowledged(&now).expect("an answer");
        if now.last().is_some_and(|it| it.window == 0) {
            break;
        }
    }
    for _ in 0..3 {
        let heard = talk.says([last(seq, b"x")]);
        assert_eq!((heard.len(), acknowledged(&heard)), (1, Some(seq)), "{heard:?}");
        assert_eq!(heard[0].window, 0);
    }
    talk.lab.everybody_leaves();
}

/// Every order of the numbers below `N`.
fn orders<const N: usize>() -> Vec<[usize; N]> {
    let mut all = vec![Vec::new()];
    for _ in 0..N {
        let longer = |order: Vec<usize>| {
            let rest = (0..N).filter(|next| !order.contains(next)).collect::<Vec<_>>();
            rest.into_iter().map(move |next| [&order[..], &[next]].concat())
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    let whole = |order: Vec<usize>| order.try_into().expect("all of them");
    all.into_iter().map(whole).collect()
}

/// However far FIN overtakes, and however the segments before it overlap it and each other.
#[test]
fn pieces_that_overlap_are_the_file_in_every_order() {
    let file: Vec<u8> = (0..700)
        .map(|number| u8::try_from(number % 251).unwrap())
        .collect();
    let pieces = [
        bytes(1, &file[..200]),
        bytes(151, &file[150..400]),
        bytes(381, &file[380..620]),
        last(551, &file[550..]),
        last(701, b""),
    ];
    let sum = r2_sim::payload::sha256(&file[..]);
    for order in orders::<5>() {
        let ordered = order.map(|index| pieces[index]);
        for heard in [receipt(false, ordered), receipt_at_once(true, ordered)] {
            assert_eq!(heard, format!("{} sha256 {sum}\n", says(700)), "{order:?}");
        }
    }
}

/// FIN takes no room: a window that is closed holds it up no longer than its answer.
#[test]
fn a_bare_fin_at_a_closed_window_is_answered_and_ends_the_echo_once_it_opens() {
    let mut talk = Talk::to(7);
    let first = talk.ack;
    talk.window = 0;
    let mut seq = 1;
    for _ in 0..100 {
        talk.says([bytes(seq, &[b'x'; 1024])]);
        talk.lab.pass(Duration::from_millis(10));
        talk.heard();
        let now = talk.says([bytes(seq, b"x")]);
        seq = acknowledged(&now).expect("an answer");
        if now.last().is_some_and(|it| it.window == 0) {
            break;
        }
    }
    let mut heard = Vec::new();
    for _ in 0..3 {
        let answer = talk.says([last(seq, b"")]);
        assert!(
            !answer.is_empty() && answer.iter().all(|it| !it.rst),
            "{answer:?}"
        );
        heard.extend(answer);
    }
    talk.window = OPEN;
    for _ in 0..40 {
        heard.extend(talk.says([bare(seq + 1)]));
        talk.lab.pass(Duration::from_millis(100));
        heard.extend(talk.heard());
        talk.ack = heard.iter().map(Heard::end).fold(talk.ack, |most, end| {
            if end.wrapping_sub(most).cast_signed() > 0 {
                end
            } else {
                most
            }
        });
    }
    assert!(heard.iter().any(|it| it.fin), "R2 ends, too");
    assert_eq!(talk.ack.wrapping_sub(first), seq, "every byte came back, and FIN");
    talk.lab.everybody_leaves();
}
