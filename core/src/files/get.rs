//! `GET` and `DEL`: what is done with a file that is there.

use core::fmt::Write;
use core::task::Poll;

use super::{Files, Step, Then, claimed};
use crate::bug::OrBug;
use crate::hex::Hex;
use crate::store::{Entry, Store};
use crate::time::Instant;

impl Files {
    pub(super) fn open<S: Store>(&mut self, now: Instant, offset: u64, store: &mut S) {
        let (Some(name), Some(ticket)) = (&self.name, claimed(&mut self.ticket, store)) else {
            return;
        };
        match store.open(ticket, name) {
            Poll::Pending => {}
            Poll::Ready(Err(why)) => self.refuse_for(now, why, Then::NextCommand, store),
            Poll::Ready(Ok(entry)) if offset > entry.length => {
                let text = "the offset is behind the end of the file";
                self.refuse(now, "bad-request", text, Then::NextCommand, store);
            }
            Poll::Ready(Ok(Entry { name, length, sha256 })) => {
                writeln!(self.outbox, "FILE {name} {length} {}", Hex(&sha256))
                    .or_bug("the outbox was empty when the command was read");
                self.step = Step::Send { offset, length };
            }
        }
    }

    /// Fills `tx` with the file's bytes. A file that cannot be read to its end is no whole file: RST says so.
    pub(super) fn send<S: Store>(
        &mut self,
        mut offset: u64,
        length: u64,
        tx: &mut [u8],
        store: &mut S,
    ) -> usize {
        let Some(ticket) = &self.ticket else {
            bug!("a file that is sent was opened with a ticket");
            return 0;
        };
        let left = usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let most = tx.len().min(left);
        let mut filled = 0;
        while filled < most {
            let room = tx
                .get_mut(filled..most)
                .or_bug("no more is filled than there is room");
            match store.read(ticket, offset, room) {
                Poll::Pending => break,
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.step = Step::Aborting;
                    return filled;
                }
                Poll::Ready(Ok(count)) => {
                    filled = filled.saturating_add(count);
                    offset = offset.saturating_add(count as u64);
                }
            }
        }
        self.step = Step::Send { offset, length };
        if offset == length {
            self.done(store);
        }
        filled
    }

    pub(super) fn delete<S: Store>(&mut self, now: Instant, store: &mut S) {
        let (Some(name), Some(ticket)) = (&self.name, claimed(&mut self.ticket, store)) else {
            return;
        };
        match store.delete(ticket, name) {
            Poll::Pending => {}
            Poll::Ready(Err(why)) => self.refuse_for(now, why, Then::NextCommand, store),
            Poll::Ready(Ok(())) => {
                writeln!(self.outbox, "DELETED {name}")
                    .or_bug("the outbox was empty when the command was read");
                self.done(store);
            }
        }
    }
}
