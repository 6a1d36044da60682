//! [`Names`]: the names that the disk alone does not explain.

use std::collections::HashSet;

use r2_core::name::Name;

/// What uploads are called that the disk alone does not tell.
pub(super) struct Names {
    /// Final names of uploads that are not sealed.
    pub(super) uploading: HashSet<Name>,
    /// Numbered uploads that are sealed and whose receipt is under way: `.unconfirmed` on the disk, but known by
    /// their final names.
    pub(super) held: HashSet<Name>,
}

impl Names {
    /// The names of so many tickets. A set takes no more memory as long as half of it is empty.
    pub(super) fn of(tickets: usize) -> Self {
        Self {
            uploading: HashSet::with_capacity(2 * tickets),
            held: HashSet::with_capacity(2 * tickets),
        }
    }
}
