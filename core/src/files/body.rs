//! What follows the `SEND` of an offset above 0: the bytes that were asked for, or the whole file.
//!
//! A peer that waits for `SEND` sends from the offset on. One that does not wait sends from byte 0 on, and so the bytes
//! that R2 has come first: they are compared with the front of these, and skipped. What began before `SEND` had left
//! needs no comparison: nobody can have asked for the rest yet.

use super::{Behind, Files, Step};
use crate::store::{Front, Store};
use crate::time::Instant;

/// The body of a `PUT` of which R2 has something.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    /// What it begins with; of a file that is there, its first line at most.
    front: Front,
    /// How many of its bytes R2 had.
    had: u64,
    /// How many it lacked.
    left: u64,
    /// So much of the front has come.
    matched: usize,
    /// So much of that was stored: it is the rest after all.
    stored: usize,
}

/// What the bytes that have come are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nobody knows yet.
    Undecided,
    /// The whole file, from its first byte on.
    Whole,
    /// What was asked for; the last byte is none of the front.
    Asked,
    /// What was asked for, or the whole of a file that repeats itself.
    Either,
}

impl Body {
    pub(super) fn new(mut front: Front, had: u64, left: u64) -> Self {
        if left == 0
            && let Some(line) = front.iter().position(|byte| *byte == b'\n')
        {
            front.truncate(line.saturating_add(1));
        }
        Self {
            front,
            had,
            left,
            matched: 0,
            stored: 0,
        }
    }

    fn look(&mut self, byte: u8) -> Verdict {
        if self.front.get(self.matched) != Some(&byte) {
            return Verdict::Asked;
        }
        self.matched = self.matched.saturating_add(1);
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let repeats = left > 0 && repeats(&self.front);
        // One byte more than was asked for is none of the rest.
        let enough = match left {
            0 => usize::MAX,
            _ if repeats => left,
            _ => left.saturating_add(1),
        };
        if self.matched < enough.min(self.front.len()) {
            Verdict::Undecided
        } else if repeats {
            Verdict::Either
        } else {
            Verdict::Whole
        }
    }

    fn count(&self) -> u64 {
        self.matched as u64
    }

    /// Whether as much has come as was asked for, which may be all that comes.
    fn may_be_complete(&self) -> bool {
        self.left > 0 && self.count() == self.left
    }

    /// What has come of the rest, and was taken for the front meanwhile.
    fn held(&self) -> &[u8] {
        self.front.get(self.stored..self.matched).unwrap_or_default()
    }
}

/// Whether `bytes` say nothing of where in a file they are: they are one pattern again and again, such as zeros.
fn repeats(bytes: &[u8]) -> bool {
    (1..=bytes.len().div_ceil(2))
        .any(|period| bytes.iter().zip(bytes.iter().skip(period)).all(|(a, b)| a == b))
}

impl Files {
    /// `SEND` or `STORED` was said: one or the other follows, or, where nothing was asked for, a command.
    pub(super) fn expect_either<S: Store>(&mut self, now: Instant, store: &mut S) {
        self.step = Step::Either;
        if self.peer_finished {
            self.either_ended(now, store);
        }
    }

    /// Whether the peer cannot know yet what `SEND` says.
    pub(super) fn owes_send(&self) -> bool {
        match self.step {
            Step::Create { .. } => true,
            Step::Found => !self.outbox.is_empty(),
            Step::Either => self.body.left > 0 && !self.outbox.is_empty(),
            _ => false,
        }
    }

    /// Looks at the first bytes behind `SEND`.
    pub(super) fn look<S: Store>(&mut self, now: Instant, rx: &[u8], store: &mut S) -> usize {
        if self.is_eager {
            self.step = Step::Skip { count: self.body.had };
            return self.skip(now, rx, self.body.had, store);
        }
        let Some(byte) = rx
            .first()
            .filter(|_| self.body.left > 0 || self.outbox.is_empty())
        else {
            return 0;
        };
        match self.body.look(*byte) {
            Verdict::Undecided => 1,
            Verdict::Whole => {
                self.skipped(now, self.body.had.saturating_sub(self.body.count()), store);
                1
            }
            Verdict::Either => {
                self.behind = Behind::Either;
                self.step = Step::Receive { left: self.body.left };
                1
            }
            Verdict::Asked if self.body.left > 0 => {
                self.step = Step::Receive { left: self.body.left };
                if self.holds_some() {
                    return 0;
                }
                self.store_bytes(now, rx, self.body.left, store)
            }
            Verdict::Asked => {
                self.behind = Behind::File;
                self.step = Step::Command;
                // No line ends here: the front is one at most, and its end was not matched.
                self.line.take(self.body.held());
                self.read_command(now, rx, store)
            }
        }
    }

    /// Drops bytes that R2 has: so many.
    pub(super) fn skip<S: Store>(&mut self, now: Instant, rx: &[u8], count: u64, store: &mut S) -> usize {
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let dropped = rx.len().min(most);
        self.skipped(now, count.saturating_sub(dropped as u64), store);
        dropped
    }

    /// So many are still to be dropped.
    fn skipped<S: Store>(&mut self, now: Instant, count: u64, store: &mut S) {
        if count > 0 {
            self.step = Step::Skip { count };
        } else if self.body.left > 0 {
            self.body.matched = 0;
            self.expect(now, self.body.left, store);
        } else {
            self.behind = Behind::Put;
            self.step = Step::Command;
        }
    }

    pub(super) fn holds_some(&self) -> bool {
        matches!(self.step, Step::Receive { .. }) && !self.body.held().is_empty()
    }

    /// Stores what was taken for the front and is the rest; of it so much is `left`.
    pub(super) fn store_held<S: Store>(&mut self, now: Instant, left: u64, store: &mut S) {
        let body = self.body.clone();
        let stored = self.store_bytes(now, body.held(), left, store);
        self.body.stored = self.body.stored.saturating_add(stored);
    }

    /// FIN came before anybody knew what the bytes were.
    pub(super) fn either_ended<S: Store>(&mut self, now: Instant, store: &mut S) {
        let Body { had, left, .. } = self.body;
        match self.body.count() {
            0 if left == 0 => self.step = Step::Command,
            _ if self.body.may_be_complete() => {
                self.step = Step::Receive { left };
                self.store_held(now, left, store);
            }
            count if left == 0 => self.cut_short(had.saturating_sub(count), store),
            count => self.cut_short(left.saturating_sub(count), store),
        }
    }

    /// FIN came before all was dropped.
    pub(super) fn skip_ended<S: Store>(&mut self, count: u64, store: &mut S) {
        self.cut_short(count.saturating_add(self.body.left), store);
    }

    /// The connection is over before anybody knew: if all has come that was asked for, it is kept.
    pub(super) fn keep_held<S: Store>(&mut self, store: &mut S) {
        if matches!(self.step, Step::Either)
            && self.body.may_be_complete()
            && let Some(ticket) = &self.ticket
        {
            // What cannot be stored is sent again.
            let _ = store.append(ticket, self.body.held());
        }
    }
}
