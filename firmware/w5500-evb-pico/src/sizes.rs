//! How the board's RAM is shared out. Sizes are in bytes.

use r2_core::limits::CHAT_RING_MIN;
use r2_node::Size;
use r2_services::Plan;

use crate::flash;

/// The largest frame: an IP packet of 1,500 bytes and its Ethernet header.
pub(crate) const MTU: usize = 14 + 1500;

/// What a connection of small requests holds of either direction.
const SMALL: usize = 1460;

/// What a connection that moves files holds: four segments, so that fast retransmit works.
const LARGE: usize = 4 * 1460;

/// Files of the store.
pub(crate) const FILES: usize = 64;

/// Sectors of the flash that the store is on.
pub(crate) const SECTORS: usize = flash::SIZE / flash::SECTOR;

/// The last chat lines.
pub(crate) const ROOM: usize = 2 * CHAT_RING_MIN;

/// 20 connections.
pub(crate) const PLAN: Plan = Plan {
    chat: size(6, SMALL, SMALL),
    secret: size(4, SMALL, SMALL),
    drop: size(2, LARGE, SMALL),
    files: size(2, LARGE, LARGE),
    status: size(1, SMALL, SMALL),
    echo: size(2, SMALL, SMALL),
    discard: size(2, LARGE, SMALL),
    chargen: size(1, SMALL, LARGE),
    // Not offered yet: it was not tried on this board.
    capture: size(0, 0, 0),
    backlog: 16,
    time_wait: 16,
};

/// What the node takes for that plan.
pub(crate) const ARENA: usize = 132 * 1024;

const fn size(connections: usize, receive: usize, transmit: usize) -> Size {
    Size {
        connections,
        receive,
        transmit,
    }
}
