//! What the folder knows of the digests of resting files, and the index that keeps them.

use std::fs::File;
use std::io;
use std::sync::{MutexGuard, PoisonError};

use r2_core::store::{Digest, Entry};

use super::Folder;
use crate::digests::Digests;
use crate::fingerprint::Fingerprint;
use crate::index::{self, INDEX, NEW_INDEX};
use crate::medium::remove_if_there;

/// Bytes that are hashed before the index is written anew: what a crash makes R2 hash again takes about a second.
const SAVED_AFTER: u64 = 256 * 1024 * 1024;

impl Folder {
    /// The digest of the content that `fingerprint` tells, if it was computed before.
    pub(crate) fn digest(&self, fingerprint: &Fingerprint) -> Option<Digest> {
        self.digests().get(&fingerprint.sum())
    }

    /// Remembers the digest of the content that `fingerprint` tells. Any change of that content since must show.
    pub(crate) fn remember(&self, fingerprint: &Fingerprint, digest: Digest) {
        self.digests()
            .insert(fingerprint.sum(), digest, fingerprint.length());
    }

    /// Remembers the digest of `file`, to which R2 itself has just given the entry's name, unless what somebody else writes
    /// there might not show: then it is hashed when it is asked for.
    pub(crate) fn remember_upload(&self, file: &File, entry: &Entry) {
        let Ok(fingerprint) = Fingerprint::of(&entry.name, file) else {
            return;
        };
        let is_whole = fingerprint.length() == entry.length;
        if is_whole && (fingerprint.shows_writes() || fingerprint.is_settled()) {
            self.remember(&fingerprint, entry.sha256);
            self.save_digests_when_due();
        }
    }

    /// Writes the index if much was hashed since it was written.
    pub(crate) fn save_digests_when_due(&self) {
        if self.digests().unsaved() >= SAVED_AFTER {
            self.save_digests();
        }
    }

    /// Writes the index if anything was hashed since it was written. What fails costs no more than time.
    pub(crate) fn save_digests(&self) {
        let Ok(mut piece) = self.piece.try_lock() else {
            return; // Another thread does it.
        };
        {
            let mut digests = self.digests();
            if digests.unsaved() == 0 {
                return;
            }
            digests.begin_to_save();
        }
        if let Err(error) = self.write_index(&mut piece) {
            self.complain(&error, "the digests of the store are not kept");
        }
    }

    fn write_index(&self, piece: &mut [u8]) -> io::Result<()> {
        self.locked.check()?;
        let new = self.locked.path().join(NEW_INDEX);
        remove_if_there(&*self.medium, &new)?;
        let file = self.medium.create(&new)?;
        index::write(
            piece,
            || self.digests(),
            |bytes, at| self.write(&file, bytes, at, &mut 0),
        )?;
        self.medium.sync(&file)?;
        self.medium.rename(&new, &self.locked.path().join(INDEX))
    }

    pub(super) fn digests(&self) -> MutexGuard<'_, Digests> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
