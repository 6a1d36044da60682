//! What stands before each frame on a TAP that carries super-frames: `struct virtio_net_hdr` (Virtual I/O Device
//! 1.2, section 5.1.6), in the machine's byte order.

use std::num::NonZeroU16;

use crate::checksum;

/// Bytes of the header.
pub(super) const HEADER: usize = 10;

/// The sum over the pseudo-header stands in the checksum; somebody has to go on.
const NEEDS_CSUM: u8 = 1;
/// Somebody has verified the checksum.
const DATA_VALID: u8 = 2;
/// To be cut into TCP segments over IPv4.
const GSO_TCPV4: u8 = 1;

/// Whether nobody answers for the checksum of the frame behind `header`: it came from another machine, through a
/// bridge. What the kernel itself sends has not been on a wire yet.
pub(super) fn is_unverified(header: [u8; HEADER]) -> bool {
    header[0] & (NEEDS_CSUM | DATA_VALID) == 0
}

/// Prepares `frame` for the kernel and returns the header for it. The checksum of a TCP segment is left to whoever
/// needs it; `segment` is how many bytes each of the segments is to have into which a super-frame is cut.
pub(super) fn prepare(frame: &mut [u8], segment: Option<NonZeroU16>) -> [u8; HEADER] {
    let Some(begun) = checksum::begin(frame) else {
        return [0; HEADER];
    };
    let headers = begun.start + begun.header;
    let (kind, header_length, size) = match segment {
        Some(size) => (GSO_TCPV4, headers, size.get()),
        None => (0, 0, 0),
    };
    // Headers are some 100 bytes long.
    let half = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes();
    let halves = [
        half(header_length),
        size.to_ne_bytes(),
        half(begun.start),
        half(begun.offset),
    ];
    let mut header = [0; HEADER];
    header[..2].copy_from_slice(&[NEEDS_CSUM, kind]);
    header[2..].copy_from_slice(halves.as_flattened());
    header
}
