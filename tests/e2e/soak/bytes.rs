//! Echo, chargen and discard.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use r2_sim::payload::random;

use crate::Soak;
use crate::answers::asked;

const BYTES: usize = 200_000;

const DATAGRAM: usize = 1000;

/// A line of chargen: 72 characters, the first of each the next one's predecessor, CR and LF.
const LINE: usize = 74;

/// What is sent comes back.
pub(crate) fn echo(soak: &Soak, number: u64) -> u64 {
    let sent = random(BYTES, number);
    let mut peer = soak.lab.connect(7);
    let mut heard = peer.try_clone().expect("a second handle");
    let mut echoed = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            peer.write_all(&sent).expect("R2 reads");
            peer.shutdown(Shutdown::Write).expect("FIN");
        });
        heard.read_to_end(&mut echoed).expect("R2 answers");
    });
    assert!(echoed == sent, "an echo of other bytes");
    let datagram = &sent[..DATAGRAM];
    assert!(
        asked(soak, &soak.lab.udp(0, 7), datagram) == datagram,
        "an echo of other bytes"
    );
    (BYTES + DATAGRAM) as u64
}

/// A million bytes go, and the characters come in their order.
pub(crate) fn chargen_and_discard(soak: &Soak, number: u64) -> u64 {
    let mut discard = soak.lab.connect(9);
    discard.write_all(&random(BYTES, number)).expect("R2 reads");
    discard.shutdown(Shutdown::Write).expect("FIN");
    assert_eq!(discard.read_to_end(&mut Vec::new()).expect("R2's FIN"), 0);

    let mut text = vec![0; BYTES / LINE * LINE];
    soak.lab.connect(19).read_exact(&mut text).expect("R2 sends");
    let first = usize::from(text[0] - b' ');
    for (line, number) in text.chunks(LINE).zip(first..) {
        assert!(line.ends_with(b"\r\n"));
        for (character, place) in line[..LINE - 2].iter().zip(number..) {
            assert_eq!(usize::from(character - b' '), place % 95);
        }
    }
    (BYTES + text.len()) as u64
}
