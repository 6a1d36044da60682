//! How an upload begins, or goes on.

use core::task::Poll;

use embedded_storage::nor_flash::NorFlash;

use super::record::Record;
use super::upload::Upload as Writing;
use super::{Extent, FlashStore, record_of};
use crate::name::Name;
use crate::store::directory::{Beginning, State, Work};
use crate::store::{Created, Digest, Ends, StoreError, Ticket};

impl<F: NorFlash> FlashStore<'_, F> {
    pub(super) fn create_new(
        &mut self,
        ticket: &Ticket,
        name: Name,
        announced: Option<(u64, Option<Digest>)>,
    ) -> Result<Created, StoreError> {
        let bytes = Extent {
            object: self.medium.next_object()?,
            length: 0,
        };
        let begun = self.directory.begin(ticket, name.clone(), announced, bytes);
        let index = begun.ok_or(StoreError::NoSpace)?;
        let record = record_of(self.file(index)?).ok_or(StoreError::Io)?;
        if let Err(error) = self.commit(&Record::File(record)) {
            self.directory.end(ticket);
            return Err(error);
        }
        if let Some(upload) = self.upload(ticket) {
            *upload = Some(Writing::new(bytes.object));
        }
        Ok(Created {
            name,
            offset: 0,
            ends: Ends::default(),
        })
    }

    pub(super) fn create_named(
        &mut self,
        ticket: &Ticket,
        name: &Name,
        length: u64,
        sha256: Option<Digest>,
    ) -> Poll<Result<Created, StoreError>> {
        if let Work::Writing(index) = self.directory.work(ticket) {
            return self.resume(ticket, index);
        }
        match self.directory.begin_named(ticket, name, length, sha256)? {
            Beginning::There(index) => Poll::Ready(self.created(name.clone(), index)),
            Beginning::Resumed(index) => {
                let free = self.free_bytes();
                let file = self.file(index)?;
                if length.saturating_sub(file.length()) > free {
                    return Poll::Ready(Err(StoreError::NoSpace));
                }
                file.state = State::Arriving;
                let object = file.bytes.object;
                self.directory.set_work(ticket, Work::Writing(index));
                if let Some(upload) = self.upload(ticket) {
                    *upload = Some(Writing::resumed(object));
                }
                self.resume(ticket, index)
            }
            Beginning::Anew(partial) => {
                if let Some(partial) = partial {
                    self.forget(partial)?;
                }
                if length > self.free_bytes() {
                    return Poll::Ready(Err(StoreError::NoSpace));
                }
                Poll::Ready(self.create_new(ticket, name.clone(), Some((length, sha256))))
            }
        }
    }

    /// Hashes what is there of an upload; pending until all of it is.
    fn resume(&mut self, ticket: &Ticket, index: usize) -> Poll<Result<Created, StoreError>> {
        let Some(file) = self.directory.files.get(index) else {
            return Poll::Ready(Err(StoreError::Io));
        };
        let (name, length) = (file.name.clone(), file.bytes.length);
        let (Some(name), Some(Some(upload))) = (name, self.uploads.get_mut(ticket.index())) else {
            return Poll::Ready(Err(StoreError::Io));
        };
        match upload.rehash(&mut self.medium, length) {
            Ok(true) => Poll::Ready(self.created(name, index)),
            Ok(false) => {
                self.directory.news();
                Poll::Pending
            }
            Err(why) => Poll::Ready(Err(self.end(ticket, why))),
        }
    }

    /// The upload of `name`, of which the file at `index` is there.
    fn created(&mut self, name: Name, index: usize) -> Result<Created, StoreError> {
        let bytes = self.file(index)?.bytes;
        let length = u64::from(bytes.length);
        let read = |offset, room: &mut [u8]| self.read_extent(bytes, offset, room);
        Ok(Created {
            name,
            offset: length,
            ends: Ends::read(length, read)?,
        })
    }
}
