//! A store that does not answer at once.

use std::task::Poll;

use r2_core::limits::STORE_TICKETS;
use r2_core::name::Name;
use r2_core::store::{Created, Entry, Store, StoreError, Ticket, Upload, Usage};

/// Answers every call the second time it is made, and takes few bytes at a time; none at all while it is stalled.
pub struct Slow<S> {
    inner: S,
    /// What has become of bytes that it took.
    failed: Option<StoreError>,
    asked: [bool; STORE_TICKETS],
    stalled: bool,
    revision: u32,
}

impl<S: Store> Slow<S> {
    /// Slows `inner` down.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            failed: None,
            asked: [false; STORE_TICKETS],
            stalled: false,
            revision: 0,
        }
    }

    /// From now on answers nothing, or answers again.
    pub fn stall(&mut self, stalled: bool) {
        self.stalled = stalled;
        self.revision += 1;
    }

    /// Loses bytes that it has taken already: whoever looks next is told why.
    pub fn fail(&mut self, why: StoreError) {
        self.failed = Some(why);
        self.revision += 1;
    }

    fn answers(&mut self, ticket: &Ticket) -> bool {
        if self.stalled {
            return false;
        }
        let asked = &mut self.asked[ticket.index()];
        *asked = !*asked;
        self.revision += u32::from(*asked);
        !*asked
    }
}

/// Bytes taken or given at once: no power of two, so that it meets every edge.
const AT_ONCE: usize = 1001;

impl<S: Store> Store for Slow<S> {
    fn claim(&mut self) -> Option<Ticket> {
        if self.stalled { None } else { self.inner.claim() }
    }

    fn create(&mut self, ticket: &Ticket, upload: Upload<'_>) -> Poll<Result<Created, StoreError>> {
        if self.answers(ticket) {
            self.inner.create(ticket, upload)
        } else {
            Poll::Pending
        }
    }

    fn append(&mut self, ticket: &Ticket, bytes: &[u8]) -> Poll<Result<usize, StoreError>> {
        if let Some(why) = self.failed.take() {
            return Poll::Ready(Err(why));
        }
        let few = &bytes[..bytes.len().min(AT_ONCE)];
        if bytes.is_empty() || self.answers(ticket) {
            self.inner.append(ticket, few)
        } else {
            Poll::Pending
        }
    }

    fn written(&self, ticket: &Ticket) -> u64 {
        self.inner.written(ticket)
    }

    fn seal(&mut self, ticket: &Ticket) -> Poll<Result<Entry, StoreError>> {
        if self.answers(ticket) {
            self.inner.seal(ticket)
        } else {
            Poll::Pending
        }
    }

    fn confirm(&mut self, ticket: Ticket) {
        self.asked[ticket.index()] = false;
        self.inner.confirm(ticket);
    }

    fn release(&mut self, ticket: Ticket) {
        self.asked[ticket.index()] = false;
        self.inner.release(ticket);
    }

    fn open(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<Entry, StoreError>> {
        if self.answers(ticket) {
            self.inner.open(ticket, name)
        } else {
            Poll::Pending
        }
    }

    fn read(&mut self, ticket: &Ticket, offset: u64, into: &mut [u8]) -> Poll<Result<usize, StoreError>> {
        let few = into.len().min(AT_ONCE);
        if self.answers(ticket) {
            self.inner.read(ticket, offset, &mut into[..few])
        } else {
            Poll::Pending
        }
    }

    fn next(&mut self, ticket: &Ticket, after: Option<&Name>) -> Poll<Result<Option<Entry>, StoreError>> {
        if self.answers(ticket) {
            self.inner.next(ticket, after)
        } else {
            Poll::Pending
        }
    }

    fn delete(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<(), StoreError>> {
        if self.answers(ticket) {
            self.inner.delete(ticket, name)
        } else {
            Poll::Pending
        }
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }

    fn revision(&self) -> u32 {
        self.revision.wrapping_add(self.inner.revision())
    }
}
