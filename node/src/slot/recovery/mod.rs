//! Loss recovery beside smoltcp, which repeats one segment at the third duplicate acknowledgement, takes no notice of SACK,
//! and then waits for a second or longer.
//!
//! The slot sees every segment before and behind its socket. It keeps a [scoreboard] of what is under way, reads
//! SACK (RFC 2018) in what the peer says, finds what is lost by time (RACK, RFC 8985, section 6), asks for a silent tail
//! with a probe (TLP, section 7), and has a time-out of its own (RFC 6298) that is shorter than smoltcp's. smoltcp's ring
//! keeps the only copy of the bytes: the [sweep] has it send everything from the first byte that is not acknowledged, and
//! lets only the holes leave. So all holes of a round trip are repaired in one.
//!
//! Without memory for a scoreboard everything is as smoltcp does it.

mod beside;
mod news;
mod persist;
mod scoreboard;
mod sweep;
#[cfg(test)]
mod tests;

use self::news::{News, blocks, is_later};
use self::persist::Persist;
pub(crate) use self::scoreboard::Piece;
use self::scoreboard::Scoreboard;
use crate::gate::is_after;

/// The least time-out, in microseconds: longer than kernels delay an acknowledgement, far shorter than the second of RFC
/// 6298, section 2.4, since a probe and RACK find most losses before.
const LEAST_TIME_OUT: i64 = 200_000;

/// The time-out before a round trip was measured (RFC 6298, section 2.1).
const FIRST_TIME_OUT: i64 = 1_000_000;

/// The longest time-out (RFC 6298, section 2.5).
const LONGEST_TIME_OUT: i64 = 60_000_000;

/// How long a probe of a tail waits beyond two round trips: for the clocks of both sides, and for a peer that delays its
/// acknowledgement of one segment, by 40 ms where it is Linux (RFC 8985, section 7.2).
const PROBE_SLACK: i64 = 2_000;
const DELAYED_BY: i64 = 45_000;

/// After how long at most smoltcp is rewound, so that its own timer, of a second at least, never runs out.
const REWIND_AFTER: i64 = 900_000;

/// How many duplicate acknowledgements mean a loss (RFC 5681, section 3.2; RFC 8985, section 6.2).
const DUPLICATES: u32 = 3;

/// How many fourths of the least round trip RACK's window has at most, and for how many recoveries it keeps its size (RFC
/// 8985, section 6.2).
const WIDEST_WINDOW: i64 = 16;
const WINDOW_LASTS: u8 = 16;

/// What a connection has under way, and how it is doing. Times are in microseconds of the node's clock.
#[derive(Debug, Default)]
pub(crate) struct Recovery<'a> {
    board: Scoreboard<'a>,
    now: i64,
    /// When something left last: what is repeated later at one time counts as later, so that RACK knows their order.
    stamp: i64,
    /// When SYN left, if once; whether again.
    syn_at: Option<i64>,
    syn_again: bool,
    /// SRTT and RTTVAR of RFC 6298, section 2, once a round trip was measured, and the least round trip.
    srtt: Option<i64>,
    rttvar: i64,
    least: i64,
    /// RACK's segment: when it left and where it ends; and its round trip (RFC 8985, section 5.2).
    rack: Option<(i64, u32)>,
    rack_rtt: i64,
    /// The sequence number behind all that has arrived (RACK.fack).
    foremost: u32,
    /// Whether segments have overtaken each other, RACK's window in fourths of the least round trip, and for how many
    /// recoveries it stays so wide.
    overtakes: bool,
    window: i64,
    window_lasts: u8,
    /// When what was sent before RACK's segment is taken for lost.
    lost_at: Option<i64>,
    /// Behind what was under way when a loss was found: until it is acknowledged, this is one recovery.
    recover: Option<u32>,
    duplicates: u32,
    /// When something was acknowledged, or first sent; when something was sent or acknowledged; since when smoltcp's own timer
    /// has been running at least.
    progress: i64,
    quiet: i64,
    armed: i64,
    /// The tail was probed since.
    probed: bool,
    /// How often the time-out was doubled.
    doubled: u32,
    /// Something is wanted; smoltcp is to be rewound; it was, and has not said everything again yet.
    wants: bool,
    rewinds: bool,
    sweeping: bool,
    /// The sweep has repeated something.
    repeated: bool,
    /// The last segment that was heard says nothing that smoltcp needs.
    repeats: bool,
    /// The peer's window is closed to something that is to be sent.
    persist: Option<Persist>,
    /// Bytes of a full segment.
    mss: u32,
}

impl<'a> Recovery<'a> {
    pub(crate) fn new(pieces: &'a mut [Piece]) -> Self {
        Self {
            board: Scoreboard::new(pieces),
            ..Self::default()
        }
    }

    /// It is that time now.
    pub(super) fn look_at(&mut self, now: smoltcp::time::Instant) {
        self.now = now.total_micros();
    }

    /// A connection begins.
    pub(super) fn begin(&mut self) {
        let board = core::mem::take(&mut self.board);
        *self = Self {
            board,
            now: self.now,
            window: 1,
            least: i64::MAX,
            ..Self::default()
        };
        self.board.begin(0);
    }

    /// SYN has left, maybe not for the first time.
    fn syn_left(&mut self) {
        self.syn_again |= self.syn_at.is_some();
        self.syn_at = Some(self.now);
    }

    /// The handshake is over: a round trip (RFC 6298, section 2.2), if SYN was sent once.
    pub(super) fn opened(&mut self) {
        if let Some(at) = self.syn_at.filter(|_| !self.syn_again) {
            self.measure(self.now.saturating_sub(at));
        }
    }

    /// Notes that everything up to `end` has left, where `acked` is the first byte that is not acknowledged.
    fn left(&mut self, acked: u32, end: u32, mss: u16) {
        self.mss = mss.into();
        if self.board.is_empty() {
            self.board.begin(acked);
            (self.progress, self.armed) = (self.now, self.now);
            (self.probed, self.doubled, self.duplicates) = (false, 0, 0);
            (self.rack, self.lost_at, self.recover) = (None, None, None);
            self.foremost = acked;
        }
        if !self.board.is_nothing() && is_after(end, self.board.end()) {
            self.stamp = self.stamp.max(self.now);
            self.board.push(end, self.stamp);
            self.quiet = self.now;
        }
    }

    /// Hears that everything before `ack` was acknowledged, in a segment with these options; `is_bare`: it has no payload, and
    /// smoltcp knows its window already.
    fn hear(&mut self, ack: u32, options: &[u8], is_bare: bool) {
        self.repeats = false;
        if self.board.is_empty() || is_after(ack, self.board.end()) {
            return;
        }
        let advances = is_after(ack, self.board.start());
        let mut news = News::default();
        self.board.acknowledge(ack, |piece| news.see(piece));
        let blocks = blocks(options);
        let mut has_blocks = false;
        for (left, right) in blocks.into_iter().flatten() {
            has_blocks |= is_after(right, ack);
            self.board.sack(left, right, |piece| news.see(piece));
        }
        if let Some((left, right)) = blocks.first().copied().flatten()
            && !is_after(right, ack)
            && is_after(right, left)
        {
            self.widen();
        }
        self.take(&news);
        if advances {
            (self.progress, self.quiet, self.armed) = (self.now, self.now, self.now);
            (self.probed, self.doubled, self.duplicates) = (false, 0, 0);
        } else if news.newest.is_some() {
            (self.progress, self.quiet, self.probed) = (self.now, self.now, false);
        }
        // What was said to be there is not, or the head would be acknowledged (RFC 2018, section 8).
        if self.board.pieces().first().is_some_and(|first| first.sacked) {
            self.board.forget_sacks();
        }
        if !has_blocks {
            self.count(is_bare && !advances, advances);
        }
        self.detect();
        self.look_at_recovery(ack);
        self.repeats = is_bare && !advances && !self.board.is_empty();
    }

    /// Without SACK three duplicates are a loss, and so is an acknowledgement of a part of what was under way then (RFC 6582,
    /// section 3.2).
    fn count(&mut self, is_duplicate: bool, advances: bool) {
        self.duplicates = self.duplicates.saturating_add(is_duplicate.into());
        let is_third = is_duplicate && self.duplicates == DUPLICATES;
        let is_part = advances && self.recover.is_some_and(|end| is_after(end, self.board.start()));
        if (is_third || is_part) && self.board.sacked() == 0 && !self.board.is_empty() {
            self.board.lose_first(self.mss);
            self.find_loss();
        }
    }

    /// Learns from what has arrived: a round trip, and RACK's segment (RFC 8985, section 6.2, steps 1 to 3).
    fn take(&mut self, news: &News) {
        let Some(newest) = news.newest else { return };
        if news.lowest.is_some_and(|end| is_after(self.foremost, end)) {
            self.overtakes = true;
        }
        if let Some(highest) = news.highest
            && is_after(highest, self.foremost)
        {
            self.foremost = highest;
        }
        if let Some(sent_at) = news.sample {
            self.measure(self.now.saturating_sub(sent_at));
        }
        let rtt = self.now.saturating_sub(newest.sent_at);
        // So early that it is the acknowledgement of what was sent before.
        if newest.repeated && rtt < self.least {
            return;
        }
        let is_newer = self
            .rack
            .is_none_or(|rack| is_later((newest.sent_at, newest.end), rack));
        if is_newer {
            self.rack = Some((newest.sent_at, newest.end));
            self.rack_rtt = rtt;
        }
    }

    /// Takes a round trip into the averages (RFC 6298, sections 2.2 and 2.3).
    fn measure(&mut self, rtt: i64) {
        let rtt = rtt.max(1);
        self.least = self.least.min(rtt);
        match self.srtt {
            None => (self.srtt, self.rttvar) = (Some(rtt), rtt / 2),
            Some(srtt) => {
                let differs = srtt.saturating_sub(rtt).saturating_abs();
                let change = differs.saturating_sub(self.rttvar) / 4;
                self.rttvar = self.rttvar.saturating_add(change);
                self.srtt = Some(srtt.saturating_add(rtt.saturating_sub(srtt) / 8));
            }
        }
    }

    /// Something was repeated for nothing (DSACK, RFC 2883): RACK waits longer from here on.
    fn widen(&mut self) {
        self.window = self.window.saturating_add(1).min(WIDEST_WINDOW);
        self.window_lasts = WINDOW_LASTS;
    }

    /// How much earlier than RACK's segment another must have left to be lost (RFC 8985, section 6.2, step 4).
    fn reordering(&self) -> i64 {
        let many = DUPLICATES.saturating_mul(self.mss);
        if !self.overtakes && (self.recover.is_some() || self.board.sacked() >= many) {
            return 0;
        }
        let fourths = (self.least / 4).saturating_mul(self.window);
        fourths.min(self.srtt.unwrap_or(fourths))
    }

    /// Takes for lost what left so long before RACK's segment that it would have arrived (RFC 8985, section 6.2, step 5).
    fn detect(&mut self) {
        self.lost_at = None;
        let Some(rack) = self.rack else { return };
        let late = self.rack_rtt.saturating_add(self.reordering());
        let (mut found, mut next) = (false, None::<i64>);
        for piece in self.board.pieces_mut() {
            if piece.sacked || piece.lost || !is_later(rack, (piece.sent_at, piece.end)) {
                continue;
            }
            let due = piece.sent_at.saturating_add(late);
            if due <= self.now {
                (piece.lost, piece.wanted, found) = (true, true, true);
            } else {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        self.lost_at = next;
        if found {
            self.find_loss();
        }
    }

    /// Something was found lost.
    fn find_loss(&mut self) {
        self.wants = true;
        if self.recover.is_none() {
            self.recover = Some(self.board.end());
        }
    }

    /// Ends a recovery of which everything was acknowledged.
    fn look_at_recovery(&mut self, ack: u32) {
        if self.board.is_empty() {
            (self.wants, self.rewinds, self.sweeping) = (false, false, false);
        }
        if self.recover.is_some_and(|end| !is_after(end, ack)) {
            self.recover = None;
            self.window_lasts = self.window_lasts.saturating_sub(1);
            if self.window_lasts == 0 {
                self.window = 1;
            }
        }
    }

    /// Does what is due at this time.
    fn look_at_clocks(&mut self) {
        if self.board.is_empty() {
            return;
        }
        if self.lost_at.is_some_and(|at| at <= self.now) {
            self.detect();
        }
        if self.times_out_at() <= self.now {
            // Whatever the peer has said: it may have forgotten it (RFC 2018, section 8).
            self.board.forget_sacks();
            self.board.lose_all();
            self.recover = None;
            self.find_loss();
            self.doubled = self.doubled.saturating_add(1);
            (self.progress, self.probed, self.lost_at) = (self.now, true, None);
        } else if self.probes_at().is_some_and(|at| at <= self.now) {
            self.board.want_last(self.mss);
            (self.wants, self.probed) = (true, true);
        }
        self.rewinds |= self.armed.saturating_add(REWIND_AFTER) <= self.now;
    }

    /// When the tail is asked for (RFC 8985, section 7.2).
    fn probes_at(&self) -> Option<i64> {
        let srtt = self.srtt.filter(|_| !self.probed)?;
        let under_way = self.board.end().wrapping_sub(self.board.start());
        let slack = if under_way <= self.mss {
            DELAYED_BY
        } else {
            PROBE_SLACK
        };
        let patience = srtt.saturating_mul(2).saturating_add(slack);
        Some(self.quiet.saturating_add(patience))
    }

    /// When everything is taken for lost (RFC 6298, sections 2.3 and 5.5).
    fn times_out_at(&self) -> i64 {
        let doubled = self.time_out().saturating_mul(1 << self.doubled.min(16));
        self.progress.saturating_add(doubled.min(LONGEST_TIME_OUT))
    }

    /// The time-out before it is doubled.
    fn time_out(&self) -> i64 {
        self.srtt.map_or(FIRST_TIME_OUT, |srtt| {
            srtt.saturating_add(self.rttvar.saturating_mul(4))
                .max(LEAST_TIME_OUT)
        })
    }

    /// When it next wants a turn, in microseconds.
    fn next_at(&self) -> Option<i64> {
        if self.board.is_empty() {
            return self.persists_at();
        }
        let mut at = self.times_out_at().min(self.armed.saturating_add(REWIND_AFTER));
        for other in [self.probes_at(), self.lost_at, self.persists_at()]
            .into_iter()
            .flatten()
        {
            at = at.min(other);
        }
        Some(at)
    }
}
