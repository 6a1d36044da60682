//! The capture connections of a node, and what passes them.

use core::ops::Range;

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

use super::{RECORD_HEADER, Record};
use crate::counters::add;
use crate::slot::Slot;

/// The capture connections of a node.
pub(crate) struct Captures {
    /// Their slots; none where the service is not offered.
    pub(crate) slots: Range<usize>,
    pub(crate) service: usize,
    port: u16,
    /// How many are open: with none, a frame costs a look at this.
    open: usize,
    whole_checksums: bool,
    /// The Unix time of the node's instant 0, and of now.
    started_at: Instant,
    at: Instant,
    pub(crate) tally: Captured,
}

/// What was recorded since it was looked at last.
#[derive(Clone, Copy, Default)]
pub(crate) struct Captured {
    pub(crate) bytes: u64,
    /// Frames for which a connection had no room.
    pub(crate) lost: u64,
}

impl Captures {
    pub(crate) fn new(
        offered: Option<(usize, u16, Range<usize>)>,
        whole_checksums: bool,
        started_at: Instant,
    ) -> Self {
        let (service, port, slots) = offered.unwrap_or_default();
        Self {
            slots,
            service,
            port,
            open: 0,
            whole_checksums,
            started_at,
            at: started_at,
            tally: Captured::default(),
        }
    }

    /// A connection of slot `index` was opened.
    pub(crate) fn opened(&mut self, index: usize) {
        self.open = self.open.saturating_add(self.slots.contains(&index).into());
    }

    /// A connection of slot `index`, which was opened, is over.
    pub(crate) fn closed(&mut self, index: usize) {
        self.open = self.open.saturating_sub(self.slots.contains(&index).into());
    }

    /// What is recorded from here on passes at `now`.
    pub(crate) fn pass_at(&mut self, now: Instant) {
        self.at = self.started_at + smoltcp::time::Duration::from_micros(now.total_micros().unsigned_abs());
    }

    /// The node's instants lie so much later than they did.
    pub(crate) fn stood_still(&mut self, time: smoltcp::time::Duration) {
        self.started_at += time;
    }

    /// The slots of those who read along: none while no connection is open.
    fn readers(&self) -> Range<usize> {
        if self.open > 0 { self.slots.clone() } else { 0..0 }
    }

    /// What all of `slots` that read along are given of a frame to or from our `port`: nothing where it is that of
    /// capture connections. Recorded, it would make the next.
    pub(crate) fn tap<'t, 'a>(&'t mut self, slots: &'t mut [Slot<'a>], port: u16) -> Tap<'t, 'a> {
        let readers = if port == self.port { 0..0 } else { self.readers() };
        Tap {
            readers: slots.get_mut(readers).unwrap_or_default(),
            captures: self,
        }
    }

    /// Slot `index`, and what the others that read along are given of what it sends: nothing where it is one of them.
    pub(crate) fn beside<'t, 'a>(
        &'t mut self,
        slots: &'t mut [Slot<'a>],
        index: usize,
    ) -> Option<(&'t mut Slot<'a>, Tap<'t, 'a>)> {
        let readers = self.readers();
        if readers.is_empty() || readers.contains(&index) {
            let tap = Tap {
                readers: &mut [],
                captures: self,
            };
            return Some((slots.get_mut(index)?, tap));
        }
        let [slot, readers] = slots
            .get_disjoint_mut([index..index.saturating_add(1), readers])
            .ok()?;
        let tap = Tap {
            readers,
            captures: self,
        };
        Some((slot.first_mut()?, tap))
    }
}

/// Where a frame goes besides.
pub(crate) struct Tap<'t, 'a> {
    readers: &'t mut [Slot<'a>],
    captures: &'t mut Captures,
}

impl<'t, 'a> Tap<'t, 'a> {
    /// The frame that is sent with `token` is recorded.
    pub(crate) fn on<T: TxToken>(self, token: T) -> Recorded<'t, 'a, T> {
        Recorded { token, tap: self }
    }

    fn reborrow(&mut self) -> Tap<'_, 'a> {
        Tap {
            readers: &mut *self.readers,
            captures: &mut *self.captures,
        }
    }

    /// Gives a frame to all that have room for it.
    pub(crate) fn record(&mut self, frame: &[u8]) {
        if self.readers.is_empty() {
            return;
        }
        let Captures {
            at,
            whole_checksums,
            tally,
            ..
        } = self.captures;
        let record = Record::new(*at, frame, *whole_checksums);
        let length = RECORD_HEADER.saturating_add(frame.len());
        for reader in self.readers.iter_mut().filter(|slot| slot.phase.is_open()) {
            if reader.put_whole(length, record.pieces()) {
                add(&mut tally.bytes, length as u64);
            } else {
                add(&mut tally.lost, 1);
            }
        }
    }
}

/// A device whose leaving frames are recorded.
pub(crate) struct Recording<'t, 'a, D: ?Sized> {
    pub(crate) device: &'t mut D,
    pub(crate) tap: Tap<'t, 'a>,
}

impl<'a, D: Device + ?Sized> Device for Recording<'_, 'a, D> {
    type RxToken<'b>
        = Unread
    where
        Self: 'b;
    type TxToken<'b>
        = Recorded<'b, 'a, D::TxToken<'b>>
    where
        Self: 'b;

    fn receive(&mut self, _: Instant) -> Option<(Unread, Self::TxToken<'_>)> {
        None
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        let token = self.device.transmit(now)?;
        let tap = self.tap.reborrow();
        Some(Recorded { token, tap })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

/// A frame that is not received here.
pub(crate) enum Unread {}

impl RxToken for Unread {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, _: F) -> R {
        match self {}
    }
}

/// Room for a frame that is recorded.
pub(crate) struct Recorded<'t, 'a, T> {
    token: T,
    tap: Tap<'t, 'a>,
}

impl<T: TxToken> TxToken for Recorded<'_, '_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, len: usize, f: F) -> R {
        self.token.consume(len, |frame| {
            let result = f(frame);
            self.tap.record(frame);
            result
        })
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.token.set_meta(meta);
    }
}
