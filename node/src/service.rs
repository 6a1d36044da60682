//! Which session a port opens, how many, with which buffers: the table of services.

use r2_core::session::{Over, Session, Wants};
use r2_core::store::Store;
use r2_core::time::{Duration, Instant};
use r2_core::{chat, diag, drop, files, secret, status};

use crate::config::{Plan, Size};
use crate::limits::{ACK_DELAY, BULK_SILENT_AFTER, SERVICES_MAX, SILENT_AFTER};
use crate::storage::Storage;
use crate::world::World;

/// Writes the answer to a datagram into the second slice and returns its length. 0: the datagram wants no answer;
/// `None`: it deserves none.
pub type AnswerDatagram = fn(&[u8], &mut [u8]) -> Option<usize>;

/// What a service is, for the node.
#[derive(Clone, Copy)]
pub struct Spec {
    /// Its name, in the status page and the log.
    pub name: &'static str,
    /// Its port, for TCP and, where it answers datagrams, UDP.
    pub port: u16,
    /// How datagrams to the port are answered; `None`: the port is unreachable by UDP.
    pub datagram: Option<AnswerDatagram>,
    /// After how long a silent, dead peer is given up.
    pub silent_after: Duration,
    /// Whether small segments leave at once (no Nagle, RFC 896, and no delayed acknowledgements).
    pub interactive: bool,
    /// Whether an idle connection gives way to a SYN that waits.
    pub gives_way: bool,
}

impl Spec {
    /// A service of small requests on `port`: interactive, gives way, 95 s for a silent peer, no datagrams.
    pub const fn new(name: &'static str, port: u16) -> Self {
        let (silent_after, interactive, gives_way) = (SILENT_AFTER, true, true);
        Self {
            name,
            port,
            datagram: None,
            silent_after,
            interactive,
            gives_way,
        }
    }

    /// With acknowledgements delayed by [`ACK_DELAY`] and full segments preferred.
    pub const fn bulk(mut self) -> Self {
        self.interactive = false;
        self
    }

    pub(crate) const fn ack_delay(&self) -> Option<smoltcp::time::Duration> {
        if self.interactive {
            None
        } else {
            Some(smoltcp::time::Duration::from_millis(ACK_DELAY.as_millis()))
        }
    }
}

/// Labelled two-way chat.
pub const CHAT: Spec = Spec {
    gives_way: false,
    ..Spec::new("chat", 5000)
};
/// Secret-code questions.
pub const SECRET: Spec = Spec {
    datagram: Some(secret::answer),
    ..Spec::new("secret", 5010)
};
/// Raw uploads.
pub const DROP: Spec = Spec {
    silent_after: BULK_SILENT_AFTER,
    ..Spec::new("drop", 5020)
}
.bulk();
/// Named uploads and downloads.
pub const FILES: Spec = Spec {
    silent_after: BULK_SILENT_AFTER,
    ..Spec::new("files", 5030)
}
.bulk();
/// A page of `key: value` lines.
pub const STATUS: Spec = Spec::new("status", 5040);
/// RFC 862.
pub const ECHO: Spec = Spec {
    datagram: Some(diag::echo::answer),
    ..Spec::new("echo", 7)
};
/// RFC 863.
pub const DISCARD: Spec = Spec {
    datagram: Some(|_, _| Some(0)),
    ..Spec::new("discard", 9)
}
.bulk();
/// RFC 864.
pub const CHARGEN: Spec = Spec {
    datagram: Some(|_, answer| Some(diag::chargen::answer(answer))),
    ..Spec::new("chargen", 19)
}
.bulk();

/// A service with the memory of its sessions, whatever their type.
pub(crate) trait Service<W> {
    fn spec(&self) -> &Spec;
    fn size(&self) -> Size;
    /// A number that changes when the world has news for every session of the service.
    fn revision(&self, world: &W) -> u32;
    /// Puts a new session in place `index`.
    fn renew(&mut self, index: usize);
    /// The session in place `index`.
    fn session(&mut self, index: usize) -> Option<&mut dyn Session<W>>;
}

/// The services of a node, in the order of their registration.
pub(crate) type Services<'a, W> = heapless::Vec<&'a mut dyn Service<W>, SERVICES_MAX>;

/// The sessions of one service, and the part of the world that they share.
struct Pool<'a, W, P: ?Sized, S> {
    spec: Spec,
    size: Size,
    sessions: &'a mut [Placed<W, P, S>],
    new: fn() -> S,
    revision: fn(&W) -> u32,
}

/// A session that is handed its part of the world only.
struct Placed<W, P: ?Sized, S> {
    session: S,
    part: fn(&mut W) -> &mut P,
}

impl<W, P: ?Sized, S: Session<P>> Session<W> for Placed<W, P, S> {
    fn opened(&mut self, now: Instant, world: &mut W) {
        self.session.opened(now, (self.part)(world));
    }

    fn receive(&mut self, now: Instant, rx: &[u8], world: &mut W) -> usize {
        self.session.receive(now, rx, (self.part)(world))
    }

    fn transmit(&mut self, now: Instant, tx: &mut [u8], world: &mut W) -> usize {
        self.session.transmit(now, tx, (self.part)(world))
    }

    fn finished(&mut self, now: Instant, world: &mut W) {
        self.session.finished(now, (self.part)(world));
    }

    fn over(&mut self, now: Instant, how: Over, world: &mut W) {
        self.session.over(now, how, (self.part)(world));
    }

    fn poll_at(&self) -> Option<Instant> {
        self.session.poll_at()
    }

    fn wants(&self) -> Wants {
        self.session.wants()
    }
}

impl<W, P: ?Sized, S: Session<P>> Service<W> for Pool<'_, W, P, S> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn size(&self) -> Size {
        self.size
    }

    fn revision(&self, world: &W) -> u32 {
        (self.revision)(world)
    }

    fn renew(&mut self, index: usize) {
        if let Some(placed) = self.sessions.get_mut(index) {
            placed.session = (self.new)();
        }
    }

    fn session(&mut self, index: usize) -> Option<&mut dyn Session<W>> {
        self.sessions
            .get_mut(index)
            .map(|placed| placed as &mut dyn Session<W>)
    }
}

/// Collects the services of a node, each with its memory.
pub struct Registry<'a, 'm, W, M> {
    services: Services<'a, W>,
    storage: &'m mut M,
}

impl<'a, W: 'a, M: Storage<'a>> Registry<'a, '_, W, M> {
    /// Offers a service: `new` makes the session of a new connection, `part` is what sessions share, `revision`
    /// a number that changes when that has news for all of them (a constant where it never has).
    ///
    /// A size of 0 connections, and a service beyond [`SERVICES_MAX`], is not offered.
    pub fn serve<P: ?Sized + 'a, S: Session<P> + 'a>(
        &mut self,
        spec: Spec,
        size: Size,
        new: fn() -> S,
        part: fn(&mut W) -> &mut P,
        revision: fn(&W) -> u32,
    ) {
        if size.connections == 0 || self.services.is_full() {
            return;
        }
        let sessions = self
            .storage
            .slice(size.connections, |_| Placed { session: new(), part });
        let mut pool = Some(Pool {
            spec,
            size,
            sessions,
            new,
            revision,
        });
        for pool in self.storage.slice(1, |_| pool.take()).iter_mut().flatten() {
            // There is room: looked at above.
            let _ = self.services.push(pool);
        }
    }
}

/// For sessions that share nothing, or report on everything.
fn whole<W>(world: &mut W) -> &mut W {
    world
}

/// The table: every service of R2.
pub(crate) fn table<'a, S: Store + 'a, M: Storage<'a>>(
    plan: &Plan,
    storage: &mut M,
) -> Services<'a, World<'a, S>> {
    let mut r2 = Registry {
        services: heapless::Vec::new(),
        storage,
    };
    let never = |_: &World<'a, S>| 0;
    r2.serve(
        CHAT,
        plan.chat,
        chat::Peer::new,
        |w: &mut World<'a, S>| &mut w.room,
        |w| w.room.revision(),
    );
    r2.serve(SECRET, plan.secret, secret::Secret::new, whole, never);
    r2.serve(
        DROP,
        plan.drop,
        drop::Deposit::new,
        |w| &mut w.store,
        |w| w.store.revision(),
    );
    r2.serve(
        FILES,
        plan.files,
        files::Files::new,
        |w| &mut w.store,
        |w| w.store.revision(),
    );
    r2.serve(STATUS, plan.status, status::Status::new, whole, never);
    r2.serve(ECHO, plan.echo, diag::echo::Echo::new, whole, never);
    r2.serve(DISCARD, plan.discard, diag::discard::Discard::new, whole, never);
    r2.serve(CHARGEN, plan.chargen, diag::chargen::Chargen::new, whole, never);
    r2.services
}
