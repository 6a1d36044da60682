//! What is found on the flash after the power came.

use embedded_storage::nor_flash::NorFlash;
use sha2::{Digest as _, Sha256};

use super::log::{self, Log};
use super::medium::{Medium, NOBODY, Place};
use super::page::Page;
use super::record::{FileRecord, Record};
use super::{Extent, File, FlashStore, Sector};
use crate::limits::STORE_TICKETS;
use crate::store::StoreError;
use crate::store::directory::{Directory, State};

/// Why the flash is not to be used as a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum MountError {
    /// It has too few sectors for the log of so many files and one byte. Give it more, or fewer files.
    TooSmall,
    /// More files lie on it than there are places for. Give it as many as when it was written.
    TooManyFiles,
    /// It cannot be erased or written.
    Io,
}

impl<'a, F: NorFlash> FlashStore<'a, F> {
    /// Opens the store on `flash`; blank flash, and flash with something else on it, is an empty store. `sectors`
    /// should have a place for every sector of the flash; at most `files.len()` files of at most `max_file` bytes
    /// each are kept. What the slices held is forgotten.
    ///
    /// Reads the first page of each sector and every page of the log and of uploads that were broken off, and writes
    /// a new log. After that, no sector is written that was written before: what the last power cut tore is never
    /// touched again before it is erased.
    pub fn mount(
        flash: F,
        sectors: &'a mut [Sector],
        files: &'a mut [File],
        max_file: u64,
    ) -> Result<Self, MountError> {
        let snapshot = Log::snapshot_sectors::<F>(files.len());
        let mut medium = Medium::new(flash, sectors);
        let mut directory = Directory::new(files, max_file.min(u64::from(u32::MAX)));
        // Two logs while a new one is begun, of which the old one has grown to twice its size; and one byte.
        if medium.sectors.len() < snapshot.saturating_mul(3).saturating_add(1) {
            return Err(MountError::TooSmall);
        }
        let old = log::newest(&mut medium);
        let mut last_object = NOBODY;
        log::replay(&mut medium, old, |record| {
            if let Record::File(FileRecord { object, .. }) | Record::Deleted(object) = record {
                last_object = last_object.max(object);
            }
            apply(&mut directory, record)
        })?;
        medium.last_object = medium.last_object.max(last_object);
        for file in &mut *directory.files {
            recover(&mut medium, file);
        }
        let alive = |object| directory.files.iter().any(|file| file.bytes.object == object);
        medium.keep_only(|object| object != NOBODY && (object == old || alive(object)));
        medium.cursor = newest_sector(&medium, old).map_or(0, |sector| sector.saturating_add(1));
        let mut store = Self {
            log: Log::found(old),
            medium,
            directory,
            uploads: [const { None }; STORE_TICKETS],
            broken: false,
        };
        store.renew_log(None).map_err(|error| match error {
            StoreError::NoSpace => MountError::TooSmall,
            _ => MountError::Io,
        })?;
        Ok(store)
    }
}

fn newest_sector<F: NorFlash>(medium: &Medium<'_, F>, log: u32) -> Option<usize> {
    medium.find(log, u32::MAX).map(|(sector, _)| sector)
}

/// Lets a record of the log count.
fn apply(directory: &mut Directory<'_, Extent>, record: Record) -> Result<(), MountError> {
    for file in &mut *directory.files {
        if super::record_of(file).is_some_and(|old| record.supersedes(&old)) {
            *file = File::EMPTY;
        }
    }
    let Record::File(record) = record else {
        return Ok(());
    };
    let index = directory
        .position(|file| file.name.is_none())
        .ok_or(MountError::TooManyFiles)?;
    let file = directory.files.get_mut(index).ok_or(MountError::TooManyFiles)?;
    *file = File {
        name: Some(record.name),
        state: record.state,
        announced: record.announced,
        sha256: record.sha256,
        bytes: Extent {
            object: record.object,
            length: record.length,
        },
    };
    Ok(())
}

/// Finds out how much of an upload that was broken off lies on the flash: nothing, and the file is forgotten; or its
/// first bytes, up to the last page that was written whole.
fn recover<F: NorFlash>(medium: &mut Medium<'_, F>, file: &mut File) {
    if file.name.is_none() || !matches!(file.state, State::Arriving | State::Partial) {
        return;
    }
    let mut page = Page::BLANK;
    let mut near = None;
    let mut sha256 = Sha256::new();
    let mut length = 0_u32;
    while let Some(at) = medium.read_file(file.bytes.object, length, &mut near, &mut page) {
        let bytes = page.payload().get(at..).unwrap_or_default();
        sha256.update(bytes);
        length = length.saturating_add(bytes.len() as u32);
        near = near.map(Place::following);
    }
    if length == 0 {
        *file = File::EMPTY;
    } else {
        file.state = State::Partial;
        file.sha256 = sha256.finalize().into();
        file.bytes.length = length;
    }
}
