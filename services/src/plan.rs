//! How many connections each service has.

use r2_node::Size;

/// The size of everything that R2's services take memory for.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the fields are the services")]
pub struct Plan {
    pub chat: Size,
    pub secret: Size,
    pub drop: Size,
    pub files: Size,
    pub status: Size,
    pub echo: Size,
    pub discard: Size,
    pub chargen: Size,
    pub capture: Size,
    /// How many SYNs are held while every connection of their service is taken.
    pub backlog: usize,
    /// How many closed connections are remembered for their late FINs.
    pub time_wait: usize,
}

impl Plan {
    /// No service: with [`register`](crate::register), none of 0 connections is offered.
    pub const NOTHING: Self = Self {
        chat: NOT_OFFERED,
        secret: NOT_OFFERED,
        drop: NOT_OFFERED,
        files: NOT_OFFERED,
        status: NOT_OFFERED,
        echo: NOT_OFFERED,
        discard: NOT_OFFERED,
        chargen: NOT_OFFERED,
        capture: NOT_OFFERED,
        backlog: 0,
        time_wait: 0,
    };
}

const NOT_OFFERED: Size = Size {
    connections: 0,
    receive: 0,
    transmit: 0,
};
