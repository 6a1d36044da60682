//! What R2's sessions are asked to do, and what they ask of the store, noted call by call.

use std::task::Poll;
use std::time::Duration;

use r2_core::name::Name;
use r2_core::session::{Over, Session, Wants};
use r2_core::store::ram::RamStore;
use r2_core::store::{Created, Digest, Entry, Store, StoreError, Ticket, Upload, Usage};
use r2_core::time::Instant;

/// A call that was made, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct NotedCall {
    /// On the clock that stamps the frames.
    pub(super) at: Duration,
    /// The port of the session that was called, or that called the store.
    pub(super) port: u16,
    pub(super) what: What,
}

/// What was called. A call that moved nothing and called nothing is not noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Opened,
    Receive { offered: usize, taken: usize },
    Transmit { filled: usize },
    Finished,
    Close,
    Over(Over),
    Create(Name),
    Append { calls: usize, bytes: usize },
    Seal { length: u64, sha256: Digest },
    Confirm,
    Release,
}

/// A store, and the calls that were made, in their order.
pub(super) struct Diary {
    store: RamStore<'static>,
    /// Makes of the node's time that on the frames' clock.
    clock: fn(Duration) -> Duration,
    now: Duration,
    port: u16,
    calls: Vec<NotedCall>,
}

impl Diary {
    pub(super) fn new(store: RamStore<'static>, clock: fn(Duration) -> Duration) -> Self {
        Self {
            store,
            clock,
            now: Duration::ZERO,
            port: 0,
            calls: Vec::new(),
        }
    }

    /// It is `now` on the node's clock.
    pub(super) fn turn(&mut self, now: Duration) {
        self.now = now;
    }

    pub(super) fn calls(self) -> Vec<NotedCall> {
        self.calls
    }

    /// Notes a call; its place.
    fn note(&mut self, what: What) -> usize {
        self.calls.push(NotedCall {
            at: (self.clock)(self.now),
            port: self.port,
            what,
        });
        self.calls.len() - 1
    }

    /// Notes what came of the call in this place: nothing.
    fn forget(&mut self, place: usize) {
        self.calls.remove(place);
    }
}

/// A session whose calls are noted.
pub(super) struct Noted<S> {
    session: S,
    port: u16,
    closing: bool,
}

impl<S> Noted<S> {
    /// The session of a connection to `port`.
    pub(super) fn new(session: S, port: u16) -> Self {
        Self {
            session,
            port,
            closing: false,
        }
    }
}

impl<S: Session<Diary>> Noted<S> {
    fn look_at_end(&mut self, diary: &mut Diary) {
        if self.session.wants() == Wants::Close && !self.closing {
            self.closing = true;
            diary.note(What::Close);
        }
    }
}

impl<S: Session<Diary>> Session<Diary> for Noted<S> {
    fn opened(&mut self, now: Instant, diary: &mut Diary) {
        diary.port = self.port;
        diary.note(What::Opened);
        self.session.opened(now, diary);
    }

    fn receive(&mut self, now: Instant, rx: &[u8], diary: &mut Diary) -> usize {
        diary.port = self.port;
        let offered = rx.len();
        let place = diary.note(What::Receive { offered, taken: 0 });
        let taken = self.session.receive(now, rx, diary);
        diary.calls[place].what = What::Receive { offered, taken };
        self.look_at_end(diary);
        taken
    }

    fn transmit(&mut self, now: Instant, tx: &mut [u8], diary: &mut Diary) -> usize {
        diary.port = self.port;
        let place = diary.note(What::Transmit { filled: 0 });
        let filled = self.session.transmit(now, tx, diary);
        if filled > 0 {
            diary.calls[place].what = What::Transmit { filled };
        } else {
            diary.forget(place);
        }
        self.look_at_end(diary);
        filled
    }

    fn finished(&mut self, now: Instant, diary: &mut Diary) {
        diary.port = self.port;
        diary.note(What::Finished);
        self.session.finished(now, diary);
        self.look_at_end(diary);
    }

    fn over(&mut self, now: Instant, how: Over, diary: &mut Diary) {
        diary.port = self.port;
        diary.note(What::Over(how));
        self.session.over(now, how, diary);
    }

    fn poll_at(&self) -> Option<Instant> {
        self.session.poll_at()
    }

    fn wants(&self) -> Wants {
        self.session.wants()
    }
}

/// What an upload asks is noted.
impl Store for Diary {
    fn claim(&mut self) -> Option<Ticket> {
        self.store.claim()
    }

    fn create(&mut self, ticket: &Ticket, upload: Upload<'_>) -> Poll<Result<Created, StoreError>> {
        let created = self.store.create(ticket, upload);
        if let Poll::Ready(Ok(created)) = &created {
            self.note(What::Create(created.name.clone()));
        }
        created
    }

    fn append(&mut self, ticket: &Ticket, bytes: &[u8]) -> Poll<Result<usize, StoreError>> {
        let appended = self.store.append(ticket, bytes);
        if let Poll::Ready(Ok(count @ 1..)) = appended {
            // A store in memory takes a block at a time.
            if let Some(NotedCall {
                what: What::Append { calls, bytes },
                ..
            }) = self.calls.last_mut()
            {
                (*calls, *bytes) = (*calls + 1, *bytes + count);
            } else {
                self.note(What::Append {
                    calls: 1,
                    bytes: count,
                });
            }
        }
        appended
    }

    fn written(&self, ticket: &Ticket) -> u64 {
        self.store.written(ticket)
    }

    fn seal(&mut self, ticket: &Ticket) -> Poll<Result<Entry, StoreError>> {
        let sealed = self.store.seal(ticket);
        if let Poll::Ready(Ok(entry)) = &sealed {
            self.note(What::Seal {
                length: entry.length,
                sha256: entry.sha256,
            });
        }
        sealed
    }

    fn confirm(&mut self, ticket: Ticket) {
        self.store.confirm(ticket);
        self.note(What::Confirm);
    }

    fn release(&mut self, ticket: Ticket) {
        self.store.release(ticket);
        self.note(What::Release);
    }

    fn open(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<Entry, StoreError>> {
        self.store.open(ticket, name)
    }

    fn read(&mut self, ticket: &Ticket, offset: u64, into: &mut [u8]) -> Poll<Result<usize, StoreError>> {
        self.store.read(ticket, offset, into)
    }

    fn next(&mut self, ticket: &Ticket, after: Option<&Name>) -> Poll<Result<Option<Entry>, StoreError>> {
        self.store.next(ticket, after)
    }

    fn delete(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<(), StoreError>> {
        self.store.delete(ticket, name)
    }

    fn usage(&self) -> Usage {
        self.store.usage()
    }

    fn revision(&self) -> u32 {
        self.store.revision()
    }
}
