//! How much is stored in the folder, and how much more fits.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use r2_core::name::Name;
use r2_core::store::Usage;

use super::Folder;

impl Folder {
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Reserves room for up to `wanted` more bytes and returns how many there are.
    pub(crate) fn grow(&self, wanted: u64) -> u64 {
        let before = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bytes| {
                Some(bytes + wanted.min(self.limits.store.saturating_sub(bytes)))
            })
            .unwrap_or_default();
        wanted.min(self.limits.store.saturating_sub(before))
    }

    /// Gives room back.
    pub(crate) fn shrink(&self, bytes: u64) {
        subtract(&self.bytes, bytes);
    }

    /// Whether `length` more bytes would fit now.
    pub(crate) fn has_room(&self, length: u64) -> bool {
        let within_limit = self.usage().bytes.saturating_add(length) <= self.limits.store;
        let on_disk = nix::sys::statvfs::fstatvfs(self.locked.handle()).map_or(u64::MAX, |disk| {
            // The widths of these fields differ between systems.
            #[allow(clippy::useless_conversion)]
            u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size()))
        });
        within_limit && length <= on_disk
    }

    pub(super) fn count(&self) -> io::Result<()> {
        let mut usage = Usage::default();
        for entry in fs::read_dir(self.locked.path())? {
            let entry = entry?;
            let named = entry.file_name().to_str().and_then(Name::parse).is_some();
            if named
                && let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                usage.files += 1;
                usage.bytes += metadata.len();
            }
        }
        self.files.store(usage.files, Ordering::Relaxed);
        self.bytes.store(usage.bytes, Ordering::Relaxed);
        Ok(())
    }
}

pub(super) fn subtract(from: &AtomicU64, amount: u64) {
    // The closure always answers, so this cannot fail.
    let _ = from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |value| {
        Some(value.saturating_sub(amount))
    });
}
