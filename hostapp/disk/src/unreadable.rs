//! [`Unreadable`]: the files of a store that cannot be read.

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use r2_core::name::Name;

use super::names::set_of;

/// Files of which it is known that they cannot be read. Of more nothing is told, and the status page counts no further:
/// by then it is the folder that is wrong.
const UNREADABLE_MAX: usize = 1024;

/// Files that lists leave out. Each is told once, however often somebody asks for it.
pub(super) struct Unreadable(Mutex<HashSet<Name>>);

impl Unreadable {
    pub(super) fn new() -> Self {
        Self(Mutex::new(set_of(2 * UNREADABLE_MAX)))
    }

    /// `name` cannot be read.
    pub(super) fn insert(&self, name: &Name, why: impl Display) {
        let mut names = self.names();
        if names.len() < UNREADABLE_MAX && names.insert(name.clone()) {
            log::warn!("{name} cannot be read, and lists leave it out: {why}");
        }
    }

    /// `name` was read.
    pub(super) fn remove(&self, name: &Name) {
        self.names().remove(name);
    }

    /// Forgets the names that are no longer `there`.
    pub(super) fn retain(&self, mut there: impl FnMut(&Name) -> bool) {
        self.names().retain(|name| there(name));
    }

    /// How many they are.
    pub(super) fn count(&self) -> u64 {
        self.names().len() as u64
    }

    fn names(&self) -> MutexGuard<'_, HashSet<Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
