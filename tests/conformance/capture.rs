//! Frames for whoever reads along.

use r2_node::capture::FILE_HEADER;
use r2_tests::carrier::{Carrier, End, Peer, Service};

use crate::{half_close_and_read, payload, text};

/// The frame that comes next in the capture that `reader` reads, whole.
fn next_frame(r2: &mut impl Carrier, reader: Peer) -> Vec<u8> {
    let header = r2.read(reader, 16);
    let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    assert!(word(4) < 1_000_000, "{} microseconds", word(4));
    assert_eq!(word(8), word(12), "a frame that was cut");
    let frame = r2.read(reader, word(8) as usize);
    if let Some(segment) = Segment::of(&frame) {
        assert!(
            segment.ports.iter().all(|port| *port != Service::Capture.port()),
            "{frame:?}"
        );
    }
    frame
}

/// A reader, who has read what a capture begins with.
fn reader(r2: &mut impl Carrier) -> Peer {
    let reader = r2.connect(Service::Capture);
    assert_eq!(r2.read(reader, FILE_HEADER.len()), FILE_HEADER);
    reader
}

/// A TCP segment over IPv4.
struct Segment<'f> {
    /// Source and destination.
    ports: [u16; 2],
    syn: bool,
    fin: bool,
    payload: &'f [u8],
}

impl<'f> Segment<'f> {
    /// `None` for another frame. Panics where the frame is shorter than it says it is.
    fn of(frame: &'f [u8]) -> Option<Self> {
        let number = |bytes: &[u8]| u16::from_be_bytes(bytes.try_into().expect("two bytes"));
        if frame[12..14] != [8, 0] || frame[23] != 6 {
            return None;
        }
        let packet = &frame[14..14 + usize::from(number(&frame[16..18]))];
        let segment = &packet[usize::from(packet[0] & 15) * 4..];
        Some(Self {
            ports: [number(&segment[..2]), number(&segment[2..4])],
            syn: segment[13] & 2 != 0,
            fin: segment[13] & 1 != 0,
            payload: &segment[usize::from(segment[12] >> 4) * 4..],
        })
    }
}

/// Talks with the echo service and finds that in the capture.
fn talk_and_see(r2: &mut impl Carrier, reader: Peer) {
    let peer = r2.connect(Service::Echo);
    r2.send(peer, b"hello");
    assert_eq!(half_close_and_read(r2, peer), b"hello");
    // Of KALI and of R2: SYN, the bytes, FIN.
    let mut seen = [(false, false, false); 2];
    while seen != [(true, true, true); 2] {
        let frame = next_frame(r2, reader);
        if let Some(segment) = Segment::of(&frame)
            && let Some(port) = segment
                .ports
                .iter()
                .position(|port| *port == Service::Echo.port())
        {
            let (syn, bytes, fin) = &mut seen[1 - port];
            *syn |= segment.syn;
            *bytes |= segment.payload == b"hello";
            *fin |= segment.fin;
        }
    }
}

pub(crate) fn a_conversation_is_there_in_both_directions(r2: &mut impl Carrier) {
    let reader = reader(r2);
    talk_and_see(r2, reader);
    // Capture owes for ever, and ignores the reader's FIN.
    r2.half_close(reader);
    talk_and_see(r2, reader);
    r2.reset(reader);
}

/// More than R2 and the kernel keep for a reader that does not read.
const TOO_MUCH: usize = 64 << 20;

pub(crate) fn a_reader_that_is_too_slow_loses_whole_frames(r2: &mut impl Carrier) {
    let reader = reader(r2);
    let peer = r2.connect(Service::Discard);
    let bytes = payload(16_384);
    let mut sent = 0;
    while status(r2, "capture_lost") == 0 {
        assert!(sent < TOO_MUCH, "nothing is lost, or nobody counts it");
        r2.send(peer, &bytes);
        sent += bytes.len();
    }
    r2.reset(peer);
    // What is not lost comes, frame by frame.
    let given = status(r2, "capture_bytes_out");
    let mut read = FILE_HEADER.len();
    while read < given {
        read += 16 + next_frame(r2, reader).len();
    }
    assert_eq!(read, given, "a part of a frame");
    // What comes now has room again.
    talk_and_see(r2, reader);
    r2.reset(reader);
}

/// A number of the status page.
fn status(r2: &mut impl Carrier, key: &str) -> usize {
    let peer = r2.connect(Service::Status);
    let (page, end) = r2.read_to_end(peer);
    assert_eq!(end, End::Fin);
    let page = text(page);
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    value.and_then(|value| value.parse().ok()).expect("a number")
}
