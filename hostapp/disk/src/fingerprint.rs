//! Which content a name has.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use r2_core::name::Name;
use r2_core::store::Digest;
use sha2::{Digest as _, Sha256};

/// What tells one content of a name from another without reading it.
#[derive(PartialEq, Eq)]
pub(super) struct Fingerprint {
    stem: Name,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Fingerprint {
    pub(super) fn of(name: &Name, file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            stem: name.with_ending(""),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// What stands for it in little memory: no two that differ have the same.
    pub(super) fn sum(&self) -> Digest {
        let (seconds, nanoseconds) = self.modified;
        Sha256::new()
            .chain_update(self.inode.to_le_bytes())
            .chain_update(self.length.to_le_bytes())
            .chain_update(seconds.to_le_bytes())
            .chain_update(nanoseconds.to_le_bytes())
            .chain_update(self.stem.as_str())
            .finalize()
            .into()
    }
}
