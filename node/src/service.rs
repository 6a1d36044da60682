//! Which session a port opens, how many, with which buffers: the table of services.

use core::marker::PhantomData;

#[cfg(feature = "capture")]
use r2_core::capture;
use r2_core::session::{Over, Session, Wants};
use r2_core::store::Store;
use r2_core::time::{Duration, Instant};
use r2_core::{chat, diag, drop, files, secret, status};

use crate::config::{Plan, Size};
use crate::limits::{ACK_DELAY, BULK_SILENT_AFTER, SERVICES_MAX, SILENT_AFTER};
use crate::storage::Storage;
use crate::world::World;

/// What a service does with a datagram.
#[derive(Clone, Copy)]
pub enum Datagrams {
    /// Takes it and says nothing.
    Take,
    /// Writes the answer to it into the second slice and returns its length, which may be 0. `None`: it gets none.
    Answer(fn(&[u8], &mut [u8]) -> Option<usize>),
}

/// What a service is, for the node.
#[derive(Clone, Copy)]
pub struct Spec {
    /// Its name, in the status page and the log.
    pub name: &'static str,
    /// Its port, for TCP and, where it answers datagrams, UDP.
    pub port: u16,
    /// The command line that talks to it: netcat's, with `R2` for the address and `PORT` for the port.
    #[cfg(feature = "netcat")]
    pub netcat: &'static str,
    /// The same over UDP, where it is another; empty: the same with `-u`.
    #[cfg(feature = "netcat")]
    pub netcat_udp: &'static str,
    /// What is done with datagrams to the port; `None`: the port is unreachable by UDP. From a port whose service answers
    /// them, no other service answers any.
    pub datagram: Option<Datagrams>,
    /// After how long a silent, dead peer is given up.
    pub silent_after: Duration,
    /// Whether small segments leave at once (no Nagle, RFC 896, and no delayed acknowledgements).
    pub interactive: bool,
    /// Whether an idle connection gives way to a SYN that waits.
    pub gives_way: bool,
}

impl Spec {
    /// A service of small requests on `port`: interactive, gives way, 95 s for a silent peer, no datagrams. `netcat` is
    /// kept with the crate's feature of that name.
    #[cfg_attr(not(feature = "netcat"), allow(unused_variables, reason = "said above"))]
    pub const fn new(name: &'static str, port: u16, netcat: &'static str) -> Self {
        let (silent_after, interactive, gives_way) = (SILENT_AFTER, true, true);
        Self {
            name,
            port,
            #[cfg(feature = "netcat")]
            netcat,
            #[cfg(feature = "netcat")]
            netcat_udp: "",
            datagram: None,
            silent_after,
            interactive,
            gives_way,
        }
    }

    /// With acknowledgements delayed by [`ACK_DELAY`] and full segments preferred (Nagle, RFC 896). Measured on a TAP,
    /// neither changes how fast a transfer is; on a slow network they spare it small segments.
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
    ..Spec::new("chat", 5000, "nc R2 PORT")
};
/// Secret-code questions.
pub const SECRET: Spec = Spec {
    datagram: Some(Datagrams::Answer(secret::answer)),
    #[cfg(feature = "netcat")]
    netcat_udp: "printf 'Ted is SECRET cool' | nc -u -W 1 R2 PORT",
    ..Spec::new("secret", 5010, "printf 'Ted is SECRET cool\\n' | nc -N R2 PORT")
};
/// Raw uploads.
pub const DROP: Spec = Spec {
    silent_after: BULK_SILENT_AFTER,
    ..Spec::new("drop", 5020, "nc -N R2 PORT < FILE")
}
.bulk();
/// Named uploads and downloads.
pub const FILES: Spec = Spec {
    silent_after: BULK_SILENT_AFTER,
    ..Spec::new("files", 5030, "printf 'LIST\\n' | nc -N R2 PORT")
}
.bulk();
/// A page of `key: value` lines.
pub const STATUS: Spec = Spec::new("status", 5040, "nc R2 PORT < /dev/null");
/// RFC 862.
pub const ECHO: Spec = Spec {
    datagram: Some(Datagrams::Answer(diag::echo::answer)),
    ..Spec::new("echo", 7, "nc R2 PORT")
};
/// RFC 863.
pub const DISCARD: Spec = Spec {
    datagram: Some(Datagrams::Take),
    ..Spec::new("discard", 9, "nc -N R2 PORT < FILE")
}
.bulk();
/// RFC 864.
pub const CHARGEN: Spec = Spec {
    datagram: Some(Datagrams::Answer(|_, answer| Some(diag::chargen::answer(answer)))),
    ..Spec::new("chargen", 19, "nc R2 PORT | head -c 1000")
}
.bulk();

/// Every frame that passes, as a pcap file, with the crate's feature `capture`.
pub const CAPTURE: Spec = Spec {
    gives_way: false,
    ..Spec::new("capture", 5050, "nc R2 PORT > r2.pcap")
}
.bulk();

/// A service with the memory of its sessions, whatever their type.
pub(crate) trait Service<W> {
    fn spec(&self) -> &'static Spec;
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

/// The sessions of one service, and how they are made. Every function is a type of its own, so that each service's
/// code is its own: no call goes through a pointer, and a session is made in its place.
struct Pool<'a, W, P: ?Sized, S, New, Part, Revision> {
    spec: &'static Spec,
    size: Size,
    sessions: &'a mut [Placed<W, P, S, Part>],
    new: New,
    revision: Revision,
}

/// A session that is handed its part of the world only.
struct Placed<W, P: ?Sized, S, Part> {
    session: S,
    part: Part,
    of: PhantomData<fn(&mut W) -> &mut P>,
}

impl<W, P, S, Part> Session<W> for Placed<W, P, S, Part>
where
    P: ?Sized,
    S: Session<P>,
    Part: Fn(&mut W) -> &mut P,
{
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

impl<W, P, S, New, Part, Revision> Service<W> for Pool<'_, W, P, S, New, Part, Revision>
where
    P: ?Sized,
    S: Session<P>,
    New: Fn() -> S,
    Part: Fn(&mut W) -> &mut P,
    Revision: Fn(&W) -> u32,
{
    fn spec(&self) -> &'static Spec {
        self.spec
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

/// Collects the services of a node, each with its memory: R2's own with [`serve_r2`](Self::serve_r2), any other with
/// [`serve`](Self::serve). [`Node::serving`](crate::Node::serving) takes it.
pub struct Registry<'a, 'm, W, M> {
    pub(crate) services: Services<'a, W>,
    pub(crate) storage: &'m mut M,
}

impl<'a, 'm, W: 'a, M: Storage<'a>> Registry<'a, 'm, W, M> {
    /// No service yet; the memory of those to come is taken from `storage`.
    pub const fn new(storage: &'m mut M) -> Self {
        Self {
            services: heapless::Vec::new(),
            storage,
        }
    }

    /// What is offered so far, in the order of registration.
    pub fn offers(&self) -> impl Iterator<Item = (Spec, Size)> {
        self.services
            .iter()
            .map(|service| (*service.spec(), service.size()))
    }

    /// Offers a service: `new` makes the session of a new connection, `part` is what sessions share, `revision`
    /// a number that changes when that has news for all of them (a constant where it never has).
    ///
    /// A size of 0 connections, and a service beyond [`SERVICES_MAX`], is not offered.
    pub fn serve<P: ?Sized + 'a, S: Session<P> + 'a>(
        &mut self,
        spec: &'static Spec,
        size: Size,
        new: impl Fn() -> S + Copy + 'a,
        part: impl Fn(&mut W) -> &mut P + Copy + 'a,
        revision: impl Fn(&W) -> u32 + 'a,
    ) {
        if size.connections == 0 || self.services.is_full() {
            return;
        }
        let sessions = self.storage.slice(size.connections, |_| Placed {
            session: new(),
            part,
            of: PhantomData,
        });
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

/// The part of the world for sessions that share nothing, or report on everything: all of it.
pub fn whole<W>(world: &mut W) -> &mut W {
    world
}

/// The revision of a world that never has news for every session of a service.
pub fn never<W>(_: &W) -> u32 {
    0
}

impl<'a, S: Store + 'a, M: Storage<'a>> Registry<'a, '_, World<'a, S>, M> {
    /// The table: offers every service of R2, as many connections of each as `plan` says.
    pub fn serve_r2(&mut self, plan: &Plan) {
        self.serve(
            &CHAT,
            plan.chat,
            chat::Peer::new,
            |w| &mut w.room,
            |w| w.room.revision(),
        );
        self.serve(&SECRET, plan.secret, secret::Secret::new, whole, never);
        self.serve(
            &DROP,
            plan.drop,
            drop::Deposit::new,
            |w| &mut w.store,
            |w| w.store.revision(),
        );
        self.serve(
            &FILES,
            plan.files,
            files::Files::new,
            |w| &mut w.store,
            |w| w.store.revision(),
        );
        self.serve(&STATUS, plan.status, status::Status::new, whole, never);
        self.serve(&ECHO, plan.echo, diag::echo::Echo::new, whole, never);
        self.serve(&DISCARD, plan.discard, diag::discard::Discard::new, whole, never);
        self.serve(&CHARGEN, plan.chargen, diag::chargen::Chargen::new, whole, never);
        #[cfg(feature = "capture")]
        self.serve(&CAPTURE, plan.capture, capture::Capture::new, whole, |w| {
            w.counters.captured
        });
    }
}
