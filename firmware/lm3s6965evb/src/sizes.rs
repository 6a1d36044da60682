//! What every plan of the board's RAM is made of. Sizes are in bytes.

use r2_core::limits::CHAT_RING_MIN;
use r2_node::Size;

/// The largest frame: an IP packet of 576 bytes, which every host takes (RFC 791), and its Ethernet header.
pub(crate) const MTU: usize = 14 + 576;

/// The payload of a full TCP segment over IPv4.
pub(crate) const SEGMENT: usize = 576 - 40;

/// The last chat lines.
pub(crate) const ROOM: usize = CHAT_RING_MIN;

/// A pool of `connections`, each with buffers of these sizes.
pub(crate) const fn size(connections: usize, receive: usize, transmit: usize) -> Size {
    Size {
        connections,
        receive,
        transmit,
    }
}
