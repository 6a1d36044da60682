//! A segment's first stop at its slot: whether it is believed, and what of it smoltcp is to see.

use r2_core::time::Instant;
use smoltcp::iface::Interface;
use smoltcp::phy::{DeviceCapabilities, TxToken};
use smoltcp::socket::tcp::State;
use smoltcp::wire::EthernetAddress;

use super::{Phase, Slot, to_core};
use crate::counters::Reason;
use crate::gate::{BARE_MAX, Bare, Flow, Segment, Sent, Shown, is_after};
use crate::wire::{Header, Inward};

/// What a segment is taken in with, beside the slot.
pub(crate) struct Taking<'t, T> {
    pub(crate) interface: &'t mut Interface,
    /// Where an immediate answer goes.
    pub(crate) answer: T,
    pub(crate) capabilities: &'t DeviceCapabilities,
    pub(crate) ours: EthernetAddress,
    pub(crate) fill_checksum: bool,
    /// Where a segment is written that smoltcp is to see changed.
    pub(crate) scratch: &'t mut [u8],
    pub(crate) now: smoltcp::time::Instant,
    pub(crate) frames_out: &'t mut u64,
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was heard: the slot is to have a turn.
    In,
    /// The same, though nothing of it counts: its sender was told what is expected.
    Answered(Reason),
    /// Nothing.
    Dropped(Reason),
}

/// What is to become of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// smoltcp has it as it came.
    Pass,
    /// smoltcp has it, changed so.
    Change(Shown),
    /// Nothing more: the slot knows what it says.
    Known,
    /// The peer is told what is expected: it has repeated something, or asks whether anybody is there.
    Answer,
    /// The same, since it lies beyond the window.
    Beyond,
    /// smoltcp has an acknowledgement of that, with that window, in its place.
    Acknowledge(u32, u16),
    /// The peer is asked whether it meant that.
    Challenge,
    /// Nothing.
    Drop,
}

impl Slot<'_> {
    /// Takes in a segment of this slot's connection: shows smoltcp what it is to see of it, and notes the rest.
    pub(crate) fn take<T: TxToken>(&mut self, segment: &Segment<'_>, taking: Taking<'_, T>) -> Taken {
        #[cfg(feature = "recovery")]
        self.recovery.look_at(taking.now);
        let mut question = [0; BARE_MAX];
        let verdict = self.judge(segment, to_core(taking.now));
        let (packet, taken) = match verdict {
            Verdict::Pass => (segment.packet, Taken::In),
            Verdict::Change(shown) => {
                let changed = shown.write(segment, taking.scratch);
                (changed.unwrap_or(segment.packet), Taken::In)
            }
            Verdict::Acknowledge(ack, window) => {
                let Flow { remote, local } = segment.flow;
                let bare = Bare::new(remote, local, self.read, ack).with_window(window);
                (bare.write(&mut question, taking.capabilities), Taken::In)
            }
            Verdict::Known => return Taken::In,
            Verdict::Drop => return Taken::Dropped(Reason::Challenged),
            Verdict::Answer | Verdict::Beyond | Verdict::Challenge => {
                let bare = self.question_to(segment, verdict == Verdict::Challenge);
                let taken = match verdict {
                    Verdict::Beyond => Taken::Answered(Reason::BeyondWindow),
                    Verdict::Challenge => Taken::Answered(Reason::Challenged),
                    _ => Taken::In,
                };
                (bare.write(&mut question, taking.capabilities), taken)
            }
        };
        let mut inward = Inward {
            received: Some(packet),
            answer: Some(taking.answer),
            header: Some(Header {
                ours: taking.ours,
                peer: self.peer,
                fill_checksum: taking.fill_checksum,
                sent: &mut self.sent,
            }),
            frames_out: taking.frames_out,
            capabilities: taking.capabilities,
        };
        let interface = taking.interface;
        interface.poll_ingress_single(taking.now, &mut inward, &mut self.sockets);
        self.behind(segment.rst);
        taken
    }

    /// What smoltcp is given in the place of a segment, so that it says what is expected next: at once, or, as a challenge,
    /// once a second at most (RFC 5961, section 7). It always answers bytes that it has, and it challenges an
    /// acknowledgement of what was never sent.
    fn question_to(&self, segment: &Segment<'_>, is_challenge: bool) -> Bare {
        let Sent { next, ack, .. } = self.sent;
        let Flow { remote, local } = segment.flow;
        if is_challenge {
            Bare::new(remote, local, ack, next.wrapping_add(1 << 30))
        } else {
            Bare::new(remote, local, ack.wrapping_sub(1), next).with_byte()
        }
    }

    /// Says what is to become of a segment, and notes what it says.
    ///
    /// Whoever knows what was sent last is the peer: only its Ethernet address is answered, and only it shows that the
    /// peer lives (RFC 5961, section 5.2).
    fn judge(&mut self, segment: &Segment<'_>, now: Instant) -> Verdict {
        let is_plain = !segment.rst && !segment.syn;
        let known = segment.ack.filter(|ack| is_plain && self.sent.knows(*ack));
        let Some(ack) = known else {
            return self.judge_stranger(segment, now);
        };
        if self.phase == Phase::Opening && self.state() == State::SynSent {
            return Verdict::Pass;
        }
        if self.sent.expects(segment) && !self.sent.is_old(ack) {
            (self.peer, self.heard) = (segment.from, now);
        }
        let is_taken = self.hear(segment, ack, now);
        if self.sent.overruns(segment) {
            self.sent.has_news = true;
            return Verdict::Beyond;
        }
        if segment.payload() == 0
            && let Some(verdict) = self.judge_empty(segment, ack)
        {
            return verdict;
        }
        let other = is_taken.then(|| self.show(segment, ack, now)).flatten();
        let payload = if segment.fin || self.peer_fin.is_some() {
            self.before_fin(segment)
        } else {
            segment.payload()
        };
        if other.is_none() && !segment.fin && payload == segment.payload() {
            return Verdict::Pass;
        }
        let (ack, window) = other.unwrap_or((ack, segment.window));
        Verdict::Change(Shown { ack, window, payload })
    }

    /// Records the acknowledgement `ack` and the window of a segment; whether smoltcp takes them.
    fn hear(&mut self, segment: &Segment<'_>, ack: u32, now: Instant) -> bool {
        if !self.sent.window_is_closed() {
            self.window_closed = now;
        }
        #[cfg(feature = "recovery")]
        let before = self.sent.heard();
        let is_taken = self.sent.hear(segment, ack);
        #[cfg(feature = "recovery")]
        self.recover_by(segment, before);
        is_taken
    }

    /// The acknowledgement and the window of a segment that smoltcp is to see, if they are others.
    fn show(&mut self, segment: &Segment<'_>, ack: u32, now: Instant) -> Option<(u32, u16)> {
        let hid = self.sent.hides_room;
        let shown = self.sent.show(segment, ack);
        if self.sent.hides_room && !hid {
            self.hides_since = now;
        }
        shown
    }

    /// Says what is to become of a segment without a payload, where that is clear.
    fn judge_empty(&mut self, segment: &Segment<'_>, ack: u32) -> Option<Verdict> {
        if segment.fin || segment.seq != self.sent.ack {
            let behind = self.expected()?.wrapping_sub(segment.seq).cast_signed();
            // A keep-alive or a FIN that is repeated: smoltcp answers one a second, challenges counted (RFC 9293, sections
            // 3.8.4 and 3.10.7.4).
            if behind == 1 || (behind > 1 && segment.fin) {
                self.sent.has_news = true;
                return Some(Verdict::Answer);
            }
        }
        if segment.fin {
            self.before_fin(segment);
            // What it acknowledges is handed in with it, unless it establishes the connection.
            let is_due = self.phase != Phase::Opening && self.bytes_behind_fin() == Some(0);
            return is_due.then_some(Verdict::Known);
        }
        // smoltcp would take three of these for a loss, find nothing to send again, and forget FIN's timer; and it would
        // send the slot's next peer a segment into whatever window (RFC 5681, section 2: a duplicate is one while data
        // are outstanding).
        let repeats = self.sent.is_old(ack)
            || (self.sent.lacks_only_fin(ack) && self.with_socket(|socket| socket.send_queue()) == Some(0));
        #[cfg(feature = "recovery")]
        let repeats = repeats || self.heard_twice();
        repeats.then_some(Verdict::Known)
    }

    /// How many bytes of a segment stand before the peer's FIN, which it may be that brings it. FIN stands where it stood
    /// first, unless bytes behind that have been taken already.
    fn before_fin(&mut self, segment: &Segment<'_>) -> usize {
        let fin = segment.end().wrapping_sub(1);
        if segment.fin && self.peer_fin.is_none() && self.expected().is_some_and(|next| !is_after(next, fin))
        {
            self.peer_fin = Some(segment.end());
        }
        let Some(end) = self.peer_fin else {
            return segment.payload();
        };
        let before = end.wrapping_sub(1).wrapping_sub(segment.seq).cast_signed();
        usize::try_from(before).unwrap_or(0).min(segment.payload())
    }

    /// How many bytes smoltcp has taken that stand behind the peer's FIN, less than 0 where some before it are missing;
    /// `None` where no FIN has come, or smoltcp has it, or does not want it.
    pub(super) fn bytes_behind_fin(&mut self) -> Option<i32> {
        let fin = self.peer_fin?.wrapping_sub(1);
        let wants_it = matches!(
            self.state(),
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2
        );
        let taken = self.expected().filter(|_| wants_it)?;
        Some(taken.wrapping_sub(fin).cast_signed())
    }

    /// The sequence number that is expected next. The last acknowledgement may lie before it.
    pub(super) fn expected(&mut self) -> Option<u32> {
        let waiting = u32::try_from(self.with_socket(|socket| socket.recv_queue())?).ok()?;
        let fin = u32::from(is_half_closed(self.state()));
        Some(self.read.wrapping_add(waiting).wrapping_add(fin))
    }

    /// Says what is to become of RST, SYN, and whatever acknowledges nothing that is known. They may come from anybody
    /// who guesses the ports of a connection: an RST ends it with the very sequence number that is expected next, and a
    /// SYN never does. The true peer, if it has forgotten the connection, answers the challenge ACK with that RST (RFC
    /// 5961, sections 3.2 and 4.2). Nor is who acknowledges what was never sent believed, or what was sent long ago (RFC
    /// 9293, section 3.10.7.4; RFC 5961, section 5.2).
    fn judge_stranger(&mut self, segment: &Segment<'_>, now: Instant) -> Verdict {
        let state = self.state();
        if state == State::SynSent {
            return self.judge_answer(segment, now);
        }
        let synchronized = !matches!(state, State::Closed | State::Listen | State::SynReceived);
        if segment.rst {
            return if self.expected() == Some(segment.seq) {
                as_rst(segment)
            } else if synchronized && self.sent.expects(segment) {
                Verdict::Challenge
            } else {
                Verdict::Drop
            };
        }
        if segment.syn && state == State::Listen {
            self.sent.meet(segment);
        }
        if segment.syn && state == State::SynReceived {
            return self.judge_repeated_syn(segment, now);
        }
        match segment.ack {
            // Every segment but the first is an acknowledgement.
            None if !segment.syn => Verdict::Drop,
            _ if synchronized => Verdict::Challenge,
            _ => Verdict::Pass,
        }
    }

    /// Says what is to become of a SYN where one has come before, and R2's own has left.
    fn judge_repeated_syn(&mut self, segment: &Segment<'_>, now: Instant) -> Verdict {
        if segment.first() != self.read {
            // Its sender has begun anew. If it is the peer, it resets what it has forgotten.
            return Verdict::Answer;
        }
        match segment.ack.filter(|ack| *ack == self.sent.next) {
            // Two SYNs have crossed, and the peer repeats its own beside the acknowledgement, as R2 does (RFC 9293, section
            // 3.5). smoltcp would challenge it.
            Some(ack) => {
                self.heard = now;
                self.hear(segment, ack, now);
                let (ack, window) = self.sent.tell();
                Verdict::Acknowledge(ack, window)
            }
            None => Verdict::Pass,
        }
    }

    /// Says what is to become of an answer to our SYN.
    fn judge_answer(&mut self, segment: &Segment<'_>, now: Instant) -> Verdict {
        // It has not left: nobody can know of it, and smoltcp would subtract a window that was never shown.
        if !self.sent.waits() {
            return Verdict::Drop;
        }
        if segment.rst {
            return as_rst(segment);
        }
        if segment.syn {
            self.sent.meet(segment);
            self.read = segment.first();
        }
        if segment.syn
            && let Some(ack) = segment.ack.filter(|ack| self.sent.knows(*ack))
        {
            self.heard = now;
            self.hear(segment, ack, now);
        }
        Verdict::Pass
    }

    /// Looks at what smoltcp made of a segment, which may be an RST.
    pub(super) fn behind(&mut self, rst: bool) {
        match self.state() {
            State::Closed if rst => self.reset = true,
            State::Closed | State::FinWait2 | State::TimeWait => self.delivered = true,
            _ => {}
        }
    }
}

/// Whether smoltcp has had the peer's FIN.
pub(super) fn is_half_closed(state: State) -> bool {
    matches!(
        state,
        State::CloseWait | State::LastAck | State::Closing | State::TimeWait
    )
}

/// An RST, without a FIN beside it, which smoltcp does not bear.
fn as_rst(segment: &Segment<'_>) -> Verdict {
    Verdict::Change(Shown {
        ack: segment.ack.unwrap_or(0),
        window: segment.window,
        payload: segment.payload(),
    })
}
