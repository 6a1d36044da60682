//! A reader of the capture.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use crate::Soak;

/// Bytes of a round.
const ENOUGH: usize = 2_000_000;

/// A wire on which nothing passes for so long has seen the last of the load: retransmissions come sooner.
const QUIET: Duration = Duration::from_secs(1);

const FILE_HEADER: usize = 24;
const FRAME_HEADER: usize = 16;

/// Every frame is whole, and none is the capture's own.
pub(crate) fn frames(soak: &Soak, _: u64) -> u64 {
    let mut stream = soak.lab.connect(5050);
    stream
        .set_read_timeout(Some(QUIET))
        .expect("a time that is not 0");
    let (mut bytes, mut room) = (Vec::new(), vec![0; 65_536]);
    while bytes.len() < ENOUGH {
        match stream.read(&mut room) {
            Ok(0) => panic!("a capture has no end"),
            Ok(length) => bytes.extend_from_slice(&room[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("a capture: {error}"),
        }
    }
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
    let mut at = FILE_HEADER;
    while at + FRAME_HEADER <= bytes.len() {
        let length = word(at + 8);
        assert!(
            (14..=65_550).contains(&length) && word(at + 12) == length,
            "{length} bytes at {at}"
        );
        let frame = &bytes[at + FRAME_HEADER..bytes.len().min(at + FRAME_HEADER + length)];
        assert_ne!(port_of_r2(frame), Some(&5050_u16.to_be_bytes()[..]));
        at += FRAME_HEADER + length;
    }
    bytes.len() as u64
}

/// R2's port, where a frame carries TCP over IPv4 without options; KALI's may be any.
fn port_of_r2(frame: &[u8]) -> Option<&[u8]> {
    let is_tcp = frame.get(12..15)? == [8, 0, 0x45] && frame.get(23) == Some(&6);
    let from_r2 = frame.get(26..30)? == [192, 168, 69, 1];
    frame
        .get(if from_r2 { 34..36 } else { 36..38 })
        .filter(|_| is_tcp)
}
