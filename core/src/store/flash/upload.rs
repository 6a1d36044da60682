//! What the store holds in RAM of an upload under way.

use embedded_storage::nor_flash::NorFlash;
use sha2::{Digest as _, Sha256};

use super::medium::{Medium, Place};
use super::page::{Kind, Label, PAYLOAD, Page};
use crate::bug::OrBug;
use crate::bytes;
use crate::store::{Digest, StoreError};

/// An upload: the bytes that do not fill a page yet, the place of that page, and the SHA-256 so far.
pub(super) struct Upload {
    object: u32,
    sha256: Sha256,
    payload: [u8; PAYLOAD],
    filled: usize,
    /// Where the next page goes; `None`: into a new sector.
    next: Option<Place>,
    /// How many bytes of a resumed upload have been hashed again; `None` when all are.
    pub(super) rehashed: Option<u32>,
}

impl Upload {
    /// An upload without a byte.
    pub(super) fn new(object: u32) -> Self {
        Self {
            object,
            sha256: Sha256::new(),
            payload: [0; PAYLOAD],
            filled: 0,
            next: None,
            rehashed: None,
        }
    }

    /// An upload of which some bytes lie on the flash.
    pub(super) fn resumed(object: u32) -> Self {
        Self {
            rehashed: Some(0),
            ..Self::new(object)
        }
    }

    /// Takes bytes from the front of `bytes`, at least one, and returns how many. They go behind the `length` bytes
    /// that were taken before. A sector is erased for them where the last one is full.
    pub(super) fn append<F: NorFlash>(
        &mut self,
        medium: &mut Medium<'_, F>,
        length: u32,
        bytes: &[u8],
        reserve: usize,
    ) -> Result<usize, StoreError> {
        if self.next.is_none_or(|place| place.page >= Medium::<'_, F>::PAGES) {
            let sector = medium.allocate(self.object, length, reserve)?;
            self.next = Some(Place { sector, page: 0 });
        }
        let room = self
            .payload
            .get_mut(self.filled..)
            .or_bug("no more is filled than there is room");
        let (now, _) = bytes.split_at(bytes.len().min(room.len()));
        bytes::copy(room, now);
        self.sha256.update(now);
        self.filled = self.filled.saturating_add(now.len());
        if self.filled == PAYLOAD {
            self.flush(medium, length.saturating_add(now.len() as u32))?;
        }
        Ok(now.len())
    }

    /// Writes what does not fill a page, so that all `length` bytes are durable. A page that is not full is its
    /// sector's last.
    pub(super) fn flush<F: NorFlash>(
        &mut self,
        medium: &mut Medium<'_, F>,
        length: u32,
    ) -> Result<(), StoreError> {
        let (Some(place), 1..) = (self.next, self.filled) else {
            return Ok(());
        };
        let label = Label {
            kind: Kind::File,
            object: self.object,
            start: length.saturating_sub(self.filled as u32),
        };
        let payload = self
            .payload
            .get(..self.filled)
            .or_bug("no more is filled than there is room");
        self.next = (self.filled == PAYLOAD).then_some(place.following());
        self.filled = 0;
        medium.write(place, &Page::new(label, payload))
    }

    /// The SHA-256 of what was taken so far.
    pub(super) fn digest(&self) -> Digest {
        self.sha256.clone().finalize().into()
    }

    /// Hashes about a sector of what was uploaded before the upload was broken off; whether all `length` bytes are
    /// hashed now.
    pub(super) fn rehash<F: NorFlash>(
        &mut self,
        medium: &mut Medium<'_, F>,
        length: u32,
    ) -> Result<bool, StoreError> {
        let Some(mut position) = self.rehashed else {
            return Ok(true);
        };
        let mut page = Page::BLANK;
        let mut near = None;
        for _ in 0..Medium::<'_, F>::PAGES {
            if position >= length {
                break;
            }
            let at = medium
                .read_file(self.object, position, &mut near, &mut page)
                .ok_or(StoreError::Io)?;
            let bytes = page.payload().get(at..).unwrap_or_default();
            self.sha256.update(bytes);
            position = position.saturating_add(bytes.len() as u32);
            near = near.map(Place::following);
        }
        let all = position >= length;
        self.rehashed = (!all).then_some(position);
        Ok(all)
    }
}
