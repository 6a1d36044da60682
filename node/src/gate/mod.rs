//! A frame's first stop: parse it, filter it, find its connection, or hold its SYN.
//!
//! The gate is plain code over slices. It knows addresses, ports and sequence numbers, and nothing of what the
//! connections carry.

mod backlog;
mod bare;
mod flows;
mod parse;
mod sent;
mod shown;
mod time_wait;

pub(crate) use backlog::Backlog;
pub(crate) use bare::{BARE_MAX, Bare};
pub(crate) use flows::{Flow, Flows};
pub(crate) use parse::{Border, Datagram, Parsed, Segment};
pub(crate) use sent::{Sent, is_after};
pub(crate) use shown::Shown;
pub(crate) use time_wait::{Closed, TimeWait};
