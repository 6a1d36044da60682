//! The sweep: smoltcp says everything again that is under way, and only what is wanted leaves.

use smoltcp::iface::PollResult;
use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, TxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpPacket;

use super::Recovery;
use crate::gate::is_after;
use crate::limits::SWEPT_PER_TURN;
use crate::slot::{Slot, Turn};
use crate::wire::{Header, Nowhere, Outgoing, Outward, Packet, tcp_of};

/// Later than any time-out of smoltcp's: they are of 60 s at most.
pub(super) const AFTER_EVERY_TIME_OUT: Duration = Duration::from_secs(61);

impl Recovery<'_> {
    /// Whether smoltcp is to say everything again, or is about to.
    fn is_due(&self) -> bool {
        !self.board.is_empty() && (self.wants || self.rewinds || self.sweeping)
    }

    fn begin_sweep(&mut self) {
        (self.sweeping, self.rewinds, self.repeated) = (true, false, false);
        self.armed = self.now;
        self.stamp = self.stamp.saturating_add(1).max(self.now);
    }

    /// smoltcp has said everything again, or says no more. What was not wanted by then waits for the next sweep, or for the
    /// time-out where this one has repeated nothing.
    fn end_sweep(&mut self) {
        self.sweeping = false;
        self.wants = false;
        for piece in self.board.pieces_mut() {
            piece.wanted &= self.repeated;
            self.wants |= piece.wanted;
        }
    }

    /// Whether the segment from `seq` to `end` leaves, which smoltcp says in a sweep. One with news for the peer does: smoltcp
    /// believes that its acknowledgement and window were sent.
    fn lets_through(&mut self, seq: u32, end: u32, has_news: bool) -> bool {
        if seq == end {
            return true;
        }
        let last = self.board.end();
        let is_wanted = self.board.repeat(seq, end, self.stamp);
        self.repeated |= is_wanted;
        if !is_after(last, end) {
            self.end_sweep();
        }
        is_wanted || has_news || is_after(end, last)
    }
}

impl Slot<'_> {
    /// Repeats what is wanted, as far as the device has room; whether anything was said. It is said in segments, not in
    /// super-frames, and Nagle's algorithm would hold up the last one, which is shorter.
    pub(in crate::slot) fn sweep<W, D: Device + ?Sized>(&mut self, turn: &mut Turn<'_, D, W>) -> bool {
        if !self.recovery.is_due() {
            return false;
        }
        let delays = self.with_socket(|socket| {
            let delays = socket.nagle_enabled();
            socket.set_nagle_enabled(false);
            delays
        });
        if !self.recovery.sweeping {
            self.rewind(turn);
        }
        let mut swept = 0_usize;
        while self.recovery.sweeping && swept < SWEPT_PER_TURN {
            if !self.sweep_once(turn) {
                break;
            }
            swept = swept.saturating_add(1);
        }
        self.with_socket(|socket| socket.set_nagle_enabled(delays.unwrap_or(false)));
        self.note_what_left();
        swept > 0
    }

    /// Whether a sweep was cut: nothing else may leave before it has gone on.
    pub(in crate::slot) fn is_swept(&self) -> bool {
        self.recovery.sweeping
    }

    /// Lets smoltcp's timer run out at a moment when it has no room to send: it begins with the first byte under way then, and
    /// remembers nothing of that moment.
    fn rewind<W, D: Device + ?Sized>(&mut self, turn: &mut Turn<'_, D, W>) {
        self.recovery.begin_sweep();
        let mut nowhere = Outward::<Nowhere> {
            token: None,
            header: Header {
                ours: turn.ours,
                peer: self.peer,
                fill_checksum: turn.fill_checksum,
                sent: &mut self.sent,
            },
            frames_out: &mut turn.tally.frames_out,
            capabilities: turn.capabilities,
        };
        turn.whole
            .poll_egress(turn.now + AFTER_EVERY_TIME_OUT, &mut nowhere, &mut self.sockets);
    }

    /// Has smoltcp say its next segment; whether it did.
    fn sweep_once<W, D: Device + ?Sized>(&mut self, turn: &mut Turn<'_, D, W>) -> bool {
        let Some(token) = turn.device.transmit(turn.now) else {
            turn.tally.congested = true;
            return false;
        };
        let mut device = Sweep {
            outward: Outward {
                token: Some(token),
                header: Header {
                    ours: turn.ours,
                    peer: self.peer,
                    fill_checksum: turn.fill_checksum,
                    sent: &mut self.sent,
                },
                frames_out: &mut turn.tally.frames_out,
                capabilities: turn.capabilities,
            },
            recovery: &mut self.recovery,
            room: &mut *turn.scratch,
        };
        match turn.whole.poll_egress(turn.now, &mut device, &mut self.sockets) {
            PollResult::None => {
                self.recovery.end_sweep();
                false
            }
            PollResult::SocketStateChanged => true,
        }
    }
}

/// A device to say one segment to.
struct Sweep<'h, 's, 'r, 'a, T> {
    outward: Outward<'h, 's, T>,
    recovery: &'r mut Recovery<'a>,
    /// Where the segment is written before it is known whether it leaves.
    room: &'r mut [u8],
}

impl<'a, T: TxToken> Device for Sweep<'_, '_, '_, 'a, T> {
    type RxToken<'b>
        = Packet<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Said<'b, 'a, T>
    where
        Self: 'b;

    fn receive(&mut self, _: Instant) -> Option<(Packet<'_>, Said<'_, 'a, T>)> {
        None
    }

    fn transmit(&mut self, now: Instant) -> Option<Said<'_, 'a, T>> {
        Some(Said {
            outgoing: self.outward.transmit(now)?,
            recovery: self.recovery,
            room: self.room,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.outward.capabilities()
    }
}

/// Room for a packet that leaves if it is wanted.
struct Said<'b, 'a, T> {
    outgoing: Outgoing<'b, T>,
    recovery: &'b mut Recovery<'a>,
    room: &'b mut [u8],
}

impl<T: TxToken> TxToken for Said<'_, '_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        // There is room for the longest frame.
        let Some(packet) = self.room.get_mut(..len) else {
            return self.outgoing.consume(len, f);
        };
        let result = f(packet);
        let leaves = match tcp_of(packet) {
            Some((segment, ..)) => {
                let tcp = TcpPacket::new_unchecked(&*segment);
                let header = self.outgoing.header.as_ref();
                let has_news = header.is_some_and(|header| header.sent.has_news(&tcp));
                let seq = tcp.seq_number();
                let end = seq + tcp.segment_len();
                self.recovery
                    .lets_through(seq.0.cast_unsigned(), end.0.cast_unsigned(), has_news)
            }
            None => true,
        };
        if leaves {
            self.outgoing.consume(len, |frame| {
                for (to, from) in frame.iter_mut().zip(&*packet) {
                    *to = *from;
                }
            });
        }
        result
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.outgoing.set_meta(meta);
    }
}
