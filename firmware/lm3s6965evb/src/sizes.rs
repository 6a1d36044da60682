//! How the board's RAM is shared out. Sizes are in bytes.

use r2_core::limits::{CHAT_RING_MIN, RAM_BLOCK};
use r2_node::{Plan, Size};

/// The largest frame: an IP packet of 576 bytes, which every host takes (RFC 791), and its Ethernet header.
pub(crate) const MTU: usize = 14 + 576;

/// The payload of a full TCP segment over IPv4.
const SEGMENT: usize = 576 - 40;

/// What the store has room for: two files of 4 KiB and a few short ones.
pub(crate) const BLOCKS: usize = 4 * 1024 / RAM_BLOCK;

/// Files of the store.
pub(crate) const FILES: usize = 8;

/// The last chat lines.
pub(crate) const ROOM: usize = CHAT_RING_MIN;

/// 13 connections.
pub(crate) const PLAN: Plan = Plan {
    chat: size(4, SEGMENT, SEGMENT),
    secret: size(2, SEGMENT, SEGMENT),
    drop: size(2, 4 * SEGMENT, SEGMENT),
    files: size(1, 4 * SEGMENT, 4 * SEGMENT),
    status: size(1, SEGMENT, 2 * SEGMENT),
    echo: size(1, 2 * SEGMENT, 2 * SEGMENT),
    discard: size(1, 2 * SEGMENT, SEGMENT / 2),
    chargen: size(1, SEGMENT, 2 * SEGMENT),
    backlog: 8,
    time_wait: 8,
};

/// What the node takes for that plan.
pub(crate) const ARENA: usize = 42 * 1024 + 512;

const fn size(connections: usize, receive: usize, transmit: usize) -> Size {
    Size {
        connections,
        receive,
        transmit,
    }
}
