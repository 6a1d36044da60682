//! Connections that are closed but whose peer may not have heard the last acknowledgement (RFC 9293, 3.6.1).
//!
//! A socket in TIME-WAIT would hold a slot and its buffers for a few bytes of state; here they are 40 bytes each.

use r2_core::time::{Duration, Instant};

use super::Flow;
use crate::limits::TIME_WAIT_WAYS;
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

/// The latest closed connections, in buckets of a few: a secret key says which, so that no peer can aim at one. A new
/// one overwrites the oldest of its bucket.
pub(crate) struct TimeWait<'a> {
    closed: &'a mut [Option<Closed>],
    /// How long each is remembered.
    time: Duration,
}

impl<'a> TimeWait<'a> {
    pub(crate) fn new(len: usize, time: Duration, storage: &mut impl Storage<'a>) -> Self {
        Self {
            closed: storage.slice(len, |_| None),
            time,
        }
    }

    pub(crate) fn remember(&mut self, closed: Closed, secret: &[u8; 16]) {
        let places = self.bucket(&closed.flow, secret).iter_mut();
        if let Some(place) = places.min_by_key(|place| place.map(|closed| closed.since)) {
            *place = Some(closed);
        }
    }

    /// The connection that `flow` was, if it closed no longer ago than it is remembered.
    pub(crate) fn find(&mut self, flow: &Flow, secret: &[u8; 16], now: Instant) -> Option<Closed> {
        let time = self.time;
        let fresh = |closed: &&Closed| closed.flow == *flow && now.since(closed.since) < time;
        self.bucket(flow, secret).iter().flatten().find(fresh).copied()
    }

    /// Forgets `flow`: it is used anew.
    pub(crate) fn forget(&mut self, flow: &Flow, secret: &[u8; 16]) {
        for place in self.bucket(flow, secret) {
            if place.is_some_and(|closed| closed.flow == *flow) {
                *place = None;
            }
        }
    }

    /// Where `flow` is, if it is anywhere.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "there are no more buckets than places"
    )]
    fn bucket(&mut self, flow: &Flow, secret: &[u8; 16]) -> &mut [Option<Closed>] {
        let buckets = self.closed.len().div_ceil(TIME_WAIT_WAYS) as u64;
        let bucket = match buckets {
            0 | 1 => 0,
            _ => flow.keyed_hash(secret) % buckets,
        };
        let mut places = self.closed.chunks_mut(TIME_WAIT_WAYS);
        places.nth(bucket as usize).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Leaked;
    use smoltcp::wire::IpAddress;

    const SECRET: [u8; 16] = [7; 16];
    const TIME: Duration = Duration::from_secs(10);

    fn closed(port: u16) -> Closed {
        Closed {
            flow: Flow {
                remote: (IpAddress::v4(192, 168, 69, 100), port).into(),
                local: (IpAddress::v4(192, 168, 69, 1), 5000).into(),
            },
            seq: 1,
            ack: 2,
            since: Instant::from_millis(port.into()),
        }
    }

    #[test]
    fn the_latest_are_found_until_their_time_is_over_or_they_are_used_anew() {
        for len in [1, 7, 8, 9, 100, 1024] {
            let mut table = TimeWait::new(len, TIME, &mut Leaked);
            for port in 1..=2000 {
                table.remember(closed(port), &SECRET);
            }
            let now = Instant::from_millis(2000);
            let mut found = |port| table.find(&closed(port).flow, &SECRET, now).is_some();
            let kept = (1..=2000).filter(|&port| found(port)).count();
            assert!(kept <= len && kept * 2 > len, "{kept} of {len}");
            let latest = u16::try_from(len.div_ceil(8)).unwrap();
            assert!((2001 - latest..=2000).all(&mut found), "{len}");
            let flow = closed(2000).flow;
            assert!(table.find(&flow, &SECRET, now + TIME).is_none());
            table.forget(&flow, &SECRET);
            assert!(table.find(&flow, &SECRET, now).is_none());
        }
        let mut none = TimeWait::new(0, TIME, &mut Leaked);
        none.remember(closed(1), &SECRET);
        assert!(none.find(&closed(1).flow, &SECRET, Instant::default()).is_none());
    }
}
