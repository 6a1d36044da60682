//! How the board's RAM is shared out between chat, secret and drop. Sizes are in bytes.

use r2_core::limits::RAM_BLOCK;
use r2_services::Plan;

use lm3s6965evb::net::HELD;
use lm3s6965evb::sizes::{SEGMENT, size};

/// What the store has room for: a file of 4 KiB and a short one. Nobody fetches them over the network here.
pub(crate) const BLOCKS: usize = 4 * 1024 / RAM_BLOCK + 1;

/// Files of the store.
pub(crate) const FILES: usize = 2;

/// 8 connections.
pub(crate) const PLAN: Plan = Plan {
    chat: size(4, SEGMENT, SEGMENT),
    secret: size(2, SEGMENT, SEGMENT),
    drop: size(2, HELD * SEGMENT, SEGMENT / 2),
    backlog: 4,
    time_wait: 8,
    ..Plan::NOTHING
};

/// What the node takes for that plan. It says at the start how much of it is left.
pub(crate) const ARENA: usize = 24_400;
