//! [`FlashStore`]: files on NOR flash that outlive the power, however it is cut.
//!
//! Everything on the flash is a page (`page.rs`); a sector is what its first page says. Pages of a file hold its
//! bytes, and every one of them is checked when it is read. Which files there are, the log says (`log.rs`), one page
//! for each change. A page that a power cut tore fails its check, so a change has happened or not:
//!
//! | the power is cut | after it came back |
//! |---|---|
//! | while bytes arrive | `.partial` with all full pages; nothing without one |
//! | between seal and confirmation | a numbered file is `.unconfirmed`, a named one is whole |
//! | while a file replaces another | the old one or the new one |
//! | while a file is deleted | it is there or not |
//! | while the log is renewed | the old log counts, or the new one, which says the same |
//!
//! No word is written twice between two erasures, so flash with ECC serves. Sectors are erased in turn, whatever
//! they are for, and only directly before they are written: free sectors wear evenly, those of files that rest do
//! not wear. A call erases at most one sector, but for the one that finds the log at its bound: it writes all that is
//! alive into a new one.
//!
//! | | flash is |
//! |---|---|
//! | `create`, `confirm`, `delete` | written one page |
//! | `append` | erased one sector for each [`SECTOR_PAYLOAD`](FlashStore::SECTOR_PAYLOAD) bytes, written one page for each 240 |
//! | `seal` | written two pages |
//! | `release` of a partial | written one page |
//! | renewing the log, at mount and once in about as many changes as there are places for files | erased one sector, written one page for each file and one more |

#![allow(
    clippy::cast_possible_truncation,
    reason = "positions in a file are less than the flash's capacity, which embedded-storage counts in u32"
)]

mod create;
mod log;
mod medium;
mod mount;
mod page;
mod record;
mod upload;
mod write;

use core::task::Poll;

use embedded_storage::nor_flash::NorFlash;

use self::log::Log;
pub use self::medium::Sector;
use self::medium::{Medium, NOBODY, Place};
pub use self::mount::MountError;
use self::page::Page;
use self::record::{FileRecord, Record};
use self::upload::Upload as Writing;
use super::directory::{Bytes, Directory, Work};
use super::{Created, Entry, Store, StoreError, Ticket, Upload, Usage, directory};
use crate::bytes;
use crate::limits::STORE_TICKETS;
use crate::name::Name;

/// A store on NOR flash. See the [module](self) for what it promises.
///
/// It waits for the flash: a call takes as long as what it erases and writes. Only a resume answers later, since the
/// bytes that are there already must be hashed again, a sector at a time.
pub struct FlashStore<'a, F> {
    medium: Medium<'a, F>,
    log: Log,
    directory: Directory<'a, Extent>,
    uploads: [Option<Writing>; STORE_TICKETS],
    /// The log could not be written: nobody knows what it says now, so nothing else is written until the next mount.
    broken: bool,
}

/// A place for one file.
pub type File = directory::File<Extent>;

/// The bytes of one file: those of every page with its number.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    object: u32,
    length: u32,
}

impl Bytes for Extent {
    const EMPTY: Self = Self {
        object: NOBODY,
        length: 0,
    };

    fn length(&self) -> u64 {
        u64::from(self.length)
    }
}

/// What the log is to say of a file; `None` of one without a name.
fn record_of(file: &File) -> Option<FileRecord> {
    Some(FileRecord {
        object: file.bytes.object,
        state: file.state,
        name: file.name.clone()?,
        announced: file.announced,
        length: file.bytes.length,
        sha256: file.sha256,
    })
}

impl<F: NorFlash> FlashStore<'_, F> {
    /// What a sector holds of a file, in bytes.
    pub const SECTOR_PAYLOAD: usize = Medium::<'_, F>::SECTOR_PAYLOAD;

    /// Makes a change durable: writes it into the log, or a new log with it where that has reached its bound.
    fn commit(&mut self, change: &Record) -> Result<(), StoreError> {
        if self.broken {
            return Err(StoreError::Io);
        }
        let most = self.snapshot_sectors().saturating_mul(2);
        if !self.log.is_full::<F>(most) && self.log.append(&mut self.medium, change).is_ok() {
            return Ok(());
        }
        self.renew_log(Some(change)).map_err(|_| {
            self.broken = true;
            StoreError::Io
        })
    }

    /// Begins a new log: all that is alive, and what `change` says of it.
    fn renew_log(&mut self, change: Option<&Record>) -> Result<(), StoreError> {
        let mut log = Log::begin(&mut self.medium)?;
        for file in &*self.directory.files {
            if let Some(record) = record_of(file)
                && change.is_none_or(|change| !change.supersedes(&record))
            {
                log.append(&mut self.medium, &Record::File(record))?;
            }
        }
        if let Some(change @ Record::File(_)) = change {
            log.append(&mut self.medium, change)?;
        }
        log.append(&mut self.medium, &Record::Complete)?;
        let old = core::mem::replace(&mut self.log, log);
        self.medium.free_all(old.object);
        Ok(())
    }

    fn snapshot_sectors(&self) -> usize {
        Log::snapshot_sectors::<F>(self.directory.files.len())
    }

    /// Sectors that the log may still need: to grow to twice its size at first, and to be written anew beside that.
    fn reserve(&self) -> usize {
        let most = self.snapshot_sectors().saturating_mul(3);
        most.saturating_sub(self.log.sectors)
    }

    /// How many more bytes a file of its own could hold.
    fn free_bytes(&self) -> u64 {
        let sectors = self.medium.free.saturating_sub(self.reserve());
        sectors.saturating_mul(Self::SECTOR_PAYLOAD) as u64
    }

    fn file(&mut self, index: usize) -> Result<&mut File, StoreError> {
        self.directory.files.get_mut(index).ok_or(StoreError::Io)
    }

    fn upload(&mut self, ticket: &Ticket) -> Option<&mut Option<Writing>> {
        self.uploads.get_mut(ticket.index())
    }

    /// Frees the sectors of a file that nobody needs any more.
    fn free(&mut self, bytes: Option<Extent>) {
        if let Some(Extent { object, .. }) = bytes
            && object != NOBODY
        {
            self.medium.free_all(object);
        }
    }

    /// Deletes a file, durably.
    fn forget(&mut self, index: usize) -> Result<(), StoreError> {
        let object = self.file(index)?.bytes.object;
        self.commit(&Record::Deleted(object))?;
        let bytes = self.directory.unlink(index);
        self.free(bytes);
        Ok(())
    }

    /// Reads bytes of a file from `offset` on into the front of `into` and returns how many.
    fn read_extent(&mut self, bytes: Extent, offset: u64, into: &mut [u8]) -> Result<usize, StoreError> {
        let Extent { object, length } = bytes;
        let mut page = Page::BLANK;
        let mut near = None;
        let mut filled = 0;
        let mut position = u32::try_from(offset).unwrap_or(u32::MAX);
        while position < length && filled < into.len() {
            let Some(at) = self.medium.read_file(object, position, &mut near, &mut page) else {
                return Err(StoreError::Io);
            };
            let piece = page.payload().get(at..).unwrap_or_default();
            let left = piece.len().min(length.saturating_sub(position) as usize);
            let room = into.get_mut(filled..).unwrap_or_default();
            let copied = bytes::copy(room, piece.get(..left).unwrap_or_default());
            filled = filled.saturating_add(copied);
            position = position.saturating_add(copied as u32);
            near = near.map(Place::following);
        }
        Ok(filled)
    }

    fn give_back(&mut self, ticket: &Ticket) {
        if let Some(upload) = self.upload(ticket) {
            *upload = None;
        }
        let bytes = self.directory.give_back(ticket);
        self.free(bytes);
    }
}

impl<F: NorFlash> Store for FlashStore<'_, F> {
    fn claim(&mut self) -> Option<Ticket> {
        self.directory.claim()
    }

    fn create(&mut self, ticket: &Ticket, upload: Upload<'_>) -> Poll<Result<Created, StoreError>> {
        match upload {
            Upload::Numbered => {
                let name = self.directory.next_numbered()?;
                Poll::Ready(self.create_new(ticket, name, None))
            }
            Upload::Named { name, length, sha256 } => self.create_named(ticket, name, length, sha256),
        }
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
            && self.confirm_sealed(index).is_err()
        {
            let _ = self.leave(&ticket, index);
        }
        self.give_back(&ticket);
    }

    fn release(&mut self, ticket: Ticket) {
        if let Ok(index) = self.directory.writing(&ticket)
            && let Err(why) = self.leave(&ticket, index)
        {
            self.end(&ticket, why);
        }
        self.give_back(&ticket);
    }

    fn open(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<Entry, StoreError>> {
        Poll::Ready(self.directory.open(ticket, name))
    }

    fn read(&mut self, ticket: &Ticket, offset: u64, into: &mut [u8]) -> Poll<Result<usize, StoreError>> {
        let bytes = self.directory.reading(ticket)?.bytes;
        Poll::Ready(self.read_extent(bytes, offset, into))
    }

    fn next(&mut self, _ticket: &Ticket, after: Option<&Name>) -> Poll<Result<Option<Entry>, StoreError>> {
        Poll::Ready(Ok(self.directory.next(after)))
    }

    fn delete(&mut self, _ticket: &Ticket, name: &Name) -> Poll<Result<(), StoreError>> {
        let index = self.directory.find(name)?;
        Poll::Ready(self.forget(index))
    }

    fn usage(&self) -> Usage {
        self.directory.usage()
    }

    fn revision(&self) -> u32 {
        self.directory.revision()
    }
}
