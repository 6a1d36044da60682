//! Where a chat line ends.

use r2_tests::carrier::Carrier;

use crate::chat_room::{both_see, two_peers};
use crate::{half_close_and_read, text};

pub(crate) fn a_long_line_is_cut_between_characters(r2: &mut impl Carrier) {
    let peers = two_peers(r2);
    r2.send(peers.0, format!("x{}\n", "é".repeat(600)).as_bytes());
    let lines = [
        format!("KALI: x{}", "é".repeat(255)),
        format!("KALI: {}", "é".repeat(256)),
        format!("KALI: {}", "é".repeat(89)),
    ];
    both_see(r2, peers, &lines.each_ref().map(String::as_str));
}

pub(crate) fn a_last_line_without_ending_counts_at_fin(r2: &mut impl Carrier) {
    let (first, second) = two_peers(r2);
    r2.send(second, b"bye");
    assert_eq!(text(half_close_and_read(r2, second)), "KALI-2: bye\n");
    assert_eq!(r2.line(first), "KALI-2: bye\n");
    assert_eq!(r2.line(first), "* KALI-2 left\n");
}

pub(crate) fn a_last_line_without_ending_is_lost_at_reset(r2: &mut impl Carrier) {
    let (first, second) = two_peers(r2);
    r2.send(second, b"said\nnot sa");
    both_see(r2, (first, second), &["KALI-2: said"]);
    r2.reset(second);
    assert_eq!(r2.line(first), "* KALI-2 left\n");
}

pub(crate) fn a_return_alone_ends_a_line(r2: &mut impl Carrier) {
    let peers = two_peers(r2);
    // What Linux's telnet says first, and how an old terminal ends its lines.
    r2.send(
        peers.0,
        b"\xFF\xFD\x03\xFF\xFB\x18\xFF\xFA\x18\0xterm\xFF\xF0first\rsecond\r\0third\r\nfourth\r",
    );
    r2.send(peers.0, b"\nfi\xFF\xF1fth\n");
    both_see(
        r2,
        peers,
        &[
            "KALI: first",
            "KALI: second",
            "KALI: third",
            "KALI: fourth",
            "KALI: fifth",
        ],
    );
}

pub(crate) fn a_peer_that_repeats_what_it_was_sent_is_muted(r2: &mut impl Carrier) {
    let (first, second) = two_peers(r2);
    r2.send(first, b"hi\n");
    for _ in 0..8 {
        let line = r2.line(second);
        r2.send(second, line.as_bytes());
        r2.line(first);
    }
    let line = r2.line(second);
    assert_eq!(line, "KALI-2: hi\n");
    r2.send(second, line.as_bytes());
    let told = r2.line(second);
    assert!(told.starts_with("* muted: "), "{told}");
    assert_eq!(r2.line(first), line);
    // Nothing of that is said, until there is something new.
    r2.send(second, format!("{told}{line}{line}new\n").as_bytes());
    assert_eq!(r2.line(second), "KALI-2: new\n");
    assert_eq!(r2.line(first), "KALI-2: new\n");
}
