//! [`Names`]: the names that the disk alone does not explain.

use std::collections::HashSet;

use r2_core::name::Name;

/// What uploads are called that the disk alone does not tell.
pub(super) struct Names {
    /// Final names of uploads that are not sealed.
    pub(super) uploading: HashSet<Name>,
    /// Numbered uploads that are sealed and whose receipt is under way: `.unconfirmed` on the disk, but known by
    /// their final names.
    pub(super) unconfirmed: HashSet<Name>,
}

impl Names {
    /// The names of so many tickets. A set takes no more memory as long as half of it is empty.
    pub(super) fn of(tickets: usize) -> Self {
        Self {
            uploading: set_of(2 * tickets),
            unconfirmed: set_of(2 * tickets),
        }
    }
}

/// An empty set with room for so many names. It was full once: its memory is there from the start.
pub(super) fn set_of(names: usize) -> HashSet<Name> {
    let mut set: HashSet<_> = (0..).map(Name::numbered).take(names).collect();
    set.clear();
    set
}
