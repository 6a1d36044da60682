//! SYNs that wait for a slot of their service: a backlog of a few dozen bytes each.

use r2_core::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress};

use super::{Flow, Segment};
use crate::limits::{BACKLOG_SHARE, HELD_SYN_MAX, SYN_HELD_FOR};
use crate::storage::Storage;

/// A SYN as it came.
pub(crate) struct HeldSyn {
    pub(crate) flow: Flow,
    pub(crate) from: EthernetAddress,
    pub(crate) service: usize,
    /// When it came last: its sender repeats it.
    came: Instant,
    order: u64,
    packet: heapless::Vec<u8, HELD_SYN_MAX>,
}

impl HeldSyn {
    pub(crate) fn packet(&self) -> &[u8] {
        &self.packet
    }

    fn comes_from(&self, source: IpAddress) -> bool {
        self.flow.remote.addr == source
    }
}

/// The newest SYNs that found no slot. One that comes again takes its own place; when all are taken, the oldest
/// is overwritten, since its sender may have given up and will repeat it otherwise: the oldest of the same address
/// where that has its share of the places. No address is served twice in a row while another waits.
pub(crate) struct Backlog<'a> {
    held: &'a mut [Option<HeldSyn>],
    /// How many are held: none, as a rule, and then nobody looks for one.
    len: usize,
    order: u64,
    /// Who was served last.
    served: Option<IpAddress>,
}

impl<'a> Backlog<'a> {
    pub(crate) fn new(len: usize, storage: &mut impl Storage<'a>) -> Self {
        Self {
            held: storage.slice(len, |_| None),
            len: 0,
            order: 0,
            served: None,
        }
    }

    /// Holds the SYN `segment` for `service`. The service of the SYN that had to go for it, if one had to.
    pub(crate) fn hold(&mut self, segment: &Segment<'_>, service: usize, now: Instant) -> Option<usize> {
        self.order = self.order.saturating_add(1);
        let headers = segment.packet.get(..segment.headers).unwrap_or_default();
        let syn = HeldSyn {
            flow: segment.flow,
            from: segment.from,
            service,
            came: now,
            order: self.order,
            // A SYN with a payload (TCP Fast Open, which R2 does not speak) would need its lengths changed.
            packet: heapless::Vec::from_slice(headers).unwrap_or_default(),
        };
        if headers.len() != segment.packet.len() || syn.packet.is_empty() {
            return Some(service);
        }
        let source = segment.flow.remote.addr;
        let own = self.held.iter().flatten().filter(|held| held.comes_from(source));
        // `count` would check its additions.
        let own = own.fold(0_usize, |own, _| own.saturating_add(1));
        let has_its_share = own.saturating_mul(BACKLOG_SHARE) >= self.held.len();
        let place = self.held.iter_mut().min_by_key(|held| match held {
            Some(held) if held.flow == segment.flow => (0, 0),
            None => (1, 0),
            Some(held) if has_its_share && !held.comes_from(source) => (3, held.order),
            Some(held) => (2, held.order),
        });
        let Some(place) = place else {
            return Some(service);
        };
        self.len = self.len.saturating_add(usize::from(place.is_none()));
        let gone = place.as_ref().filter(|gone| gone.flow != segment.flow);
        let gone = gone.map(|gone| gone.service);
        *place = Some(syn);
        gone
    }

    /// Takes a SYN for `service` out: the newest of an address that was not served last, or the newest.
    pub(crate) fn take(&mut self, service: usize) -> Option<HeldSyn> {
        let served = self.served;
        let waiting = |held: &Option<HeldSyn>| {
            let held = held.as_ref().filter(|held| held.service == service)?;
            Some((Some(held.flow.remote.addr) != served, held.order))
        };
        let next = self.held.iter_mut().max_by_key(|held| waiting(held))?;
        waiting(next)?;
        self.len = self.len.saturating_sub(1);
        self.served = next.as_ref().map(|held| held.flow.remote.addr);
        next.take()
    }

    /// Whether a SYN waits for `service`.
    pub(crate) fn waits(&self, service: usize) -> bool {
        self.held.iter().flatten().any(|held| held.service == service)
    }

    /// Whether a SYN of another address than `source` waits for `service`.
    pub(crate) fn waits_beside(&self, service: usize, source: IpAddress) -> bool {
        let mut held = self.held.iter().flatten();
        held.any(|held| held.service == service && !held.comes_from(source))
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Lets go of a SYN that nobody repeated for a long time. Its service; call until `None`.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<usize> {
        let old = |held: &HeldSyn| now.since(held.came) > SYN_HELD_FOR;
        let place = self.held.iter_mut().find(|held| held.as_ref().is_some_and(old))?;
        self.len = self.len.saturating_sub(1);
        place.take().map(|held| held.service)
    }

    /// Lets go of the SYN of `flow`: its sender reset it.
    pub(crate) fn forget(&mut self, flow: &Flow) {
        if self.is_empty() {
            return;
        }
        for held in self
            .held
            .iter_mut()
            .filter(|held| held.as_ref().is_some_and(|held| held.flow == *flow))
        {
            *held = None;
            self.len = self.len.saturating_sub(1);
        }
    }
}
