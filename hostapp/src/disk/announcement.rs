//! What a named upload announced, kept beside its partial file so that it can be resumed.

use std::fs;
use std::io;
use std::path::Path;

use r2_core::hex::{self, Hex};
use r2_core::store::Digest;

/// Length and SHA-256 of an upload as its sender announced them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) length: u64,
    pub(super) sha256: Option<Digest>,
}

impl Announcement {
    /// Writes it down; without a SHA-256 there is nothing to resume, so nothing to write.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let Some(sha256) = self.sha256 else {
            return Ok(());
        };
        fs::write(path, format!("{} {}\n", self.length, Hex(&sha256)))
    }

    /// What was written down; `None` where nothing whole was.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let (length, sha256) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Self {
            length: length.parse().ok()?,
            sha256: Some(hex::parse(sha256)?),
        })
    }
}
