//! R2's services and their world, for carriers that drive the sessions themselves.

use r2_core::chat::{Peer, Room, Seat};
use r2_core::diag::{chargen::Chargen, discard::Discard, echo::Echo};
use r2_core::drop::Deposit;
use r2_core::files::Files;
use r2_core::limits::{CHAT_RING_MIN, RAM_BLOCK};
use r2_core::secret::Secret;
use r2_core::session::{Over, Part, Session, Wants};
use r2_core::store::Store;
use r2_core::store::ram::{Block, File, RamStore};
use r2_core::time::Instant;

use super::Service;
use crate::slow::Slow;

/// How many bytes the store holds.
pub const MAX_STORE: usize = 1 << 20;

/// How many files the store holds.
const MAX_FILES: usize = 16;

/// How many peers the chat room seats.
const SEATS: usize = 8;

/// The world of the sessions.
pub(super) struct World {
    pub(super) store: Slow<RamStore<'static>>,
    room: Room<'static>,
}

impl World {
    /// An empty store and an empty room. Their memory is never given back: a test ends soon.
    pub(super) fn new() -> Self {
        let blocks: Vec<_> = (0..MAX_STORE / RAM_BLOCK).map(|_| Block::EMPTY).collect();
        let files: Vec<_> = (0..MAX_FILES).map(|_| File::EMPTY).collect();
        let seats: Vec<_> = (0..SEATS).map(|_| Seat::default()).collect();
        let ring = vec![0; CHAT_RING_MIN].leak();
        Self {
            store: Slow::new(RamStore::new(blocks.leak(), files.leak(), u64::MAX)),
            room: Room::new(ring, seats.leak(), "R2", "KALI").expect("two names"),
        }
    }

    /// Changes when any session may have something to say.
    pub(super) fn revision(&self) -> (u32, u32) {
        (self.store.revision(), self.room.revision())
    }
}

/// The session that a port opens.
pub(super) struct AnySession(Box<dyn Session<World>>);

impl AnySession {
    pub(super) fn of(service: Service) -> Self {
        match service {
            Service::Echo => Self::new(Echo::new(), |world| world),
            Service::Discard => Self::new(Discard::new(), |world| world),
            Service::Chargen => Self::new(Chargen::new(), |world| world),
            Service::Chat => Self::new(Peer::new(), |world| &mut world.room),
            Service::Secret => Self::new(Secret::new(), |world| world),
            Service::Drop => Self::new(Deposit::new(), |world| &mut world.store),
            Service::Files => Self::new(Files::new(), |world| &mut world.store),
            Service::Status | Service::Capture => panic!("{service:?} needs a node"),
        }
    }

    fn new<P: ?Sized + 'static>(session: impl Session<P> + 'static, part: fn(&mut World) -> &mut P) -> Self {
        Self(Box::new(Part::new(session, part)))
    }
}

impl Session<World> for AnySession {
    fn opened(&mut self, now: Instant, world: &mut World) {
        self.0.opened(now, world);
    }

    fn receive(&mut self, now: Instant, rx: &[u8], world: &mut World) -> usize {
        self.0.receive(now, rx, world)
    }

    fn transmit(&mut self, now: Instant, tx: &mut [u8], world: &mut World) -> usize {
        self.0.transmit(now, tx, world)
    }

    fn finished(&mut self, now: Instant, world: &mut World) {
        self.0.finished(now, world);
    }

    fn over(&mut self, now: Instant, how: Over, world: &mut World) {
        self.0.over(now, how, world);
    }

    fn poll_at(&self) -> Option<Instant> {
        self.0.poll_at()
    }

    fn wants(&self) -> Wants {
        self.0.wants()
    }
}
