//! A file of R2's, on its way to this side.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use r2_core::client::exchange::LocalFailure;
use r2_core::client::get::Sink;
use r2_core::store::{Digest, Entry};
use sha2::{Digest as _, Sha256};

use super::Local;
use super::source::hash;

/// `FILE.part`: what came so far. It becomes `FILE` only when it is whole and durable.
pub(super) struct PartFile {
    target: PathBuf,
    part: PathBuf,
    file: File,
    held: u64,
    hasher: Sha256,
    error: Option<io::Error>,
}

impl PartFile {
    /// Opens the part of `target` that an earlier attempt left, or a new one.
    pub(super) fn open(target: &Path) -> io::Result<Self> {
        let mut part = OsString::from(target);
        part.push(".part");
        let part = PathBuf::from(part);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&part)?;
        if file.try_lock().is_err() {
            return Err(io::Error::new(
                ErrorKind::ResourceBusy,
                "another get is writing it",
            ));
        }
        let (held, hasher) = hash(&mut file)?;
        Ok(Self {
            target: target.to_owned(),
            part,
            file,
            held,
            hasher,
            error: None,
        })
    }

    /// Forgets what is here.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.held = 0;
        self.hasher = Sha256::new();
        Ok(())
    }

    /// Makes it durable under its own name. The old file of that name is there until then.
    pub(super) fn keep(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.part, &self.target)?;
        let folder = match self.target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        File::open(folder)?.sync_all()
    }
}

impl Sink for PartFile {
    fn held(&self) -> u64 {
        self.held
    }

    fn announced(&mut self, _: &Entry) -> Result<(), LocalFailure> {
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), LocalFailure> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.hasher.update(bytes);
                self.held += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.error = Some(error);
                Err(LocalFailure)
            }
        }
    }

    fn sha256(&mut self) -> Result<Digest, LocalFailure> {
        Ok(self.hasher.clone().finalize().into())
    }
}

impl Local for PartFile {
    fn problem(&self) -> String {
        let why = self.error.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{}: {why}; make room and get it again", self.part.display())
    }

    /// Nothing is kept of bytes that do not add up. Should this fail, the next attempt finds it out again.
    fn forget(&mut self) {
        let _ = self.clear();
    }
}

/// An empty part is no use to the next attempt.
impl Drop for PartFile {
    fn drop(&mut self) {
        if self.held == 0 && self.file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Standard output, where nothing rests of an earlier attempt.
pub(super) struct StandardOutput {
    hasher: Sha256,
    error: Option<io::Error>,
}

impl StandardOutput {
    pub(super) fn new() -> Self {
        Self {
            hasher: Sha256::new(),
            error: None,
        }
    }
}

impl Sink for StandardOutput {
    fn held(&self) -> u64 {
        0
    }

    fn announced(&mut self, _: &Entry) -> Result<(), LocalFailure> {
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), LocalFailure> {
        self.hasher.update(bytes);
        io::stdout().write_all(bytes).map_err(|error| {
            self.error = Some(error);
            LocalFailure
        })
    }

    fn sha256(&mut self) -> Result<Digest, LocalFailure> {
        io::stdout().flush().map_err(|error| {
            self.error = Some(error);
            LocalFailure
        })?;
        Ok(self.hasher.clone().finalize().into())
    }
}

impl Local for StandardOutput {
    fn problem(&self) -> String {
        let why = self.error.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("standard output: {why}")
    }
}
