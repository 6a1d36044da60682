//! The flash as sectors, each of which belongs to a file, to the log, or to nobody.

use embedded_storage::nor_flash::NorFlash;

use super::page::{Kind, Label, PAYLOAD, Page};
use crate::limits::FLASH_PAGE;
use crate::store::StoreError;

/// What is known of one sector of the flash.
#[derive(Clone, Copy, Debug)]
pub struct Sector {
    /// The number of the file or log that it belongs to; [`NOBODY`] when it is free.
    pub(super) object: u32,
    /// The start of its first page.
    pub(super) start: u32,
}

/// The number of no file and no log.
pub(super) const NOBODY: u32 = 0;

impl Sector {
    /// A sector that nothing is known of.
    pub const EMPTY: Self = Self {
        object: NOBODY,
        start: 0,
    };
}

/// Where a page is on the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sector: usize,
    pub(super) page: usize,
}

impl Place {
    /// The place behind this one.
    pub(super) const fn following(self) -> Self {
        Self {
            page: self.page.saturating_add(1),
            ..self
        }
    }
}

/// The flash and the map of its sectors.
pub(super) struct Medium<'a, F> {
    flash: F,
    pub(super) sectors: &'a mut [Sector],
    /// Where the next search for a free sector begins: all are erased in turn.
    pub(super) cursor: usize,
    pub(super) free: usize,
    /// The highest number given to a file or log. None is ever given twice, so that what lies in a free sector is
    /// never taken for something alive.
    pub(super) last_object: u32,
}

impl<'a, F: NorFlash> Medium<'a, F> {
    /// Pages of a sector.
    pub(super) const PAGES: usize = F::ERASE_SIZE / FLASH_PAGE;

    /// What a sector holds of a file, in bytes.
    pub(super) const SECTOR_PAYLOAD: usize = Self::PAGES * PAYLOAD;

    const SUITABLE: () = assert!(
        F::ERASE_SIZE.is_multiple_of(FLASH_PAGE)
            && FLASH_PAGE.is_multiple_of(F::WRITE_SIZE)
            && FLASH_PAGE.is_multiple_of(F::READ_SIZE),
        "a page must be a multiple of what the flash writes and a part of what it erases"
    );

    /// Everything is free. Sectors of the flash beyond those of the slice, or the other way round, are not used.
    pub(super) fn new(flash: F, sectors: &'a mut [Sector]) -> Self {
        let () = Self::SUITABLE;
        let count = sectors.len().min(flash.capacity() / F::ERASE_SIZE);
        let sectors = sectors.get_mut(..count).unwrap_or_default();
        sectors.fill(Sector::EMPTY);
        Self {
            flash,
            free: sectors.len(),
            sectors,
            cursor: 0,
            last_object: NOBODY,
        }
    }

    /// A number for a new file or log.
    pub(super) fn next_object(&mut self) -> Result<u32, StoreError> {
        self.last_object = self.last_object.checked_add(1).ok_or(StoreError::NoSpace)?;
        Ok(self.last_object)
    }

    /// Reads a page and its label; `None` when there is none, or the flash cannot read it.
    pub(super) fn read(&mut self, place: Place, page: &mut Page) -> Option<Label> {
        self.flash.read(Self::offset(place)?, &mut page.0).ok()?;
        page.label()
    }

    /// Writes a page, where nothing was written since the sector was erased.
    pub(super) fn write(&mut self, place: Place, page: &Page) -> Result<(), StoreError> {
        let offset = Self::offset(place).ok_or(StoreError::Io)?;
        self.flash.write(offset, &page.0).map_err(|_| StoreError::Io)
    }

    fn offset(Place { sector, page }: Place) -> Option<u32> {
        let bytes = sector
            .checked_mul(F::ERASE_SIZE)?
            .checked_add(page.checked_mul(FLASH_PAGE)?)?;
        u32::try_from(bytes).ok()
    }

    /// Erases the next free sector for `object`, whose page `start` will be its first. `reserve` sectors must stay
    /// free.
    pub(super) fn allocate(&mut self, object: u32, start: u32, reserve: usize) -> Result<usize, StoreError> {
        if self.free <= reserve {
            return Err(StoreError::NoSpace);
        }
        let is_free = |&index: &usize| {
            self.sectors
                .get(index)
                .is_some_and(|sector| sector.object == NOBODY)
        };
        let sector = (self.cursor..self.sectors.len())
            .chain(0..self.cursor)
            .find(is_free)
            .ok_or(StoreError::NoSpace)?;
        self.cursor = sector.saturating_add(1);
        let from = Self::offset(Place { sector, page: 0 }).ok_or(StoreError::Io)?;
        let to = Self::offset(Place {
            sector,
            page: Self::PAGES,
        })
        .ok_or(StoreError::Io)?;
        self.flash.erase(from, to).map_err(|_| StoreError::Io)?;
        self.give(sector, Sector { object, start });
        Ok(sector)
    }

    /// Says whose a sector is.
    pub(super) fn give(&mut self, index: usize, to: Sector) {
        if let Some(sector) = self.sectors.get_mut(index) {
            let was_free = usize::from(sector.object == NOBODY);
            let is_free = usize::from(to.object == NOBODY);
            self.free = self.free.saturating_sub(was_free).saturating_add(is_free);
            *sector = to;
        }
    }

    /// Frees every sector whose object is not `kept`.
    pub(super) fn keep_only(&mut self, mut kept: impl FnMut(u32) -> bool) {
        for index in 0..self.sectors.len() {
            if self.sectors.get(index).is_some_and(|sector| !kept(sector.object)) {
                self.give(index, Sector::EMPTY);
            }
        }
    }

    /// Frees every sector of `object`.
    pub(super) fn free_all(&mut self, object: u32) {
        self.keep_only(|other| other != object);
    }

    /// The sector of `object` that would hold `position`, and the start of its first page.
    pub(super) fn find(&self, object: u32, position: u32) -> Option<(usize, u32)> {
        let candidates = (0..self.sectors.len()).zip(self.sectors.iter());
        candidates
            .filter(|(_, sector)| sector.object == object && sector.start <= position)
            .map(|(index, sector)| (index, sector.start))
            .max_by_key(|(_, start)| *start)
    }

    /// Reads the page of a file that holds byte `position`, and says where in the payload that byte is. `near` is
    /// looked at first, and tells the place afterwards.
    pub(super) fn read_file(
        &mut self,
        object: u32,
        position: u32,
        near: &mut Option<Place>,
        page: &mut Page,
    ) -> Option<usize> {
        if let Some(place) = near.filter(|place| place.page < Self::PAGES)
            && let Some(at) = self.read_file_at(object, position, place, page)
        {
            return Some(at);
        }
        let (sector, start) = self.find(object, position)?;
        let place = Place {
            sector,
            page: position.checked_sub(start)? as usize / PAYLOAD,
        };
        *near = Some(place);
        self.read_file_at(object, position, place, page)
    }

    fn read_file_at(&mut self, object: u32, position: u32, place: Place, page: &mut Page) -> Option<usize> {
        if place.page >= Self::PAGES {
            return None;
        }
        let label = self.read(place, page)?;
        let at = position.checked_sub(label.start)? as usize;
        let is_it = label.kind == Kind::File && label.object == object && at < page.payload().len();
        is_it.then_some(at)
    }
}
