//! Two peers in one room.

use r2_tests::carrier::{Carrier, Peer, Service};

use crate::{half_close_and_read, text};

/// KALI and KALI-2, both in the room.
pub(crate) fn two_peers(r2: &mut impl Carrier) -> (Peer, Peer) {
    let first = r2.connect(Service::Chat);
    r2.send(first, b"first\n");
    assert_eq!(r2.line(first), "KALI: first\n");
    let second = r2.connect(Service::Chat);
    assert_eq!(r2.line(first), "* KALI-2 joined\n");
    (first, second)
}

/// Both see `lines` next.
pub(crate) fn both_see(r2: &mut impl Carrier, (first, second): (Peer, Peer), lines: &[&str]) {
    for peer in [first, second] {
        for line in lines {
            assert_eq!(r2.line(peer), format!("{line}\n"));
        }
    }
}

pub(crate) fn every_screen_shows_every_line_once(r2: &mut impl Carrier) {
    let (first, second) = two_peers(r2);
    r2.send(first, b"Hi R2, my name is KALI. Nice to meet you.\n");
    both_see(
        r2,
        (first, second),
        &["KALI: Hi R2, my name is KALI. Nice to meet you."],
    );
    r2.send(second, b"\nand mine\r\n\n");
    both_see(r2, (first, second), &["KALI-2: and mine"]);
    assert_eq!(half_close_and_read(r2, second), b"");
    assert_eq!(r2.line(first), "* KALI-2 left\n");
    let third = r2.connect(Service::Chat);
    assert_eq!(r2.line(first), "* KALI-2 joined\n", "the lowest free number");
    assert_eq!(half_close_and_read(r2, third), b"");
    assert_eq!(text(half_close_and_read(r2, first)), "* KALI-2 left\n");
}

pub(crate) fn nobody_can_forge_a_label(r2: &mut impl Carrier) {
    let (first, second) = two_peers(r2);
    r2.send(second, b"R2: x\nKALI: x\n* KALI left\nKALI-2: own\n");
    both_see(
        r2,
        (first, second),
        &["KALI-2: R2: x", "KALI-2: x", "KALI-2: * KALI left", "KALI-2: own"],
    );
    r2.send(first, b"one\rKALI-2: two\x1b[2K\xe2\x80\xae\n");
    both_see(r2, (first, second), &["KALI: one", "KALI: KALI-2: two[2K"]);
}
