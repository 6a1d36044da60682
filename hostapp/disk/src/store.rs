//! The calls of the store: what a session asks, handed to the ticket's worker.

use std::task::Poll;

use r2_core::name::Name;
use r2_core::store::{Created, Entry, Store, StoreError, Ticket, Upload, Usage};

use super::DiskStore;
use super::announcement::Announcement;
use super::chunks::{Reading, Uploading};
use super::ticket::Phase;
use super::worker::{Answer, Call};

/// A call that was answered with the answer to another: the session changed its arguments, which it must not.
const OUT_OF_ORDER: StoreError = StoreError::Io;

impl Store for DiskStore {
    fn claim(&mut self) -> Option<Ticket> {
        let index = self
            .places
            .iter()
            .position(|place| matches!(place.phase, Phase::Free))?;
        self.places[index].phase = Phase::Idle;
        u16::try_from(index).ok().map(Ticket::new)
    }

    fn create(&mut self, ticket: &Ticket, upload: Upload<'_>) -> Poll<Result<Created, StoreError>> {
        if let Upload::Named { name, .. } = upload {
            // To its peer that upload is over: what it leaves behind is to be resumed, not busy.
            if self.is_leaving(name) {
                return Poll::Pending;
            }
            self.parts(ticket).0.name = Some(name.clone());
        } else if !self.has_its_turn(ticket) {
            return Poll::Pending;
        }
        let answer = self.call(ticket, || match upload {
            Upload::Numbered => Call::CreateNumbered,
            Upload::Named { name, length, sha256 } => {
                Call::CreateNamed(name.clone(), Announcement { length, sha256 })
            }
        });
        let limit = self.folder.limits().file;
        answer.map(|answer| {
            let Answer::Created(created) = answer else {
                return Err(OUT_OF_ORDER);
            };
            let created = created?;
            let (place, _) = self.parts(ticket);
            place.change(Phase::Uploading(Uploading::new(created.offset, limit)));
            Ok(created)
        })
    }

    fn append(&mut self, ticket: &Ticket, bytes: &[u8]) -> Poll<Result<usize, StoreError>> {
        let (place, channel) = self.parts(ticket);
        match &mut place.phase {
            Phase::Uploading(uploading) => uploading.append(bytes, &mut place.free, &channel),
            _ => Poll::Ready(Err(OUT_OF_ORDER)),
        }
    }

    fn written(&self, ticket: &Ticket) -> u64 {
        match &self.places[ticket.index()].phase {
            Phase::Uploading(uploading) => uploading.written(),
            _ => 0,
        }
    }

    fn seal(&mut self, ticket: &Ticket) -> Poll<Result<Entry, StoreError>> {
        let (place, channel) = self.parts(ticket);
        if let Phase::Uploading(uploading) = &mut place.phase {
            if let Some(error) = uploading.failed() {
                return Poll::Ready(Err(error));
            }
            uploading.flush(&channel);
        }
        self.call(ticket, || Call::Seal).map(|answer| {
            let Answer::Sealed(sealed) = answer else {
                return Err(OUT_OF_ORDER);
            };
            let (place, _) = self.parts(ticket);
            if let (Err(error), Phase::Uploading(uploading)) = (&sealed, &mut place.phase) {
                // The error of an earlier write says better what was wrong than a seal that found nothing.
                let first = uploading.failed().unwrap_or(*error);
                uploading.fail(first, uploading.written());
                return Err(first);
            }
            place.change(Phase::Sealed);
            sealed
        })
    }

    fn confirm(&mut self, ticket: Ticket) {
        self.leave(&ticket, Call::Confirm);
    }

    fn release(&mut self, ticket: Ticket) {
        self.leave(&ticket, Call::Release);
    }

    fn open(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<Entry, StoreError>> {
        self.call(ticket, || Call::Open(name.clone())).map(|answer| {
            let Answer::Opened(opened) = answer else {
                return Err(OUT_OF_ORDER);
            };
            let entry = opened?;
            let (place, _) = self.parts(ticket);
            place.change(Phase::Reading(Reading::new(entry.length)));
            Ok(entry)
        })
    }

    fn read(&mut self, ticket: &Ticket, offset: u64, into: &mut [u8]) -> Poll<Result<usize, StoreError>> {
        let (place, channel) = self.parts(ticket);
        match &mut place.phase {
            Phase::Reading(reading) => reading.read(offset, into, &mut place.free, &channel),
            _ => Poll::Ready(Err(OUT_OF_ORDER)),
        }
    }

    fn next(&mut self, ticket: &Ticket, after: Option<&Name>) -> Poll<Result<Option<Entry>, StoreError>> {
        self.call(ticket, || Call::Next(after.cloned()))
            .map(|answer| match answer {
                Answer::Listed(listed) => listed,
                _ => Err(OUT_OF_ORDER),
            })
    }

    fn delete(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<(), StoreError>> {
        self.call(ticket, || Call::Delete(name.clone()))
            .map(|answer| match answer {
                Answer::Deleted(deleted) => deleted,
                _ => Err(OUT_OF_ORDER),
            })
    }

    fn hashing(&self, ticket: &Ticket) -> Option<u8> {
        self.percents.of_place(ticket.index())
    }

    fn usage(&self) -> Usage {
        self.folder.usage()
    }

    fn unreadable(&self) -> u64 {
        self.folder.unreadable()
    }

    fn revision(&self) -> u32 {
        self.revision
    }
}
