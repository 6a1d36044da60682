//! What a named upload announced, kept beside its partial file so that it can be resumed.

use r2_core::hex::{self, Hex};
use r2_core::store::Digest;

/// Length and SHA-256 of an upload as its sender announced them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) length: u64,
    pub(super) sha256: Option<Digest>,
}

impl Announcement {
    /// How it is written down; `None` without a SHA-256.
    pub(super) fn text(&self) -> Option<String> {
        self.sha256
            .map(|sha256| format!("{} {}\n", self.length, Hex(&sha256)))
    }

    /// What was written down; `None` where it is not whole.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (length, sha256) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Self {
            length: length.parse().ok()?,
            sha256: Some(hex::parse(sha256)?),
        })
    }
}
