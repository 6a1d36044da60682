//! What follows the `SEND` of a `PUT` of which R2 has something: the bytes that it asked for, or the whole file.

use heapless::Vec;

use super::{Behind, Files, Step, parse};
use crate::store::{Created, Ends, Store};
use crate::time::Instant;

/// The body of a `PUT` of which R2 has something.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    /// What it begins with, as much as tells it from what R2 asked for.
    front: Vec<u8, { parse::VERB_MAX }>,
    length: u64,
    /// How many of its bytes R2 had.
    had: u64,
    /// From which byte on R2 asked for it.
    offset: u64,
}

impl Body {
    pub(super) fn new(created: &Created, length: u64) -> Self {
        let had = created.offset;
        let offset = offset(&created.ends, had, length);
        let most = if offset < length { 1 } else { parse::VERB_MAX };
        let line = created.ends.front.split_inclusive(|byte| *byte == b'\n').next();
        let line = line.unwrap_or_default();
        Self {
            front: Vec::from_slice(line.get(..most).unwrap_or(line)).unwrap_or_default(),
            length,
            had,
            offset,
        }
    }

    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether R2 asked for nothing, since that very file is there.
    pub(super) const fn is_there(&self) -> bool {
        self.offset == self.length
    }

    /// How many bytes R2 lacks.
    pub(super) const fn left(&self) -> u64 {
        self.length.saturating_sub(self.had)
    }
}

/// From which byte on R2 asks for a file of which it has some: as far behind as can be where the first byte that comes tells
/// what it is. Where the file's own first byte stands at that offset, it is another offset; where all is there, a command
/// comes next, and the file must not begin like one.
fn offset(ends: &Ends, had: u64, length: u64) -> u64 {
    if had == length && !parse::may_be_a_command(&ends.front) {
        return length;
    }
    let first = ends.front.first();
    let (mut offset, mut back) = (had, ends.back.as_slice());
    while let Some((last, before)) = back.split_last() {
        offset = offset.saturating_sub(1);
        if Some(last) != first {
            return offset;
        }
        back = before;
    }
    0
}

impl Files {
    /// `SEND` was said, of more than 0, or of a file that begins like a command.
    pub(super) fn expect_either<S: Store>(&mut self, store: &mut S) {
        self.step = Step::Either { matched: 0 };
        if self.peer_finished {
            self.body_ended(store);
        }
    }

    /// Looks at the first bytes behind `SEND`.
    pub(super) fn look<S: Store>(&mut self, now: Instant, rx: &[u8], matched: usize, store: &mut S) -> usize {
        if self.body.front.get(matched) == rx.first() {
            let matched = matched.saturating_add(1);
            if matched < self.body.front.len() {
                self.step = Step::Either { matched };
            } else {
                self.behind = Behind::Put;
                self.skipped(now, self.body.had.saturating_sub(matched as u64), store);
            }
            return 1;
        }
        if self.body.is_there() {
            self.step = Step::Command;
            // No line ends here: the front is one at most, and its end was not matched.
            self.line.take(self.body.front.get(..matched).unwrap_or_default());
            return self.read_command(now, rx, store);
        }
        let again = self.body.had.saturating_sub(self.body.offset);
        self.skip(now, rx, again, store)
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
        } else if self.body.is_there() {
            self.step = Step::Command;
        } else {
            self.expect(now, self.body.left(), store);
        }
    }

    /// FIN came before all bytes did that R2 has.
    pub(super) fn body_ended<S: Store>(&mut self, store: &mut S) {
        match self.step {
            Step::Either { matched: 0 } if self.body.is_there() => self.step = Step::Command,
            Step::Either { matched: 0 } => {
                self.cut_short(self.body.length.saturating_sub(self.body.offset), store);
            }
            Step::Either { matched } => {
                self.cut_short(self.body.length.saturating_sub(matched as u64), store);
            }
            Step::Skip { count } => self.cut_short(count.saturating_add(self.body.left()), store),
            _ => {}
        }
    }
}
