//! What a ticket has open on its worker's side, and what an upload does to the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use r2_core::name::{Name, PARTIAL, UNCONFIRMED};
use r2_core::store::{Created, Digest, Ends, Entry, StoreError};
use sha2::{Digest as _, Sha256};

use super::announcement::Announcement;
use super::folder::Folder;
use super::medium::open_regular;

/// What a ticket has open.
#[derive(Default)]
pub(super) enum OpenFile {
    #[default]
    Nothing,
    Upload(Upload),
    /// An upload whose very file is there already.
    Present(Entry),
    /// A sealed numbered upload, its receipt under way.
    Unconfirmed(Entry),
    Reading(Arc<File>),
}

pub(super) struct Upload {
    pub(super) name: Name,
    /// `None` for a numbered one.
    pub(super) announced: Option<Announcement>,
    pub(super) file: Arc<File>,
    /// What the hash begins with; `None` once the upload hasher has it.
    pub(super) hasher: Option<Sha256>,
    pub(super) length: u64,
}

impl OpenFile {
    /// The upload, while one is under way.
    pub(super) fn upload(&mut self) -> Option<&mut Upload> {
        match self {
            Self::Upload(upload) => Some(upload),
            _ => None,
        }
    }

    pub(super) fn write(&mut self, folder: &Folder, bytes: &[u8]) -> Result<(), (StoreError, u64)> {
        let Self::Upload(upload) = self else {
            return Ok(()); // It ended with an error that was told.
        };
        let Err(error) = upload.write(folder, bytes) else {
            return Ok(());
        };
        let fitted = upload.length;
        self.discard(folder);
        Err((error, fitted))
    }

    pub(super) fn discard(&mut self, folder: &Folder) {
        if let Self::Upload(upload) = std::mem::take(self) {
            upload.discard(folder);
        }
    }

    /// Seals the upload, whose hash `hash` hands over where the upload does not have it.
    pub(super) fn seal(
        &mut self,
        folder: &Folder,
        hash: impl FnOnce() -> Option<Sha256>,
    ) -> Result<Entry, StoreError> {
        match std::mem::take(self) {
            Self::Upload(mut upload) => {
                let numbered = upload.announced.is_none();
                let Some(hasher) = upload.hasher.take().or_else(hash) else {
                    upload.discard(folder);
                    return Err(StoreError::Io);
                };
                let entry = upload.seal(folder, hasher.finalize().into())?;
                if numbered {
                    *self = Self::Unconfirmed(entry.clone());
                }
                Ok(entry)
            }
            Self::Present(entry) => {
                folder.end(&entry.name);
                folder.check()?;
                // Whoever put it there, the peer is about to be told that it is stored.
                let file = open_regular(&folder.path(&entry.name)).map_err(|error| folder.failed(&error))?;
                folder
                    .sync_file(&file)
                    .and_then(|()| folder.sync())
                    .map_err(|error| folder.failed(&error))?;
                Ok(entry)
            }
            other => {
                *self = other;
                Err(StoreError::Io)
            }
        }
    }

    pub(super) fn confirm(&mut self, folder: &Folder) {
        let Self::Unconfirmed(Entry { name, .. }) = std::mem::take(self) else {
            return;
        };
        match folder.confirm(&name).and_then(|()| folder.sync()) {
            // Not found: a peer deleted it while its receipt was under way.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                folder.complain(&error, format_args!("{name} stays unconfirmed"));
            }
            _ => {}
        }
    }

    /// Gives everything up as the disk has it.
    pub(super) fn release(&mut self, folder: &Folder) {
        match std::mem::take(self) {
            Self::Upload(upload) if upload.announced.is_none() && upload.length == 0 => {
                upload.discard(folder);
            }
            Self::Upload(Upload { name, .. }) | Self::Present(Entry { name, .. }) => folder.end(&name),
            Self::Unconfirmed(Entry { name, length, .. }) => {
                if length == 0 {
                    // A port was looked at, no more: nothing of that is kept.
                    let removed = folder.remove(&folder.path(&name.with_ending(UNCONFIRMED)));
                    if let Err(error) = removed.and_then(|()| folder.sync()) {
                        folder.complain(&error, format_args!("the empty {name} stays unconfirmed"));
                    }
                }
                folder.let_go(&name);
            }
            Self::Reading(_) | Self::Nothing => {}
        }
    }

    pub(super) fn read(&self, folder: &Folder, into: &mut [u8], offset: u64) -> Result<usize, StoreError> {
        let Self::Reading(file) = self else {
            return Err(StoreError::Io);
        };
        let mut filled = 0;
        while filled < into.len() {
            match file.read_at(&mut into[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(folder.failed(&error)),
            }
        }
        Ok(filled)
    }
}

impl Upload {
    pub(super) fn write(&mut self, folder: &Folder, bytes: &[u8]) -> Result<(), StoreError> {
        folder.check()?;
        let room = folder.grow(bytes.len() as u64);
        let fitting = &bytes[..usize::try_from(room).unwrap_or(bytes.len())];
        let mut written = 0;
        let result = folder.write(&self.file, fitting, self.length, &mut written);
        self.length += written;
        folder.shrink(fitting.len() as u64 - written);
        result.map_err(|error| folder.failed(&error))?;
        if room < bytes.len() as u64 {
            return Err(StoreError::NoSpace);
        }
        Ok(())
    }

    /// Checks, makes durable, gives the name of the sealed state; at any error nothing is kept.
    fn seal(self, folder: &Folder, sha256: Digest) -> Result<Entry, StoreError> {
        let entry = Entry {
            name: self.name.clone(),
            length: self.length,
            sha256,
        };
        if let Some(announced) = &self.announced
            && (announced.length != entry.length
                || announced.sha256.is_some_and(|sha256| sha256 != entry.sha256))
        {
            self.discard(folder);
            return Err(StoreError::Mismatch);
        }
        if let Err(error) = self.make_durable(folder) {
            let error = folder.failed(&error);
            self.discard(folder);
            return Err(error);
        }
        folder.works();
        folder.remember_upload(&self.file, &entry);
        Ok(entry)
    }

    fn make_durable(&self, folder: &Folder) -> io::Result<()> {
        let partial = folder.path(&self.name.with_ending(PARTIAL));
        folder.sync_file(&self.file)?;
        if self.announced.is_some() {
            folder.replace(&partial, &folder.path(&self.name))?;
            folder.remove_announcement(&self.name)?;
            folder.sync()?;
            folder.end(&self.name);
        } else {
            let unconfirmed = folder.path(&self.name.with_ending(UNCONFIRMED));
            folder.rename(&partial, &unconfirmed)?;
            if let Err(error) = folder.sync() {
                let _ = folder.remove(&unconfirmed);
                return Err(error);
            }
            folder.hold(&self.name);
        }
        Ok(())
    }

    /// Keeps nothing.
    pub(super) fn discard(self, folder: &Folder) {
        let mut removed = folder.remove(&folder.path(&self.name.with_ending(PARTIAL)));
        if self.announced.is_some() {
            removed = removed.and(folder.remove_announcement(&self.name));
        }
        if let Err(error) = removed.and_then(|()| folder.sync()) {
            folder.complain(&error, format_args!("the rest of {} stays", self.name));
        }
        folder.end(&self.name);
    }
}

pub(super) fn create_numbered(folder: &Folder, open: &mut OpenFile) -> Result<Created, StoreError> {
    let (name, file) = folder.create_numbered()?;
    *open = OpenFile::Upload(Upload {
        name: name.clone(),
        announced: None,
        file: Arc::new(file),
        hasher: Some(Sha256::new()),
        length: 0,
    });
    Ok(Created {
        name,
        offset: 0,
        ends: Ends::default(),
    })
}

/// Whether what is announced can be stored, of which `there` bytes are there already.
pub(super) fn fits(folder: &Folder, announced: &Announcement, there: u64) -> Result<(), StoreError> {
    if announced.length > folder.limits().file {
        Err(StoreError::TooLarge)
    } else if folder.has_room(announced.length.saturating_sub(there)) {
        Ok(())
    } else {
        Err(StoreError::NoSpace)
    }
}
