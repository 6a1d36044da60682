//! One connection: its socket in a set of its own, its session, its deadline.

use r2_core::session::{Over, Session, Wants};
use r2_core::time::{Duration, Instant};
use smoltcp::iface::{Interface, PollResult, SocketSet, SocketStorage};
use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::socket::AnySocket;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::{EthernetAddress, IpListenEndpoint, TcpOption, TcpPacket};

use crate::gate::{Flow, Segment};
use crate::limits::{
    CLOSED_WINDOW_FOR, ESTABLISH_WITHIN, HALF_CLOSED_IDLE, ROUNDS_PER_TURN, SEGMENTS_PER_TURN,
};
use crate::service::Spec;
use crate::wire::{Header, Outward};

/// Where a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Listening for whoever comes next.
    Free,
    /// The handshake is under way.
    Opening,
    /// Established: the session is alive.
    Open,
    /// The session is over, the socket is not: it sends what is left, then FIN or RST.
    Ended,
}

/// A place for one connection of one service.
pub(crate) struct Slot<'a> {
    sockets: SocketSet<'a>,
    pub(crate) service: usize,
    /// Its place among the slots, and its session's place among those, of its service.
    pub(crate) place: usize,
    pub(crate) phase: Phase,
    pub(crate) flow: Option<Flow>,
    pub(crate) peer: EthernetAddress,
    pub(crate) sent: Sent,
    /// Since when the connection exists: its SYN.
    pub(crate) since: Instant,
    /// When a byte last moved, in either direction, or FIN was sent for want of any.
    pub(crate) moved: Instant,
    /// When the peer was last heard. smoltcp's own time-out begins anew with bytes that are sent to a dead peer.
    heard: Instant,
    silent_after: Duration,
    /// Since when the peer's window is closed.
    window_closed: Option<Instant>,
    /// The sequence number behind the peer's FIN, once that came.
    peer_fin: Option<u32>,
    /// The session has been told of the peer's FIN.
    finished: bool,
    /// Everything that was sent, and FIN, was acknowledged.
    delivered: bool,
    reset: bool,
    /// The session was opened.
    pub(crate) opened: bool,
    /// The next free slot of the service, or the next slot to be served.
    pub(crate) next: Option<u32>,
    pub(crate) queued: bool,
}

/// What the gate noted of the segments that the slot sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// The highest sequence number sent, and one.
    pub(crate) next: u32,
    /// The last acknowledgement.
    pub(crate) ack: u32,
    /// The first sequence number that smoltcp would cut off.
    right_edge: u32,
    shift: u8,
    /// The last window came with SYN: smoltcp remembers it scaled though it was not (RFC 7323, section 2.2).
    unscaled: bool,
    window_closed: bool,
}

impl Sent {
    fn new(peer_next: u32) -> Self {
        Self {
            ack: peer_next,
            right_edge: peer_next,
            ..Self::default()
        }
    }

    /// Notes a segment on its way out.
    ///
    /// Keep-alives and window probes carry a window that smoltcp does not remember; they are one byte that was
    /// sent before, or one byte into a closed window.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a segment is shorter than 2^32 bytes"
    )]
    pub(crate) fn note(&mut self, tcp: &TcpPacket<&[u8]>) {
        let seq = tcp.seq_number().0.cast_unsigned();
        let end = seq.wrapping_add(tcp.segment_len() as u32);
        if tcp.syn() {
            self.shift = window_scale(tcp.options()).unwrap_or(0);
            self.next = end;
        }
        let fresh = is_after(end, self.next);
        let one_byte = tcp.segment_len() == 1 && !tcp.syn() && !tcp.fin();
        if !one_byte || (fresh && !self.window_closed) {
            self.ack = tcp.ack_number().0.cast_unsigned();
            let shift = if tcp.syn() { 0 } else { self.shift };
            self.right_edge = self.ack.wrapping_add(u32::from(tcp.window_len()) << shift);
            self.unscaled = tcp.syn();
        }
        if fresh {
            self.next = end;
        }
    }

    /// Whether smoltcp would cut the segment at the window's edge and still accept its FIN, or accept bytes for
    /// which it has no room.
    pub(crate) fn overruns(&self, segment: &Segment<'_>) -> bool {
        (segment.fin || self.unscaled) && is_after(segment.end(), self.right_edge)
    }

    /// Whether the segment begins inside the window, or just before it as a keep-alive does.
    fn expects(&self, segment: &Segment<'_>) -> bool {
        !is_after(self.ack.wrapping_sub(1), segment.seq) && !is_after(segment.seq, self.right_edge)
    }
}

/// Whether sequence number `a` comes after `b` (RFC 9293, section 3.4).
pub(crate) fn is_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

fn window_scale(mut options: &[u8]) -> Option<u8> {
    while !options.is_empty() {
        let (rest, option) = TcpOption::parse(options).ok()?;
        match option {
            TcpOption::WindowScale(shift) => return Some(shift.min(14)),
            TcpOption::EndOfList => return None,
            _ => options = rest,
        }
    }
    None
}

/// What a turn needs beyond the slot.
pub(crate) struct Turn<'t, D: ?Sized, W> {
    pub(crate) interface: &'t mut Interface,
    pub(crate) device: &'t mut D,
    pub(crate) capabilities: &'t DeviceCapabilities,
    pub(crate) ours: EthernetAddress,
    pub(crate) fill_checksum: bool,
    pub(crate) now: smoltcp::time::Instant,
    pub(crate) world: &'t mut W,
    pub(crate) tally: Tally,
}

/// What a turn moved.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) frames_out: u64,
    /// The device had no room.
    pub(crate) congested: bool,
}

/// What is next for a slot after its turn.
pub(crate) enum After {
    /// Nothing before that time, if any.
    Wait(Option<smoltcp::time::Instant>),
    /// There is more to do at once.
    Again,
    /// The connection is over; the slot may listen again. Its last acknowledgement and FIN may need repeating.
    Free {
        /// Whether this side is the one that has to remember the connection (TIME-WAIT).
        time_wait: bool,
    },
}

impl<'a> Slot<'a> {
    pub(crate) fn new(
        service: usize,
        place: usize,
        spec: &Spec,
        sockets: &'a mut [SocketStorage<'a>],
        receive: &'a mut [u8],
        transmit: &'a mut [u8],
    ) -> Self {
        let mut socket = Socket::new(SocketBuffer::new(receive), SocketBuffer::new(transmit));
        socket.set_nagle_enabled(!spec.interactive);
        socket.set_ack_delay(spec.ack_delay());
        let silent = smoltcp::time::Duration::from_millis(spec.silent_after.as_millis());
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
            since: Instant::default(),
            moved: Instant::default(),
            heard: Instant::default(),
            silent_after: spec.silent_after,
            window_closed: None,
            peer_fin: None,
            finished: false,
            delivered: false,
            reset: false,
            opened: false,
            next: None,
            queued: false,
        };
        slot.listen(spec);
        slot
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
            // A port of 0 is a service that cannot be reached: nothing to be done about it here.
            let _ = socket.listen(IpListenEndpoint { addr: None, port });
        });
        (self.phase, self.flow) = (Phase::Free, None);
    }

    /// Calls `flow.remote`, whose Ethernet address is `peer`; whether the socket could.
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
        self.sent = Sent::new(peer_next);
        (self.since, self.moved, self.heard) = (now, now, now);
        self.window_closed = None;
        (self.peer_fin, self.finished, self.delivered, self.reset) = (None, false, false, false);
        self.opened = false;
    }

    pub(crate) fn sockets(&mut self) -> &mut SocketSet<'a> {
        &mut self.sockets
    }

    /// Looks at a segment before smoltcp does.
    pub(crate) fn before(&mut self, segment: &Segment<'_>, now: Instant) {
        if self.state() == State::SynSent {
            self.sent.ack = segment.end();
            self.sent.right_edge = segment.end();
        }
        if self.sent.expects(segment) {
            (self.peer, self.heard) = (segment.from, now);
        }
        if segment.fin {
            self.peer_fin = Some(segment.end());
        }
        if segment.ack && !segment.rst {
            self.note_window(segment.window == 0, now);
        }
    }

    /// Looks at what smoltcp made of a segment.
    pub(crate) fn behind(&mut self, segment: &Segment<'_>) {
        match self.state() {
            State::Closed if segment.rst => self.reset = true,
            State::Closed | State::FinWait2 | State::TimeWait => self.delivered = true,
            _ => {}
        }
    }

    fn note_window(&mut self, closed: bool, now: Instant) {
        self.sent.window_closed = closed;
        if closed != self.window_closed.is_some() {
            self.window_closed = closed.then_some(now);
        }
    }

    /// Tells the session that its connection is over, if that has not happened, and lets the socket close in
    /// order.
    pub(crate) fn end<W>(&mut self, session: &mut dyn Session<W>, how: Over, now: Instant, world: &mut W) {
        if self.phase == Phase::Open {
            session.over(now, how, world);
        }
        self.phase = Phase::Ended;
        self.moved = now;
        self.with_socket(Socket::close);
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

    /// Opens the session if the connection has just been established; whether it has.
    pub(crate) fn open<W>(&mut self, session: &mut dyn Session<W>, now: Instant, world: &mut W) -> bool {
        let established = matches!(self.state(), State::Established | State::CloseWait);
        if self.phase != Phase::Opening || !established {
            return false;
        }
        (self.phase, self.opened) = (Phase::Open, true);
        session.opened(now, world);
        true
    }

    /// Gives the slot its turn: moves bytes between socket and session, sends, and looks at the clocks.
    pub(crate) fn serve<W, D: Device + ?Sized>(
        &mut self,
        session: &mut dyn Session<W>,
        turn: &mut Turn<'_, D, W>,
    ) -> After {
        let now = to_core(turn.now);
        let mut budget = SEGMENTS_PER_TURN;
        self.look_at_clocks(session, turn, now);
        for _ in 0..ROUNDS_PER_TURN {
            let moved = self.exchange(session, turn, now);
            let sent = self.send(turn, &mut budget);
            if turn.tally.congested || budget == 0 || !(moved || sent) {
                break;
            }
        }
        if let Some(free) = self.look_at_end(session, turn, now) {
            return free;
        }
        if budget == 0 {
            return After::Again;
        }
        let socket_at = turn.interface.poll_at(turn.now, &self.sockets);
        let session_at = if self.phase == Phase::Open {
            session.poll_at()
        } else {
            None
        };
        let at = [
            socket_at,
            session_at.map(to_smoltcp),
            self.clock().map(to_smoltcp),
        ];
        After::Wait(at.into_iter().flatten().min())
    }

    /// The node's own clock on this connection.
    fn clock(&self) -> Option<Instant> {
        // A live peer with a closed window answers probes that grow to a minute apart: no shorter time-out fits.
        let gone = match self.window_closed {
            Some(since) => since + CLOSED_WINDOW_FOR,
            None => self.heard + self.silent_after,
        };
        let own = match (self.phase, self.state()) {
            (Phase::Free, _) | (_, State::Closed | State::Listen) => return None,
            (Phase::Opening, _) => Some(self.since + ESTABLISH_WITHIN),
            (_, State::FinWait2) => Some(self.moved + HALF_CLOSED_IDLE),
            _ => None,
        };
        Some(own.map_or(gone, |own| gone.min(own)))
    }

    fn look_at_clocks<W, D: ?Sized>(
        &mut self,
        session: &mut dyn Session<W>,
        turn: &mut Turn<'_, D, W>,
        now: Instant,
    ) {
        if self.clock().is_some_and(|at| at <= now) {
            self.give_up(session, now, turn.world);
        }
    }

    /// Moves bytes between the socket's buffers and the session; whether any moved.
    fn exchange<W, D: ?Sized>(
        &mut self,
        session: &mut dyn Session<W>,
        turn: &mut Turn<'_, D, W>,
        now: Instant,
    ) -> bool {
        let state = self.state();
        match self.phase {
            Phase::Open => {}
            Phase::Ended => {
                self.with_socket(
                    |socket| while socket.recv(|rx| (rx.len(), rx.len())).is_ok_and(|n| n > 0) {},
                );
                return false;
            }
            Phase::Free | Phase::Opening => return false,
        }
        let (finished, world) = (&mut self.finished, &mut *turn.world);
        let Some(socket) = self
            .sockets
            .iter_mut()
            .next()
            .and_then(|(_, s)| Socket::downcast_mut(s))
        else {
            return false;
        };
        let mut taken = 0;
        while socket.can_recv() {
            let n = socket
                .recv(|rx| both(session.receive(now, rx, world).min(rx.len())))
                .unwrap_or(0);
            taken += n;
            if n == 0 {
                break;
            }
        }
        let half_closed = matches!(
            state,
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait
        );
        let mut moved = taken > 0;
        if half_closed && !*finished && socket.recv_queue() == 0 {
            *finished = true;
            moved = true;
            session.finished(now, world);
        }
        let mut filled = 0;
        let mut asked = false;
        while socket.can_send() {
            asked = true;
            let n = socket
                .send(|tx| both(session.transmit(now, tx, world).min(tx.len())))
                .unwrap_or(0);
            filled += n;
            if n == 0 {
                break;
            }
        }
        if !asked {
            session.transmit(now, &mut [], world);
        }
        moved |= filled > 0;
        match session.wants() {
            Wants::Nothing => {}
            Wants::Close => socket.close(),
            Wants::Abort => self.abort(session, Over::Stopped, now, turn.world),
        }
        turn.tally.bytes_in += taken as u64;
        turn.tally.bytes_out += filled as u64;
        if moved {
            self.moved = now;
        }
        moved
    }

    /// Sends what the socket has to send, within `budget` segments; whether anything was sent.
    fn send<W, D: Device + ?Sized>(&mut self, turn: &mut Turn<'_, D, W>, budget: &mut usize) -> bool {
        let mut header = Header {
            ours: turn.ours,
            peer: self.peer,
            fill_checksum: turn.fill_checksum,
            sent: &mut self.sent,
            frames_out: &mut turn.tally.frames_out,
        };
        let capabilities = turn.capabilities;
        let mut outward = Outward {
            device: turn.device,
            header: &mut header,
            capabilities,
            exhausted: false,
        };
        let mut sent = false;
        while *budget > 0 {
            match turn
                .interface
                .poll_egress(turn.now, &mut outward, &mut self.sockets)
            {
                PollResult::None => break,
                PollResult::SocketStateChanged => sent = true,
            }
            *budget -= 1;
        }
        turn.tally.congested |= outward.exhausted;
        sent
    }

    /// Notices that the connection has ended, tells the session how, and whether the slot may be used anew.
    fn look_at_end<W, D: ?Sized>(
        &mut self,
        session: &mut dyn Session<W>,
        turn: &mut Turn<'_, D, W>,
        now: Instant,
    ) -> Option<After> {
        let (state, pending) = self.with_socket(|socket| {
            (
                socket.state(),
                (socket.remote_endpoint().is_some(), socket.recv_queue()),
            )
        })?;
        let (talks, unread) = pending;
        let time_wait = match state {
            State::Closed => false,
            State::TimeWait => true,
            // RST in SYN-RECEIVED: smoltcp listens already.
            State::Listen => return Some(After::Free { time_wait: false }),
            _ => return None,
        };
        // In TIME-WAIT the session takes what has come before the FIN, and the FIN is acknowledged, first.
        if time_wait && (unread > 0 || self.peer_fin.is_some_and(|fin| fin != self.sent.ack)) {
            return None;
        }
        if self.phase == Phase::Open {
            let how = match (self.delivered, self.reset) {
                (true, _) => Over::Delivered,
                (false, true) => Over::Reset,
                (false, false) => Over::TimedOut,
            };
            session.over(now, how, turn.world);
        }
        self.phase = Phase::Ended;
        // Aborted, and the RST has not left yet.
        if state == State::Closed && talks {
            return None;
        }
        Some(After::Free { time_wait })
    }
}

fn both(n: usize) -> (usize, usize) {
    (n, n)
}

/// The core's time of smoltcp's.
pub(crate) fn to_core(at: smoltcp::time::Instant) -> Instant {
    Instant::from_millis(at.total_millis().unsigned_abs())
}

/// smoltcp's time of the core's.
pub(crate) fn to_smoltcp(at: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_millis(i64::try_from(at.as_millis()).unwrap_or(i64::MAX))
}
