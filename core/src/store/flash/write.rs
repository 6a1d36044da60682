//! How bytes are taken, and how an upload ends.

use embedded_storage::nor_flash::NorFlash;

use super::record::{FileRecord, Record};
use super::{Extent, FlashStore, record_of};
use crate::store::directory::State;
use crate::store::{Entry, StoreError, Ticket};

impl<F: NorFlash> FlashStore<'_, F> {
    /// Ends an upload by an error: nothing of it is kept.
    pub(super) fn end(&mut self, ticket: &Ticket, why: StoreError) -> StoreError {
        if let Some(upload) = self.upload(ticket) {
            *upload = None;
        }
        if let Some(Extent { object, .. }) = self.directory.end(ticket) {
            // Where the log cannot say it, nothing will ever be written over those sectors before the next mount.
            let _ = self.commit(&Record::Deleted(object));
            self.medium.free_all(object);
        }
        why
    }

    pub(super) fn take(&mut self, ticket: &Ticket, bytes: &[u8]) -> Result<usize, StoreError> {
        let index = self.directory.writing(ticket)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let reserve = self.reserve();
        let fits = self.directory.allowed(index, bytes);
        let file = self.directory.files.get_mut(index).ok_or(StoreError::Io)?;
        let Some(Some(upload)) = self.uploads.get_mut(ticket.index()) else {
            return Err(StoreError::Io);
        };
        let taken = match fits {
            _ if self.broken => Err(StoreError::Io),
            [] => Err(StoreError::TooLarge),
            fits => upload.append(&mut self.medium, file.bytes.length, fits, reserve),
        };
        match taken {
            Ok(taken) => {
                // It fits: at most `max_file`, which a u32 holds.
                file.bytes.length = file.bytes.length.saturating_add(taken as u32);
                Ok(taken)
            }
            Err(why) => Err(self.end(ticket, why)),
        }
    }

    pub(super) fn seal_written(&mut self, ticket: &Ticket, index: usize) -> Result<Entry, StoreError> {
        let file = self.directory.files.get(index).ok_or(StoreError::Io)?;
        let Some(Some(upload)) = self.uploads.get_mut(ticket.index()) else {
            return Err(StoreError::Io);
        };
        let digest = upload.digest();
        if !file.is_as_announced(&digest) {
            return Err(self.end(ticket, StoreError::Mismatch));
        }
        if let Err(why) = upload.flush(&mut self.medium, file.bytes.length) {
            return Err(self.end(ticket, why));
        }
        let sealed = FileRecord {
            state: file.sealed(),
            sha256: digest,
            ..record_of(file).ok_or(StoreError::Io)?
        };
        let (name, state) = (sealed.name.clone(), sealed.state);
        if let Err(why) = self.commit(&Record::File(sealed)) {
            return Err(self.end(ticket, why));
        }
        let replaced = self.directory.unlink_replaced(&name);
        self.free(replaced);
        let file = self.file(index)?;
        (file.state, file.sha256) = (state, digest);
        file.entry().ok_or(StoreError::Io)
    }

    /// Leaves a broken upload, or one without a confirmation, in the state that it has earned. The log has said enough:
    /// what arrives is partial after a power cut, what is sealed unconfirmed.
    pub(super) fn leave(&mut self, ticket: &Ticket, index: usize) -> Result<(), StoreError> {
        let file = self.directory.files.get_mut(index).ok_or(StoreError::Io)?;
        let Some(left) = file.left() else {
            return self.forget(index);
        };
        let Some(Some(upload)) = self.uploads.get_mut(ticket.index()) else {
            return Ok(());
        };
        if file.state == State::Arriving && upload.rehashed.is_none() {
            upload.flush(&mut self.medium, file.bytes.length)?;
            file.sha256 = upload.digest();
        }
        file.state = left;
        Ok(())
    }

    pub(super) fn confirm_sealed(&mut self, index: usize) -> Result<(), StoreError> {
        let sealed = record_of(self.file(index)?).ok_or(StoreError::Io)?;
        if sealed.state == State::Sealed {
            self.commit(&Record::File(FileRecord {
                state: State::Whole,
                ..sealed
            }))?;
            self.file(index)?.state = State::Whole;
        }
        Ok(())
    }
}
