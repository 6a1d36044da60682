//! Which slot a connection has: a hash table under a secret key, so that no peer can aim at a bucket.

use siphasher::sip::SipHasher13;
use smoltcp::wire::{IpAddress, IpEndpoint};

use crate::storage::Storage;

/// The four numbers that tell one connection from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) remote: IpEndpoint,
    pub(crate) local: IpEndpoint,
}

impl Flow {
    /// A number that only the holder of the secret can foretell.
    pub(crate) fn keyed_hash(&self, secret: &[u8; 16]) -> u64 {
        let mut bytes = heapless::Vec::<u8, FLOW_BYTES>::new();
        for IpEndpoint { addr, port } in [self.remote, self.local] {
            // There is room: two addresses and two ports.
            let _ = match addr {
                IpAddress::Ipv4(addr) => bytes.extend_from_slice(&addr.octets()),
                #[cfg(feature = "ipv6")]
                IpAddress::Ipv6(addr) => bytes.extend_from_slice(&addr.octets()),
            };
            let _ = bytes.extend_from_slice(&port.to_ne_bytes());
        }
        SipHasher13::new_with_key(secret).hash(&bytes)
    }
}

/// Bytes of two addresses of the larger family, and two ports.
const FLOW_BYTES: usize = 2 * (16 + 2);

const EMPTY: u32 = u32::MAX;

/// From flow to slot, by open addressing. The flows themselves are kept by the slots: `flow_of` tells them.
pub(crate) struct Flows<'a> {
    /// A power of two of places, at most half of them taken.
    places: &'a mut [u32],
    /// The slot that was found last: of frames that come together, most are of one flow.
    last: usize,
    secret: [u8; 16],
}

impl<'a> Flows<'a> {
    pub(crate) fn new(slots: usize, secret: [u8; 16], storage: &mut impl Storage<'a>) -> Self {
        // A table that cannot be counted would not fit into memory either.
        let places = slots.saturating_mul(2).checked_next_power_of_two().unwrap_or(0);
        Self {
            places: storage.slice(places, |_| EMPTY),
            last: 0,
            secret,
        }
    }

    /// The slot of `flow`.
    pub(crate) fn find(&mut self, flow: &Flow, flow_of: impl Fn(usize) -> Option<Flow>) -> Option<usize> {
        if flow_of(self.last).as_ref() == Some(flow) {
            return Some(self.last);
        }
        let mut place = self.home(flow);
        for _ in 0..self.places.len() {
            let slot = self.at(place)?;
            if flow_of(slot).as_ref() == Some(flow) {
                self.last = slot;
                return Some(slot);
            }
            place = self.following(place);
        }
        None
    }

    /// Notes that `flow` is now the one of `slot`; it must not be in the table.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "slots are counted in u32 throughout the node"
    )]
    pub(crate) fn insert(&mut self, flow: &Flow, slot: usize) {
        let mut place = self.home(flow);
        for _ in 0..self.places.len() {
            if self.at(place).is_none() {
                self.put(place, slot as u32);
                return;
            }
            place = self.following(place);
        }
    }

    /// Forgets `slot`, whose flow was `flow`, and moves up those that stood behind it because it was there.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "slots are counted in u32 throughout the node"
    )]
    pub(crate) fn remove(&mut self, flow: &Flow, slot: usize, flow_of: impl Fn(usize) -> Option<Flow>) {
        let mut hole = self.home(flow);
        for _ in 0..self.places.len() {
            match self.at(hole) {
                None => return,
                Some(found) if found == slot => break,
                Some(_) => hole = self.following(hole),
            }
        }
        let mut place = hole;
        for _ in 0..self.places.len() {
            place = self.following(place);
            let Some(moved) = self.at(place) else { break };
            let Some(home) = flow_of(moved).map(|flow| self.home(&flow)) else {
                continue;
            };
            if self.distance(home, place) >= self.distance(hole, place) {
                self.put(hole, moved as u32);
                hole = place;
            }
        }
        self.put(hole, EMPTY);
    }

    #[allow(clippy::cast_possible_truncation, reason = "only the low bits name a place")]
    fn home(&self, flow: &Flow) -> usize {
        flow.keyed_hash(&self.secret) as usize & self.mask()
    }

    /// The bits of a number that name a place.
    fn mask(&self) -> usize {
        self.places.len().wrapping_sub(1)
    }

    fn following(&self, place: usize) -> usize {
        place.wrapping_add(1) & self.mask()
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.mask()
    }

    fn at(&self, place: usize) -> Option<usize> {
        self.places
            .get(place)
            .filter(|&&slot| slot != EMPTY)
            .map(|&slot| slot as usize)
    }

    fn put(&mut self, place: usize, slot: u32) {
        if let Some(entry) = self.places.get_mut(place) {
            *entry = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Leaked;
    use smoltcp::wire::IpAddress;

    fn flow(port: u16) -> Flow {
        let local = (IpAddress::v4(192, 168, 69, 1), 5000).into();
        Flow {
            remote: (IpAddress::v4(192, 168, 69, 100), port).into(),
            local,
        }
    }

    #[test]
    fn every_flow_is_found_whatever_came_and_went() {
        let mut held = [None; 16];
        let mut flows = Flows::new(held.len(), [7; 16], &mut Leaked);
        let mut random = 1_u32;
        for _ in 0..20_000 {
            random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            let slot = (random >> 16) as usize % held.len();
            let port = (random >> 20) as u16 % 64 + 1;
            if let Some(old) = held[slot] {
                flows.remove(&old, slot, |slot| held[slot]);
                held[slot] = None;
            } else if !held.contains(&Some(flow(port))) {
                held[slot] = Some(flow(port));
                flows.insert(&flow(port), slot);
            }
            for port in 1..=64 {
                let expected = held.iter().position(|held| *held == Some(flow(port)));
                assert_eq!(flows.find(&flow(port), |slot| held[slot]), expected);
            }
        }
    }
}
