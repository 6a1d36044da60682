//! Connections that are closed but whose peer may not have heard the last acknowledgement (RFC 9293, 3.6.1).
//!
//! A socket in TIME-WAIT would hold a slot and its buffers for a few bytes of state; here they are 40 bytes each.

use r2_core::time::Instant;

use super::Flow;
use crate::limits::TIME_WAIT;
use crate::storage::Storage;

/// What is left of a connection that both sides have closed.
#[derive(Clone, Copy)]
pub(crate) struct Closed {
    pub(crate) flow: Flow,
    /// The sequence number behind our FIN.
    pub(crate) seq: u32,
    /// The sequence number behind the peer's FIN.
    pub(crate) ack: u32,
    pub(crate) since: Instant,
}

/// The latest closed connections; a new one overwrites the oldest.
pub(crate) struct TimeWait<'a> {
    closed: &'a mut [Option<Closed>],
    next: usize,
}

impl<'a> TimeWait<'a> {
    pub(crate) fn new(len: usize, storage: &mut impl Storage<'a>) -> Self {
        Self {
            closed: storage.slice(len, |_| None),
            next: 0,
        }
    }

    pub(crate) fn remember(&mut self, closed: Closed) {
        if let Some(place) = self.closed.get_mut(self.next) {
            *place = Some(closed);
            self.next = (self.next + 1) % self.closed.len();
        }
    }

    /// The connection that `flow` was, if it closed less than [`TIME_WAIT`] ago.
    pub(crate) fn find(&self, flow: &Flow, now: Instant) -> Option<Closed> {
        let fresh = |closed: &&Closed| closed.flow == *flow && now.since(closed.since) < TIME_WAIT;
        self.closed.iter().flatten().find(fresh).copied()
    }

    /// Forgets `flow`: it is used anew.
    pub(crate) fn forget(&mut self, flow: &Flow) {
        for place in self
            .closed
            .iter_mut()
            .filter(|place| place.is_some_and(|closed| closed.flow == *flow))
        {
            *place = None;
        }
    }
}
