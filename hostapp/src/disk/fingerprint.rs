//! Which content a name has.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use r2_core::name::Name;

/// What tells one content of a name from another without reading it.
#[derive(Clone, PartialEq, Eq, Hash)]
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
}
