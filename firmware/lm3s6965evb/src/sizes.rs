//! What every plan of the board's RAM is made of. Sizes are in bytes.

use r2_node::Size;

/// The largest frame: an IP packet of 576 bytes, which every host takes (RFC 791), and its Ethernet header.
pub const MTU: usize = 14 + 576;

/// The payload of a full TCP segment over IPv4.
pub const SEGMENT: usize = 576 - 40;

/// A pool of `connections`, each with buffers of these sizes.
pub const fn size(connections: usize, receive: usize, transmit: usize) -> Size {
    Size {
        connections,
        receive,
        transmit,
    }
}
