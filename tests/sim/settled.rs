//! The host's store, waited for: threads that are never ahead of the simulation's clock, nor behind it.

use std::task::Poll;

use r2_core::name::Name;
use r2_core::store::{Created, Entry, Store, StoreError, Ticket, Upload, Usage};
use r2_disk::DiskStore;
use r2_tests::store_suite::{Patient, settle};

/// Answers at once: when a call returns, the threads have done what it asked, and rest.
pub(super) struct Settled(pub(super) DiskStore);

impl Settled {
    /// Does what is answered by news alone.
    fn hear(&mut self, act: impl FnOnce(&mut DiskStore)) {
        let before = self.0.revision();
        act(&mut self.0);
        while self.0.revision() == before {
            self.0.wait();
        }
    }
}

impl Store for Settled {
    fn claim(&mut self) -> Option<Ticket> {
        self.0.claim()
    }

    fn create(&mut self, ticket: &Ticket, upload: Upload<'_>) -> Poll<Result<Created, StoreError>> {
        Poll::Ready(settle(&mut self.0, |store| store.create(ticket, upload)))
    }

    fn append(&mut self, ticket: &Ticket, bytes: &[u8]) -> Poll<Result<usize, StoreError>> {
        let taken = settle(&mut self.0, |store| store.append(ticket, bytes));
        if self.0.has_gathered() {
            self.hear(DiskStore::flush);
        }
        Poll::Ready(taken)
    }

    fn written(&self, ticket: &Ticket) -> u64 {
        self.0.written(ticket)
    }

    fn seal(&mut self, ticket: &Ticket) -> Poll<Result<Entry, StoreError>> {
        Poll::Ready(settle(&mut self.0, |store| store.seal(ticket)))
    }

    fn confirm(&mut self, ticket: Ticket) {
        self.hear(|store| store.confirm(ticket));
    }

    fn release(&mut self, ticket: Ticket) {
        self.hear(|store| store.release(ticket));
    }

    fn open(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<Entry, StoreError>> {
        Poll::Ready(settle(&mut self.0, |store| store.open(ticket, name)))
    }

    fn read(&mut self, ticket: &Ticket, offset: u64, into: &mut [u8]) -> Poll<Result<usize, StoreError>> {
        Poll::Ready(settle(&mut self.0, |store| store.read(ticket, offset, into)))
    }

    fn next(&mut self, ticket: &Ticket, after: Option<&Name>) -> Poll<Result<Option<Entry>, StoreError>> {
        Poll::Ready(settle(&mut self.0, |store| store.next(ticket, after)))
    }

    fn delete(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<(), StoreError>> {
        Poll::Ready(settle(&mut self.0, |store| store.delete(ticket, name)))
    }

    fn usage(&self) -> Usage {
        self.0.usage()
    }

    fn revision(&self) -> u32 {
        self.0.revision()
    }
}
