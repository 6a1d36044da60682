//! How the board's RAM is shared out between all services. Sizes are in bytes.

use r2_core::limits::RAM_BLOCK;
use r2_node::capture::RECORD_HEADER;
use r2_services::Plan;

use lm3s6965evb::net::HELD;
use lm3s6965evb::sizes::{MTU, SEGMENT, size};

/// What the store has room for: two files of 4 KiB and a short one.
pub(crate) const BLOCKS: usize = 8 * 1024 / RAM_BLOCK + 1;

/// Files of the store.
pub(crate) const FILES: usize = 6;

/// 14 connections. Whoever sends bytes in bulk has a window of as many segments as the controller holds, and an echo of
/// two, so that one is under way while the other is worked on; whoever sends lines has one, and who is not
/// listened to an eighth. A receipt fits into a quarter. A capture holds such a window and one frame more, which the
/// reader has not acknowledged.
pub(crate) const PLAN: Plan = Plan {
    chat: size(4, SEGMENT, SEGMENT),
    secret: size(2, SEGMENT, SEGMENT),
    drop: size(2, HELD * SEGMENT, SEGMENT / 4),
    files: size(1, HELD * SEGMENT, 2 * SEGMENT),
    status: size(1, SEGMENT / 8, SEGMENT / 2),
    echo: size(1, 2 * SEGMENT, SEGMENT),
    discard: size(1, HELD * SEGMENT, SEGMENT / 8),
    chargen: size(1, SEGMENT / 8, SEGMENT),
    capture: size(1, SEGMENT / 8, (HELD + 1) * (RECORD_HEADER + MTU)),
    backlog: 8,
    time_wait: 8,
};

/// What the node takes for that plan. It says at the start how much of it is left.
pub(crate) const ARENA: usize = 39_104;
