//! [`RamStore`]: files in borrowed memory, for boards and for tests.

mod blocks;

use core::task::Poll;

pub use self::blocks::Block;
use self::blocks::{Blocks, Chain};
use super::directory::{Beginning, Bytes, Directory, State, Work};
use super::{Created, Digest, Ends, Entry, Store, StoreError, Ticket, Upload, Usage, directory, sha256};
use crate::name::Name;

/// A store in memory that somebody else owns. Every call is answered at once; nothing outlives the power.
///
/// Bytes lie in blocks that all files share. A file is hashed when it is sealed: that call takes time in
/// proportion to its length.
pub struct RamStore<'a> {
    blocks: Blocks<'a>,
    directory: Directory<'a, Chain>,
}

/// A place for one file.
pub type File = directory::File<Chain>;

impl<'a> RamStore<'a> {
    /// An empty store that holds at most `files.len()` files, of at most `max_file` bytes each, in `blocks`. What
    /// the slices held is forgotten.
    pub fn new(blocks: &'a mut [Block], files: &'a mut [File], max_file: u64) -> Self {
        Self {
            blocks: Blocks::new(blocks),
            directory: Directory::new(files, max_file),
        }
    }

    fn free(&mut self, bytes: Option<Chain>) {
        if let Some(bytes) = bytes {
            self.blocks.give_back(bytes);
        }
    }

    fn hash(&self, bytes: &Chain) -> Digest {
        sha256(&mut self.blocks.pieces(bytes))
    }

    fn create_new(
        &mut self,
        ticket: &Ticket,
        name: Name,
        announced: Option<(u64, Option<Digest>)>,
    ) -> Result<Created, StoreError> {
        let begun = self
            .directory
            .begin(ticket, name.clone(), announced, Chain::EMPTY);
        begun
            .map(|_| Created {
                name,
                offset: 0,
                ends: Ends::default(),
            })
            .ok_or(StoreError::NoSpace)
    }

    fn create_named(
        &mut self,
        ticket: &Ticket,
        name: &Name,
        length: u64,
        sha256: Option<Digest>,
    ) -> Result<Created, StoreError> {
        match self.directory.begin_named(ticket, name, length, sha256)? {
            Beginning::There(index) => self.created(name, index),
            Beginning::Resumed(index) => {
                let file = self.directory.files.get_mut(index).ok_or(StoreError::Io)?;
                let offset = file.length();
                if length.saturating_sub(offset) > self.blocks.free_bytes() as u64 {
                    return Err(StoreError::NoSpace);
                }
                file.state = State::Arriving;
                self.directory.set_work(ticket, Work::Writing(index));
                self.created(name, index)
            }
            Beginning::Anew(partial) => {
                let bytes = partial.and_then(|partial| self.directory.unlink(partial));
                self.free(bytes);
                if length > self.blocks.free_bytes() as u64 {
                    return Err(StoreError::NoSpace);
                }
                self.create_new(ticket, name.clone(), Some((length, sha256)))
            }
        }
    }

    /// The upload of `name`, of which the file at `index` is there.
    fn created(&self, name: &Name, index: usize) -> Result<Created, StoreError> {
        let bytes = &self.directory.files.get(index).ok_or(StoreError::Io)?.bytes;
        let read = |offset, room: &mut [u8]| {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            Ok(self.blocks.read(bytes, offset, room))
        };
        Ok(Created {
            name: name.clone(),
            offset: bytes.length(),
            ends: Ends::read(bytes.length(), read)?,
        })
    }

    /// Ends an upload by an error: nothing of it is kept.
    fn end(&mut self, ticket: &Ticket, why: StoreError) -> StoreError {
        let bytes = self.directory.end(ticket);
        self.free(bytes);
        why
    }

    fn take(&mut self, ticket: &Ticket, bytes: &[u8]) -> Result<usize, StoreError> {
        let index = self.directory.writing(ticket)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let fits = self.directory.allowed(index, bytes);
        let file = self.directory.files.get_mut(index).ok_or(StoreError::Io)?;
        match self.blocks.append(&mut file.bytes, fits) {
            0 if fits.is_empty() => Err(self.end(ticket, StoreError::TooLarge)),
            0 => Err(self.end(ticket, StoreError::NoSpace)),
            taken => Ok(taken),
        }
    }

    fn seal_written(&mut self, ticket: &Ticket, index: usize) -> Result<Entry, StoreError> {
        let file = self.directory.files.get(index).ok_or(StoreError::Io)?;
        let digest = self.hash(&file.bytes);
        if !file.is_as_announced(&digest) {
            return Err(self.end(ticket, StoreError::Mismatch));
        }
        let name = file.name.clone().ok_or(StoreError::Io)?;
        let replaced = self.directory.unlink_replaced(&name);
        self.free(replaced);
        let file = self.directory.files.get_mut(index).ok_or(StoreError::Io)?;
        file.sha256 = digest;
        file.state = file.sealed();
        file.entry().ok_or(StoreError::Io)
    }

    /// Leaves a broken upload, or one without a confirmation, in the state that it has earned.
    fn leave(&mut self, index: usize) {
        let Some(file) = self.directory.files.get(index) else {
            bug!("a ticket's file is in the directory");
            return;
        };
        let left = file.left();
        let sha256 = match file.state {
            State::Arriving => self.hash(&file.bytes),
            _ => file.sha256,
        };
        if let (Some(state), Some(file)) = (left, self.directory.files.get_mut(index)) {
            (file.state, file.sha256) = (state, sha256);
        } else {
            let bytes = self.directory.unlink(index);
            self.free(bytes);
        }
    }

    fn give_back(&mut self, ticket: &Ticket) {
        let bytes = self.directory.give_back(ticket);
        self.free(bytes);
    }
}

impl Store for RamStore<'_> {
    fn claim(&mut self) -> Option<Ticket> {
        self.directory.claim()
    }

    fn create(&mut self, ticket: &Ticket, upload: Upload<'_>) -> Poll<Result<Created, StoreError>> {
        Poll::Ready(match upload {
            Upload::Numbered => {
                let name = self.directory.next_numbered()?;
                self.create_new(ticket, name, None)
            }
            Upload::Named { name, length, sha256 } => self.create_named(ticket, name, length, sha256),
        })
    }

    fn append(&mut self, ticket: &Ticket, bytes: &[u8]) -> Poll<Result<usize, StoreError>> {
        Poll::Ready(self.take(ticket, bytes))
    }

    fn written(&self, ticket: &Ticket) -> u64 {
        self.directory.written(ticket)
    }

    fn seal(&mut self, ticket: &Ticket) -> Poll<Result<Entry, StoreError>> {
        Poll::Ready(match self.directory.work(ticket) {
            Work::Writing(index) => self.seal_written(ticket, index),
            _ => self.directory.found(ticket),
        })
    }

    fn confirm(&mut self, ticket: Ticket) {
        if let Ok(index) = self.directory.writing(&ticket)
            && let Some(file) = self.directory.files.get_mut(index)
            && file.state == State::Sealed
        {
            file.state = State::Whole;
        }
        self.give_back(&ticket);
    }

    fn release(&mut self, ticket: Ticket) {
        if let Ok(index) = self.directory.writing(&ticket) {
            self.leave(index);
        }
        self.give_back(&ticket);
    }

    fn open(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<Entry, StoreError>> {
        Poll::Ready(self.directory.open(ticket, name))
    }

    fn read(&mut self, ticket: &Ticket, offset: u64, into: &mut [u8]) -> Poll<Result<usize, StoreError>> {
        let file = self.directory.reading(ticket);
        Poll::Ready(file.map(|file| match usize::try_from(offset) {
            Ok(offset) => self.blocks.read(&file.bytes, offset, into),
            Err(_) => 0,
        }))
    }

    fn next(&mut self, _ticket: &Ticket, after: Option<&Name>) -> Poll<Result<Option<Entry>, StoreError>> {
        Poll::Ready(Ok(self.directory.next(after)))
    }

    fn delete(&mut self, _ticket: &Ticket, name: &Name) -> Poll<Result<(), StoreError>> {
        Poll::Ready(self.directory.find(name).map(|index| {
            let bytes = self.directory.unlink(index);
            self.free(bytes);
        }))
    }

    fn usage(&self) -> Usage {
        self.directory.usage()
    }

    fn revision(&self) -> u32 {
        self.directory.revision()
    }
}

#[cfg(test)]
mod tests;
