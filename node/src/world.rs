//! What all sessions of a node share, as far as the node must know it.

use crate::counters::Counters;

/// The world of a node: whatever its sessions share, and the counters of the node.
///
/// The node registers its services in these counters when it is made and counts in them from then on, so every call of
/// one node is given the same world. A node whose sessions share nothing else has [`Counters`] alone for its world; one
/// whose sessions share a `T`, a pair of them.
pub trait World {
    /// Where the node counts.
    fn counters(&mut self) -> &mut Counters;
}

impl World for Counters {
    fn counters(&mut self) -> &mut Counters {
        self
    }
}

impl<T> World for (T, Counters) {
    fn counters(&mut self) -> &mut Counters {
        &mut self.1
    }
}
