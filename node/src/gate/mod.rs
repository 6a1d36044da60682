//! A frame's first stop: parse it, filter it, find its connection, or hold its SYN.
//!
//! The gate is plain code over slices. It knows addresses, ports and sequence numbers, and nothing of what the
//! connections carry.

mod backlog;
mod discovery;
mod flows;
mod headers;
mod icmp;
mod parse;
mod sent;
mod time_wait;

pub(crate) use backlog::Backlog;
pub(crate) use discovery::Neighbor;
#[cfg(all(feature = "call", feature = "ipv6"))]
pub(crate) use discovery::solicited_node;
#[cfg(feature = "ipv6")]
pub(crate) use discovery::{ALL_NODES, ethernet_group};
pub(crate) use flows::{Flow, Flows};
#[cfg(feature = "segmentation-offload")]
pub(crate) use headers::behind_ethernet;
#[cfg(feature = "segmentation-offload")]
pub(crate) use headers::carried;
#[cfg(feature = "ipv6")]
pub(crate) use headers::protocol_named_at;
pub(crate) use parse::{Asked, Border, Datagram, Parsed, Segment};
pub(crate) use sent::Sent;
pub(crate) use time_wait::{Closed, TimeWait};
