//! When each slot wants to be served again: a binary heap that knows where every slot stands.

use smoltcp::time::Instant;

use crate::storage::Storage;

const NOWHERE: u32 = u32::MAX;

/// The earlier of two deadlines, where there are any.
// On a board, where it is called in so many places, it is one function.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) if other < one => Some(other),
        (one, other) => one.or(other),
    }
}

/// The next deadline of up to a fixed number of slots. Setting one costs the logarithm of their number.
pub(crate) struct Deadlines<'a> {
    /// Slots, the earliest deadline first in the order of a binary heap.
    heap: &'a mut [u32],
    len: usize,
    /// For every slot: where it stands in the heap, and its deadline.
    slots: &'a mut [(u32, Instant)],
}

impl<'a> Deadlines<'a> {
    pub(crate) fn new(slots: usize, storage: &mut impl Storage<'a>) -> Self {
        Self {
            heap: storage.slice(slots, |_| 0),
            len: 0,
            slots: storage.slice(slots, |_| (NOWHERE, Instant::ZERO)),
        }
    }

    /// Gives `slot` another deadline, or none.
    pub(crate) fn set(&mut self, slot: usize, at: Option<Instant>) {
        let Some(&(place, _)) = self.slots.get(slot) else {
            return;
        };
        let place = match (place, at) {
            (NOWHERE, None) => return,
            (NOWHERE, Some(at)) => {
                let place = self.len;
                self.len = self.len.saturating_add(1);
                self.put(place, slot, at);
                place
            }
            (place, Some(at)) => {
                self.put(place as usize, slot, at);
                place as usize
            }
            (place, None) => {
                self.remove(place as usize);
                return;
            }
        };
        self.settle(place);
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        if self.len == 0 { None } else { Some(self.at(0)) }
    }

    /// Takes the slot with the earliest deadline out, if that has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<usize> {
        if self.next()? > now {
            return None;
        }
        let slot = self.slot(0);
        self.remove(0);
        Some(slot)
    }

    fn remove(&mut self, place: usize) {
        if let Some(entry) = self.slots.get_mut(self.slot(place)) {
            entry.0 = NOWHERE;
        }
        self.len = self.len.saturating_sub(1);
        if place < self.len {
            let (last, at) = (self.slot(self.len), self.at(self.len));
            self.put(place, last, at);
            self.settle(place);
        }
    }

    /// Moves the slot at `place` to where it belongs.
    fn settle(&mut self, mut place: usize) {
        while place > 0 && self.at(place) < self.at((place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        loop {
            let mut least = place;
            let left = place.saturating_mul(2).saturating_add(1);
            for child in [left, left.saturating_add(1)] {
                if child < self.len && self.at(child) < self.at(least) {
                    least = child;
                }
            }
            if least == place {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        let (a, a_at, b, b_at) = (self.slot(one), self.at(one), self.slot(other), self.at(other));
        self.put(one, b, b_at);
        self.put(other, a, a_at);
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "slots are counted in u32 throughout the node"
    )]
    fn put(&mut self, place: usize, slot: usize, at: Instant) {
        if let (Some(standing), Some(entry)) = (self.heap.get_mut(place), self.slots.get_mut(slot)) {
            *standing = slot as u32;
            *entry = (place as u32, at);
        }
    }

    fn slot(&self, place: usize) -> usize {
        self.heap.get(place).map_or(0, |&slot| slot as usize)
    }

    fn at(&self, place: usize) -> Instant {
        self.slots
            .get(self.slot(place))
            .map_or(Instant::ZERO, |&(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Leaked;
    use std::collections::BTreeSet;

    #[test]
    fn slots_come_due_in_the_order_of_their_deadlines() {
        let mut deadlines = Deadlines::new(64, &mut Leaked);
        let mut expected = BTreeSet::new();
        let mut at = [None; 64];
        let mut random = 1_u64;
        for _ in 0..5000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let slot = (random >> 33) as usize % 64;
            let when = (random >> 40).cast_signed() % 1000;
            if let Some(old) = at[slot].take() {
                expected.remove(&(old, slot));
            }
            if when % 5 == 0 {
                deadlines.set(slot, None);
            } else {
                at[slot] = Some(when);
                expected.insert((when, slot));
                deadlines.set(slot, Some(Instant::from_millis(when)));
            }
            assert_eq!(
                deadlines.next(),
                expected.first().map(|&(at, _)| Instant::from_millis(at))
            );
        }
        let now = Instant::from_millis(500);
        while let Some(slot) = deadlines.take_due(now) {
            let when = at[slot].take().unwrap();
            assert_eq!(expected.first().unwrap().0, when);
            expected.remove(&(when, slot));
        }
        assert!(expected.first().is_none_or(|&(at, _)| at > 500));
    }
}
