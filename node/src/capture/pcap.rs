//! A pcap file of the frames that pass from now on, for ever.
//!
//! The session sends the file's header. The node, which has the device, writes each frame behind what waits to be sent
//! already, with [`record_header`] before it, whole or not at all.

use r2_core::bug::OrBug;
use r2_core::bytes;
use r2_core::session::{Session, Wants};
use r2_core::time::Instant;

/// What a pcap file begins with: microseconds, version 2.4, frames of up to 262,144 bytes (what its readers take, and
/// more than any link's), Ethernet. Little-endian, as the first four bytes tell.
///
/// The format is that of `draft-ietf-opsawg-pcap`, section 4.
pub const FILE_HEADER: [u8; 24] = [
    0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
];

/// The length of what stands before each frame, in bytes.
pub const RECORD_HEADER: usize = 16;

/// What stands before a frame of `length` bytes that passed `micros` µs after the beginning of 1970 (or of whatever is
/// known). The seconds have 32 bits: they last until 2106, and begin again.
#[allow(clippy::cast_possible_truncation, reason = "said above")]
pub fn record_header(micros: u64, length: u32) -> [u8; RECORD_HEADER] {
    let words = [
        (micros / 1_000_000) as u32,
        (micros % 1_000_000) as u32,
        length,
        length,
    ];
    let mut header = [0; RECORD_HEADER];
    let (places, _) = header.as_chunks_mut();
    for (place, word) in places.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    header
}

/// The capture session: sends [`FILE_HEADER`], and nothing else of its own. It ignores what the peer sends, and its
/// FIN.
#[derive(Debug, Default)]
pub struct Capture {
    /// How much of the header has left.
    sent: usize,
}

impl Capture {
    /// A session that begins with the header.
    pub const fn new() -> Self {
        Self { sent: 0 }
    }
}

impl<W: ?Sized> Session<W> for Capture {
    fn receive(&mut self, _: Instant, rx: &[u8], _: &mut W) -> usize {
        rx.len()
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], _: &mut W) -> usize {
        let left = FILE_HEADER
            .get(self.sent..)
            .or_bug("no more is sent than there is");
        let filled = bytes::copy(tx, left);
        self.sent = self.sent.saturating_add(filled);
        filled
    }

    fn finished(&mut self, _: Instant, _: &mut W) {}

    fn wants(&self) -> Wants {
        Wants::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_leaves_once_whatever_the_room() {
        for room in 1..30 {
            let (mut capture, mut out) = (Capture::new(), std::vec::Vec::new());
            for _ in 0..30 {
                let mut tx = [7; 30];
                let filled = capture.transmit(Instant::default(), &mut tx[..room], &mut ());
                out.extend_from_slice(&tx[..filled]);
            }
            assert_eq!(out, FILE_HEADER, "room of {room}");
        }
    }

    #[test]
    fn what_the_peer_says_is_ignored_and_so_is_its_fin() {
        let (mut capture, now) = (Capture::new(), Instant::default());
        assert_eq!(capture.receive(now, b"hello", &mut ()), 5);
        Session::<()>::finished(&mut capture, now, &mut ());
        assert_eq!(Session::<()>::wants(&capture), Wants::Nothing);
        assert_eq!(Session::<()>::poll_at(&capture), None);
    }

    #[test]
    fn a_frame_is_stamped_in_seconds_and_microseconds() {
        let header = record_header(1_700_000_000_000_042, 60);
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        assert_eq!([word(0), word(4), word(8), word(12)], [1_700_000_000, 42, 60, 60]);
    }
}
