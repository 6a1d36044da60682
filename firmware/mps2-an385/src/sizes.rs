//! How the board's RAM is shared out. Sizes are in bytes.

use r2_core::limits::CHAT_RING_MIN;
use r2_node::Size;
use r2_services::Plan;

use crate::flash;

/// The largest frame: an IP packet of 1,500 bytes and its Ethernet header.
pub(crate) const MTU: usize = 14 + 1500;

/// What a connection of small requests holds of either direction.
const SMALL: usize = 4096;

/// What a connection that moves files holds: more than a round trip on a local network needs, and less than the
/// window that TCP can name without scaling.
const LARGE: usize = 32 * 1024;

/// Files of the store.
pub(crate) const FILES: usize = 64;

/// Sectors of the flash that the store is on.
pub(crate) const SECTORS: usize = flash::SIZE / flash::SECTOR;

/// The last chat lines.
pub(crate) const ROOM: usize = 4 * CHAT_RING_MIN;

/// 40 connections. A capture has room for more frames than an upload sends before R2 acknowledges them.
pub(crate) const PLAN: Plan = Plan {
    chat: size(8, SMALL, SMALL),
    secret: size(8, SMALL, SMALL),
    drop: size(4, LARGE, SMALL),
    files: size(4, LARGE, LARGE),
    status: size(2, SMALL, SMALL),
    echo: size(4, SMALL, SMALL),
    discard: size(4, LARGE, SMALL),
    chargen: size(4, SMALL, LARGE),
    capture: size(2, SMALL, 4 * LARGE),
    backlog: 32,
    time_wait: 32,
};

/// What the node takes for that plan.
pub(crate) const ARENA: usize = 1536 * 1024;

const fn size(connections: usize, receive: usize, transmit: usize) -> Size {
    Size {
        connections,
        receive,
        transmit,
    }
}
