//! A slot's turn: bytes between socket and session, segments out, and a look at the clocks.

use r2_core::session::{Over, Session, Wants};
use r2_core::time::Instant;
use smoltcp::iface::{Interface, PollResult};
use smoltcp::phy::{Device, DeviceCapabilities, TxToken};
use smoltcp::socket::AnySocket;
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::wire::EthernetAddress;

use super::hear::is_half_closed;
use super::{Phase, Slot, to_core, to_smoltcp};
use crate::config::Limits;
use crate::counters::add;
use crate::deadline::earlier;
use crate::gate::{Bare, Flow};
use crate::limits::{ROUNDS_PER_TURN, SEGMENTS_PER_TURN};
use crate::wire::{Header, Outgoing, Outward};

/// What a turn needs beyond the slot.
pub(crate) struct Turn<'t, D: ?Sized, W> {
    pub(crate) interface: &'t mut Interface,
    /// The same without super-frames.
    #[cfg(feature = "recovery")]
    pub(crate) whole: &'t mut Interface,
    /// Where a segment is written before it is known whether it leaves.
    #[cfg(feature = "recovery")]
    pub(crate) scratch: &'t mut [u8],
    pub(crate) device: &'t mut D,
    pub(crate) capabilities: &'t DeviceCapabilities,
    pub(crate) limits: &'t Limits,
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

impl Slot<'_> {
    /// Gives the slot its turn: moves bytes between socket and session, sends, and looks at the clocks.
    pub(crate) fn serve<W, D: Device + ?Sized>(
        &mut self,
        session: &mut dyn Session<W>,
        turn: &mut Turn<'_, D, W>,
    ) -> After {
        let now = to_core(turn.now);
        self.look_at_clocks(session, turn, now);
        #[cfg(feature = "recovery")]
        self.look_for_losses(turn.now);
        if self.peer_fin.is_some() {
            self.take_fin(session, turn, now);
        }
        // All that the session says to what has come leaves together, in as few segments as hold it; what it says beyond that
        // leaves piece by piece, as it was written. News are taken once it has said something, and it is asked again: they may
        // make room, and a small window is shown if it holds all that is left.
        let (mut moves_on, mut sends_on, mut unsent) = (true, false, true);
        for _ in 0..ROUNDS_PER_TURN {
            moves_on = self.exchange(session, turn, now)
                || ((self.sent.has_news || self.sent.hides_room) && self.take_news(turn, now));
            unsent |= moves_on;
            if moves_on && self.has_unread() {
                continue;
            }
            if unsent {
                sends_on = self.send(turn);
                unsent = false;
            }
            if !moves_on || sends_on || turn.tally.congested {
                break;
            }
        }
        if unsent {
            sends_on = self.send(turn);
        }
        if let Some(free) = self.look_at_end(session, turn, now) {
            return free;
        }
        if moves_on || sends_on {
            return After::Again;
        }
        let socket_at = turn.interface.poll_at(turn.now, &self.sockets);
        let session_at = if self.phase.is_open() {
            session.poll_at()
        } else {
            None
        };
        let at = earlier(socket_at, session_at.map(to_smoltcp));
        #[cfg(feature = "recovery")]
        let at = earlier(at, self.recovers_at());
        let at = earlier(at, self.sends_a_little_at().map(to_smoltcp));
        After::Wait(earlier(at, self.clock(turn.limits).map(to_smoltcp)))
    }

    /// The node's own clock on this connection.
    fn clock(&self, limits: &Limits) -> Option<Instant> {
        // A live peer with a closed window answers probes that grow to a minute apart: no shorter time-out fits.
        let gone = if self.sent.window_is_closed() {
            self.window_closed + limits.closed_window_for
        } else {
            self.heard + self.silent_after
        };
        let own = match (self.phase, self.state()) {
            (Phase::Free, _) | (_, State::Closed | State::Listen) => return None,
            (Phase::Opening, _) => Some(self.moved + limits.establish_within),
            (_, State::FinWait2) => Some(self.moved + limits.half_closed_idle),
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
        if self.clock(turn.limits).is_some_and(|at| at <= now) {
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
        let finished = match self.phase {
            Phase::Open { finished } => finished,
            Phase::Ended { .. } => {
                self.discard();
                return false;
            }
            Phase::Free | Phase::Opening => return false,
        };
        let half_closed = is_half_closed(self.state());
        let Some(socket) = self
            .sockets
            .iter_mut()
            .next()
            .and_then(|(_, s)| Socket::downcast_mut(s))
        else {
            return false;
        };
        let taken = offer(socket, session, now, turn.world);
        self.read = advanced(self.read, taken);
        let ends = half_closed && !finished && socket.recv_queue() == 0;
        if ends {
            self.phase = Phase::Open { finished: true };
            session.finished(now, turn.world);
        }
        let filled = ask(socket, session, now, turn.world);
        let unacknowledged = socket.send_queue();
        self.obey(session, turn, half_closed, unacknowledged);
        add(&mut turn.tally.bytes_in, taken as u64);
        add(&mut turn.tally.bytes_out, filled as u64);
        let moved = taken > 0 || filled > 0 || ends;
        if moved {
            self.moved = now;
        }
        moved
    }

    /// Throws away what comes for a session that is over.
    fn discard(&mut self) {
        while let Some(Ok(n @ 1..)) = self.with_socket(|socket| socket.recv(|rx| (rx.len(), rx.len()))) {
            self.read = advanced(self.read, n);
        }
    }

    /// Does what the session wants now, of whose bytes so many are not acknowledged.
    fn obey<W, D: ?Sized>(
        &mut self,
        session: &mut dyn Session<W>,
        turn: &mut Turn<'_, D, W>,
        half_closed: bool,
        unacknowledged: usize,
    ) {
        match session.wants() {
            Wants::Nothing => {}
            // In answer to the peer's FIN ours waits until no window can hold up what is before it, and no loss: in
            // LAST-ACK smoltcp hears of no window that opens, and counts no duplicates (RFC 5681, section 3.2), of which
            // there are none where all is one segment.
            Wants::Close if half_closed && !self.sent.may_end_behind(unacknowledged) => {}
            Wants::Close => {
                self.with_socket(Socket::close);
            }
            Wants::Abort => self.abort(session, Over::Stopped, to_core(turn.now), turn.world),
        }
    }

    /// Whether bytes of the peer wait for the session.
    fn has_unread(&mut self) -> bool {
        self.with_socket(|socket| socket.recv_queue() > 0) == Some(true)
    }

    /// Sends what the socket has to send, within the segments of a turn; whether there may be more to send at once.
    // On a board it is beside the turn, not in it, which is smaller.
    #[cfg_attr(target_os = "none", inline(never))]
    fn send<W, D: Device + ?Sized>(&mut self, turn: &mut Turn<'_, D, W>) -> bool {
        if self.is_aborted() {
            self.send_rst(turn);
            return false;
        }
        let mut budget = SEGMENTS_PER_TURN;
        #[cfg(not(feature = "recovery"))]
        let sweeps = false;
        #[cfg(feature = "recovery")]
        let sweeps = self.sweep(turn);
        #[cfg(feature = "recovery")]
        if self.is_swept() {
            return sweeps;
        }
        #[cfg(feature = "recovery")]
        self.persist(turn);
        while budget > 0 {
            // smoltcp forgets what it is to repeat at once where it finds no room, so that is asked for first.
            let Some(token) = turn.device.transmit(turn.now) else {
                let wanted_at = turn.interface.poll_at(turn.now, &self.sockets);
                turn.tally.congested |= wanted_at.is_some_and(|at| at <= turn.now);
                break;
            };
            let mut outward = Outward {
                token: Some(token),
                header: Header {
                    ours: turn.ours,
                    peer: self.peer,
                    fill_checksum: turn.fill_checksum,
                    sent: &mut self.sent,
                },
                frames_out: &mut turn.tally.frames_out,
                capabilities: turn.capabilities,
            };
            if turn
                .interface
                .poll_egress(turn.now, &mut outward, &mut self.sockets)
                == PollResult::None
            {
                break;
            }
            budget = budget.saturating_sub(1);
            #[cfg(feature = "recovery")]
            self.note_what_left();
        }
        sweeps || budget == 0
    }

    /// Whether the connection was aborted, and the RST has not left yet.
    fn is_aborted(&mut self) -> bool {
        !self.phase.is_open()
            && self.state() == State::Closed
            && self.with_socket(|socket| socket.remote_endpoint().is_some()) == Some(true)
    }

    /// Sends the RST of an aborted connection, and forgets the connection. smoltcp would send the same; but what it was to
    /// repeat at once it would remember, and send so much to the slot's next peer, whatever the window.
    // As with `send`.
    #[cfg_attr(target_os = "none", inline(never))]
    fn send_rst<W, D: Device + ?Sized>(&mut self, turn: &mut Turn<'_, D, W>) {
        let Some(Flow { remote, local }) = self.flow else {
            return;
        };
        let Some(token) = turn.device.transmit(turn.now) else {
            turn.tally.congested = true;
            return;
        };
        let rst = Bare::new(local, remote, self.sent.next, self.sent.ack).with_rst();
        let outgoing = Outgoing {
            token,
            header: Some(Header {
                ours: turn.ours,
                peer: self.peer,
                fill_checksum: turn.fill_checksum,
                sent: &mut self.sent,
            }),
            frames_out: &mut turn.tally.frames_out,
        };
        outgoing.consume(rst.len(), |packet| {
            rst.write(packet, turn.capabilities);
        });
        // A socket that listens has forgotten everything.
        let _ = self.with_socket(|socket| socket.listen(local.port));
    }

    /// Notices that the connection has ended, tells the session how, and whether the slot may be used anew.
    fn look_at_end<W, D: ?Sized>(
        &mut self,
        session: &mut dyn Session<W>,
        turn: &mut Turn<'_, D, W>,
        now: Instant,
    ) -> Option<After> {
        let (state, unread) = self.with_socket(|socket| (socket.state(), socket.recv_queue()))?;
        let time_wait = match state {
            State::Closed => false,
            State::TimeWait => true,
            // RST in SYN-RECEIVED, or ours has left: smoltcp listens already.
            State::Listen => return Some(After::Free { time_wait: false }),
            _ => return None,
        };
        // In TIME-WAIT the session takes what has come before the FIN, and the FIN is acknowledged, first.
        if time_wait && (unread > 0 || self.peer_fin.is_some_and(|fin| fin != self.sent.ack)) {
            return None;
        }
        if self.phase.is_open() {
            let how = match (self.delivered, self.reset) {
                (true, _) => Over::Delivered,
                (false, true) => Over::Reset,
                (false, false) => Over::TimedOut,
            };
            session.over(now, how, turn.world);
        }
        self.phase = self.phase.ended();
        if self.is_aborted() {
            return None;
        }
        Some(After::Free { time_wait })
    }
}

/// Offers the session what has come, until it takes no more; how many bytes it took.
fn offer<W>(socket: &mut Socket<'_>, session: &mut dyn Session<W>, now: Instant, world: &mut W) -> usize {
    let mut taken = 0_usize;
    while socket.can_recv()
        && let Ok(n @ 1..) = socket.recv(|rx| both(session.receive(now, rx, world).min(rx.len())))
    {
        taken = taken.saturating_add(n);
    }
    taken
}

/// Asks the session what it has to say, until it fills no more, and at least once; how many bytes it filled.
fn ask<W>(socket: &mut Socket<'_>, session: &mut dyn Session<W>, now: Instant, world: &mut W) -> usize {
    if !socket.can_send() {
        session.transmit(now, &mut [], world);
        return 0;
    }
    let mut filled = 0_usize;
    while socket.can_send()
        && let Ok(n @ 1..) = socket.send(|tx| both(session.transmit(now, tx, world).min(tx.len())))
    {
        filled = filled.saturating_add(n);
    }
    filled
}

/// The sequence number `bytes` behind `seq`.
#[allow(clippy::cast_possible_truncation, reason = "sequence numbers wrap at 2^32")]
fn advanced(seq: u32, bytes: usize) -> u32 {
    seq.wrapping_add(bytes as u32)
}

fn both(n: usize) -> (usize, usize) {
    (n, n)
}
