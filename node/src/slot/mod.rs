//! One connection: its socket in a set of its own, its session, its deadline.

mod hand_in;
mod hear;
#[cfg(feature = "recovery")]
mod recovery;
mod turn;

use r2_core::session::{Over, Session};
use r2_core::time::{Duration, Instant};
#[cfg(feature = "call")]
use smoltcp::iface::Interface;
use smoltcp::iface::{SocketSet, SocketStorage};
use smoltcp::socket::AnySocket;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::{EthernetAddress, IpListenEndpoint};

pub(crate) use self::hear::{Taken, Taking};
#[cfg(feature = "recovery")]
pub(crate) use self::recovery::{Piece, Recovery};
pub(crate) use self::turn::{After, Tally, Turn};
use crate::config::Limits;
use crate::gate::{Flow, Sent};
use crate::service::Spec;

/// Where a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Listening for whoever comes next.
    Free,
    /// The handshake is under way.
    Opening,
    /// Established: the session is alive.
    Open {
        /// The session has been told of the peer's FIN.
        finished: bool,
    },
    /// The session is over, the socket is not: it sends what is left, then FIN or RST.
    Ended {
        /// The session was opened before.
        was_open: bool,
    },
}

impl Phase {
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Whether the session of the connection was opened, whatever has become of it.
    pub(crate) const fn was_open(self) -> bool {
        matches!(self, Self::Open { .. } | Self::Ended { was_open: true })
    }

    /// What follows when the session is over.
    const fn ended(self) -> Self {
        Self::Ended {
            was_open: self.was_open(),
        }
    }
}

/// A place for one connection of one service.
pub(crate) struct Slot<'a> {
    sockets: SocketSet<'a>,
    pub(crate) service: usize,
    /// Its place among the slots, and its session's place among those, of its service.
    pub(crate) place: usize,
    pub(crate) phase: Phase,
    pub(crate) flow: Option<Flow>,
    peer: EthernetAddress,
    pub(crate) sent: Sent,
    /// Without memory until the node gives it some.
    #[cfg(feature = "recovery")]
    pub(crate) recovery: Recovery<'a>,
    /// When a byte last moved, in either direction, or FIN was sent for want of any; while the connection opens, when it
    /// began.
    pub(crate) moved: Instant,
    /// When the peer was last heard. smoltcp's own time-out begins anew with bytes that are sent to a dead peer.
    heard: Instant,
    silent_after: Duration,
    /// When the peer's window was closed last.
    window_closed: Instant,
    /// Since when the peer's window is taken for a closed one, though it has a little room.
    hides_since: Instant,
    /// The sequence number of the first byte that the session has not taken.
    read: u32,
    /// The sequence number behind the peer's FIN, once that came.
    peer_fin: Option<u32>,
    /// Everything that was sent, and FIN, was acknowledged.
    delivered: bool,
    reset: bool,
    /// The next free slot of the service, or the next slot to be served.
    pub(crate) next: Option<u32>,
    pub(crate) queued: bool,
}

impl<'a> Slot<'a> {
    pub(crate) fn new(
        service: usize,
        place: usize,
        (spec, limits): (&Spec, &Limits),
        sockets: &'a mut [SocketStorage<'a>],
        receive: &'a mut [u8],
        transmit: &'a mut [u8],
    ) -> Self {
        let mut socket = Socket::new(SocketBuffer::new(receive), SocketBuffer::new(transmit));
        socket.set_nagle_enabled(!spec.interactive);
        socket.set_ack_delay(spec.ack_delay());
        let silent_after = spec.silent_after.unwrap_or(limits.silent_after);
        let silent = smoltcp::time::Duration::from_millis(silent_after.as_millis());
        // Five probes before the peer is given up: one lost probe or answer costs nothing.
        socket.set_keep_alive(Some(silent / 5));
        let mut sockets = SocketSet::new(sockets);
        sockets.add(socket);
        let mut slot = Self {
            sockets,
            service,
            place,
            phase: Phase::Free,
            flow: None,
            peer: EthernetAddress([0; 6]),
            sent: Sent::default(),
            #[cfg(feature = "recovery")]
            recovery: Recovery::default(),
            moved: Instant::default(),
            heard: Instant::default(),
            silent_after,
            window_closed: Instant::default(),
            hides_since: Instant::default(),
            read: 0,
            peer_fin: None,
            delivered: false,
            reset: false,
            next: None,
            queued: false,
        };
        slot.listen(spec);
        slot
    }

    /// How many bytes the socket has that are not acknowledged, sent or not.
    fn queued(&mut self) -> usize {
        self.with_socket(|socket| socket.send_queue()).unwrap_or(0)
    }

    /// The one socket.
    fn with_socket<R>(&mut self, f: impl FnOnce(&mut Socket<'a>) -> R) -> Option<R> {
        let (_, socket) = self.sockets.iter_mut().next()?;
        Socket::downcast_mut(socket).map(f)
    }

    pub(crate) fn state(&self) -> State {
        let socket = self
            .sockets
            .iter()
            .next()
            .and_then(|(_, socket)| Socket::downcast(socket));
        socket.map_or(State::Closed, Socket::state)
    }

    /// Whether this side has said everything, FIN included, and waits for its acknowledgement.
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.state(), State::FinWait1 | State::Closing | State::LastAck)
    }

    /// Listens for whoever comes next. Nothing of the last connection is left; no RST is sent.
    pub(crate) fn listen(&mut self, spec: &Spec) {
        let port = spec.port;
        self.with_socket(|socket| {
            socket.abort();
            // smoltcp keeps what the congestion control has learned of the last peer.
            socket.set_congestion_control(socket.congestion_control());
            // A port of 0 is a service that cannot be reached: nothing to be done about it here.
            let _ = socket.listen(IpListenEndpoint { addr: None, port });
        });
        (self.phase, self.flow) = (Phase::Free, None);
    }

    /// Calls `flow.remote`, whose Ethernet address is `peer`; whether the socket could.
    #[cfg(feature = "call")]
    pub(crate) fn connect(
        &mut self,
        flow: Flow,
        peer: EthernetAddress,
        interface: &mut Interface,
        now: Instant,
    ) -> bool {
        let connected = self.with_socket(|socket| {
            socket.abort();
            socket
                .connect(interface.context(), flow.remote, flow.local)
                .is_ok()
        });
        self.begin(flow, peer, 0, now);
        connected == Some(true)
    }

    /// A connection begins in this slot: `peer_next` is the sequence number behind the peer's SYN, if it sent one.
    pub(crate) fn begin(&mut self, flow: Flow, peer: EthernetAddress, peer_next: u32, now: Instant) {
        (self.flow, self.peer, self.phase) = (Some(flow), peer, Phase::Opening);
        (self.sent, self.read) = (Sent::new(peer_next), peer_next);
        (self.moved, self.heard, self.window_closed) = (now, now, now);
        (self.peer_fin, self.delivered, self.reset) = (None, false, false);
        #[cfg(feature = "recovery")]
        self.recovery.begin();
    }

    /// Tells the session that its connection is over, if that has not happened, and lets the socket close in
    /// order.
    pub(crate) fn end<W>(&mut self, session: &mut dyn Session<W>, how: Over, now: Instant, world: &mut W) {
        if self.phase.is_open() {
            session.over(now, how, world);
        }
        self.phase = self.phase.ended();
        self.moved = now;
        self.with_socket(|socket| match socket.state() {
            // smoltcp would take the acknowledgement of SYN for that of its FIN, and send none.
            State::SynReceived => socket.abort(),
            _ => socket.close(),
        });
    }

    /// Gives the connection up with RST. The session, if it is alive, hears `how`.
    pub(crate) fn abort<W>(&mut self, session: &mut dyn Session<W>, how: Over, now: Instant, world: &mut W) {
        self.end(session, how, now, world);
        self.with_socket(Socket::abort);
    }

    /// Gives up a connection whose time is over.
    pub(crate) fn give_up<W>(&mut self, session: &mut dyn Session<W>, now: Instant, world: &mut W) {
        let how = if self.delivered {
            Over::Delivered
        } else {
            Over::TimedOut
        };
        self.abort(session, how, now, world);
    }

    /// Puts `pieces`, `length` bytes in all, behind what waits to be sent, past the session. Whether they had room: if
    /// not, none of them is there.
    pub(crate) fn put_whole<const N: usize>(&mut self, length: usize, pieces: [&[u8]; N]) -> bool {
        let placed = self.with_socket(|socket| {
            let room = socket.send_capacity().saturating_sub(socket.send_queue());
            room >= length
                && pieces
                    .iter()
                    .all(|piece| socket.send_slice(piece) == Ok(piece.len()))
        });
        placed == Some(true)
    }

    /// Opens the session if the connection has just been established; whether it has.
    pub(crate) fn open<W>(&mut self, session: &mut dyn Session<W>, now: Instant, world: &mut W) -> bool {
        if self.phase != Phase::Opening {
            return false;
        }
        let established = match self.state() {
            State::Established | State::CloseWait => true,
            // It was, and RST came behind its first bytes, all in one burst: the bytes are the session's.
            State::Closed => self.with_socket(|socket| socket.recv_queue()) > Some(0),
            _ => false,
        };
        if !established {
            return false;
        }
        self.phase = Phase::Open { finished: false };
        #[cfg(feature = "recovery")]
        self.recovery.opened();
        session.opened(now, world);
        true
    }
}

/// The core's time of smoltcp's.
pub(crate) fn to_core(at: smoltcp::time::Instant) -> Instant {
    Instant::from_millis(at.total_millis().unsigned_abs())
}

/// smoltcp's time of the core's.
pub(crate) fn to_smoltcp(at: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_millis(i64::try_from(at.as_millis()).unwrap_or(i64::MAX))
}
