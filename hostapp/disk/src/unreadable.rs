//! [`Unreadable`]: the files of a store that cannot be read.

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use r2_core::name::Name;

use super::names::set_of;

/// Files of which it is known that they cannot be read. Of more nothing is told, and the status page counts no further:
/// by then it is the folder that is wrong.
const UNREADABLE_MAX: usize = 1024;

/// Files that lists leave out. Each is told once as long as it is there, however often somebody asks for it, and though it
/// can be read now and then.
pub(super) struct Unreadable(Mutex<Files>);

struct Files {
    unreadable: HashSet<Name>,
    told: HashSet<Name>,
}

impl Unreadable {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Files {
            unreadable: set_of(2 * UNREADABLE_MAX),
            told: set_of(2 * UNREADABLE_MAX),
        }))
    }

    /// `name` cannot be read.
    pub(super) fn insert(&self, name: &Name, why: impl Display) {
        let mut files = self.files();
        if files.unreadable.len() < UNREADABLE_MAX {
            files.unreadable.insert(name.clone());
        }
        if files.told.len() < UNREADABLE_MAX && files.told.insert(name.clone()) {
            log::warn!("{name} cannot be read, and lists leave it out: {why}");
        }
    }

    /// `name` was read.
    pub(super) fn remove(&self, name: &Name) {
        self.files().unreadable.remove(name);
    }

    /// Forgets the names that are no longer `there`.
    pub(super) fn retain(&self, mut there: impl FnMut(&Name) -> bool) {
        let mut files = self.files();
        files.told.retain(|name| there(name));
        files.unreadable.retain(|name| there(name));
    }

    /// How many they are.
    pub(super) fn count(&self) -> u64 {
        self.files().unreadable.len() as u64
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
