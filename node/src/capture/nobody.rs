//! Without the feature `capture`: nobody reads along, and it costs nothing.

#![allow(clippy::unused_self, reason = "the same calls as of those who do")]

use core::ops::Range;

use smoltcp::time::Instant;

use crate::slot::Slot;

/// No connections.
pub(crate) struct Captures;

impl Captures {
    pub(crate) fn new(_: impl FnOnce() -> Option<(usize, Range<usize>)>, _: bool, _: Instant) -> Self {
        Self
    }

    pub(crate) fn opened(&self, _: usize) {}

    pub(crate) fn closed(&self, _: usize) {}

    pub(crate) fn pass_at(&self, _: Instant) {}

    pub(crate) fn tap(&self, _: &[Slot<'_>], _: u16) -> Tap {
        Tap
    }

    pub(crate) fn beside<'t, 'a>(
        &self,
        slots: &'t mut [Slot<'a>],
        index: usize,
    ) -> Option<(&'t mut Slot<'a>, Tap)> {
        Some((slots.get_mut(index)?, Tap))
    }
}

/// Where no frame goes.
pub(crate) struct Tap;

impl Tap {
    pub(crate) fn on<T>(self, token: T) -> T {
        token
    }

    pub(crate) fn record(&self, _: &[u8]) {}
}
