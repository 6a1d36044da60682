//! R2's services and store, for carriers that drive the sessions themselves.

use r2_core::diag::{discard::Discard, echo::Echo};
use r2_core::drop::Deposit;
use r2_core::files::Files;
use r2_core::limits::RAM_BLOCK;
use r2_core::secret::Secret;
use r2_core::session::{Over, Session, Wants};
use r2_core::store::ram::{Block, File, RamStore};
use r2_core::time::Instant;

use super::Service;
use crate::slow::Slow;

/// How many bytes the store holds.
pub const MAX_STORE: usize = 1 << 20;

/// How many files the store holds.
const MAX_FILES: usize = 16;

/// The world of the sessions.
pub(super) type World = Slow<RamStore<'static>>;

/// An empty store. Its memory is never given back: a test ends soon.
pub(super) fn world() -> World {
    let blocks: Vec<_> = (0..MAX_STORE / RAM_BLOCK).map(|_| Block::EMPTY).collect();
    let files: Vec<_> = (0..MAX_FILES).map(|_| File::EMPTY).collect();
    Slow::new(RamStore::new(blocks.leak(), files.leak(), u64::MAX))
}

/// The session that a port opens.
pub(super) struct AnySession(Box<dyn Session<World>>);

impl AnySession {
    pub(super) fn of(service: Service) -> Self {
        match service {
            Service::Echo => Self(Box::new(Echo::new())),
            Service::Discard => Self(Box::new(Discard::new())),
            Service::Secret => Self(Box::new(Secret::new())),
            Service::Drop => Self(Box::new(Deposit::new())),
            Service::Files => Self(Box::new(Files::new())),
        }
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
