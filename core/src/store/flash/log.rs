//! The log: which files there are. Its pages are the only ones that say so.
//!
//! A log begins with a record of every file that is alive, and [`Record::Complete`]; from there on every record is a
//! change, and one page is written, whole or not at all. When it has grown to its bound, a new log is begun, and
//! counts from the moment in which it is complete. So a power cut leaves the old or the new, never a mixture.

use embedded_storage::nor_flash::NorFlash;

use super::medium::{Medium, NOBODY, Place};
use super::page::{Kind, Label, Page};
use super::record::{FileRecord, Record};
use crate::store::StoreError;
use crate::store::directory::State;

/// The log that changes are written to.
pub(super) struct Log {
    pub(super) object: u32,
    /// Its next record's place in the log, and on the flash.
    slot: u32,
    next: Option<Place>,
    pub(super) sectors: usize,
}

impl Log {
    /// Begins a log.
    pub(super) fn begin<F: NorFlash>(medium: &mut Medium<'_, F>) -> Result<Self, StoreError> {
        Ok(Self {
            object: medium.next_object()?,
            slot: 0,
            next: None,
            sectors: 0,
        })
    }

    /// The log `object` that was found. Nothing is written to it any more.
    pub(super) const fn found(object: u32) -> Self {
        Self {
            object,
            slot: 0,
            next: None,
            sectors: 0,
        }
    }

    /// How many sectors hold the record of `files` files and [`Record::Complete`].
    pub(super) const fn snapshot_sectors<F: NorFlash>(files: usize) -> usize {
        (files / Medium::<'_, F>::PAGES).saturating_add(1)
    }

    /// Whether the next record would need more than `most` sectors.
    pub(super) fn is_full<F: NorFlash>(&self, most: usize) -> bool {
        let sector_is_full = self.next.is_none_or(|place| place.page >= Medium::<'_, F>::PAGES);
        self.sectors >= most && sector_is_full
    }

    /// Writes a record behind the others, durably.
    pub(super) fn append<F: NorFlash>(
        &mut self,
        medium: &mut Medium<'_, F>,
        record: &Record,
    ) -> Result<(), StoreError> {
        let place = match self.next {
            Some(place) if place.page < Medium::<'_, F>::PAGES => place,
            _ => {
                let sector = medium.allocate(self.object, self.slot, 0)?;
                self.sectors = self.sectors.saturating_add(1);
                Place { sector, page: 0 }
            }
        };
        let label = Label {
            kind: Kind::Log,
            object: self.object,
            start: self.slot,
        };
        self.slot = self.slot.saturating_add(1);
        self.next = Some(place.following());
        medium.write(place, &Page::new(label, &record.encode()))
    }
}

/// Reads the records of log `object` in their order, as far as they go.
pub(super) fn replay<F: NorFlash, E>(
    medium: &mut Medium<'_, F>,
    object: u32,
    mut each: impl FnMut(Record) -> Result<(), E>,
) -> Result<(), E> {
    let mut page = Page::BLANK;
    for slot in 0..u32::MAX {
        let Some(record) = read(medium, object, slot, &mut page) else {
            break;
        };
        each(record)?;
    }
    Ok(())
}

fn read<F: NorFlash>(medium: &mut Medium<'_, F>, object: u32, slot: u32, page: &mut Page) -> Option<Record> {
    let (sector, start) = medium.find(object, slot)?;
    let place = Place {
        sector,
        page: slot.checked_sub(start)? as usize,
    };
    if place.page >= Medium::<'_, F>::PAGES {
        return None;
    }
    let expected = Label {
        kind: Kind::Log,
        object,
        start: slot,
    };
    let is_it = medium.read(place, page) == Some(expected);
    is_it.then(|| Record::decode(page.payload()))?
}

/// The newest log that is complete; [`NOBODY`] on flash that has none. Fills in the map of the sectors.
pub(super) fn newest<F: NorFlash>(medium: &mut Medium<'_, F>) -> u32 {
    let mut page = Page::BLANK;
    let mut below = u32::MAX;
    loop {
        let mut highest = NOBODY;
        for sector in 0..medium.sectors.len() {
            let Some(label) = medium.read(Place { sector, page: 0 }, &mut page) else {
                continue;
            };
            let Label { kind, object, start } = label;
            medium.last_object = medium.last_object.max(object);
            medium.give(sector, super::Sector { object, start });
            if kind == Kind::Log && object < below {
                highest = highest.max(object);
            }
        }
        if highest == NOBODY || is_complete(medium, highest) {
            return highest;
        }
        below = highest;
    }
}

fn is_complete<F: NorFlash>(medium: &mut Medium<'_, F>, object: u32) -> bool {
    // Stops where it finds it.
    replay(medium, object, |record| match record {
        Record::Complete => Err(()),
        _ => Ok(()),
    })
    .is_err()
}

impl Record {
    /// Whether what was said of the file `old` no longer counts after this record.
    pub(super) fn supersedes(&self, old: &FileRecord) -> bool {
        match self {
            Self::Complete => false,
            Self::Deleted(object) => old.object == *object,
            Self::File(new) => {
                let replaces = new.state == State::Whole && old.state == State::Whole;
                old.object == new.object || (replaces && old.name == new.name)
            }
        }
    }
}
