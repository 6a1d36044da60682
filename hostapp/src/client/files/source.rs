//! A file of this side, on its way to R2.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use r2_core::client::exchange::LocalFailure;
use r2_core::client::send::Source;
use r2_core::store::Digest;
use sha2::{Digest as _, Sha256};

/// A file whose length and SHA-256 were taken when it was opened.
pub(super) struct LocalFile {
    file: File,
    length: u64,
    sha256: Digest,
    error: Option<io::Error>,
}

impl LocalFile {
    /// Opens `path` and reads it once, to know its SHA-256.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
        }
        let (length, hasher) = hash(&mut file)?;
        Ok(Self {
            file,
            length,
            sha256: hasher.finalize().into(),
            error: None,
        })
    }

    /// What went wrong while it was read.
    pub(super) fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }
}

/// Hashes what is left of `file`; how long that was.
pub(super) fn hash(file: &mut File) -> io::Result<(u64, Sha256)> {
    let mut hasher = Sha256::new();
    let mut length = 0;
    let mut bytes = vec![0; 256 * 1024];
    loop {
        match file.read(&mut bytes) {
            Ok(0) => return Ok((length, hasher)),
            Ok(read) => {
                hasher.update(&bytes[..read]);
                length += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Source for LocalFile {
    fn length(&self) -> u64 {
        self.length
    }

    fn sha256(&self) -> Digest {
        self.sha256
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, LocalFailure> {
        loop {
            match self.file.read_at(into, offset) {
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error = Some(error);
                    return Err(LocalFailure);
                }
            }
        }
    }
}
