//! `PUT`: a named upload, from the byte on that the store lacks.

use core::fmt::Write;
use core::task::Poll;

use super::body::Body;
use super::{Behind, Files, Step, Then, claimed};
use crate::bug::OrBug;
use crate::hex::Hex;
use crate::store::{Digest, Entry, Store, Upload};
use crate::time::Instant;

impl Files {
    pub(super) fn create<S: Store>(
        &mut self,
        now: Instant,
        length: u64,
        sha256: Option<Digest>,
        resumes: bool,
        store: &mut S,
    ) {
        let (Some(name), Some(ticket)) = (&self.name, claimed(&mut self.ticket, store)) else {
            return;
        };
        let upload = Upload::Named { name, length, sha256 };
        match store.create(ticket, upload) {
            Poll::Pending => {}
            Poll::Ready(Err(why)) => self.refuse_for(now, why, Then::Close, store),
            Poll::Ready(Ok(created)) => {
                self.body = Body::new(&created, length);
                let offset = if resumes {
                    created.offset
                } else {
                    self.body.offset()
                };
                writeln!(self.outbox, "SEND {offset}")
                    .or_bug("the outbox was empty when the command was read");
                self.behind = match offset {
                    _ if resumes => Behind::Resume,
                    0 => Behind::Put,
                    _ if self.body.is_there() => Behind::File,
                    _ => Behind::RestOfPut,
                };
                if resumes || created.offset == 0 || self.behind == Behind::File {
                    self.expect(now, self.body.left(), store);
                } else {
                    self.expect_either(store);
                }
            }
        }
    }

    pub(super) fn expect<S: Store>(&mut self, now: Instant, left: u64, store: &mut S) {
        if left == 0 {
            self.step = Step::Seal;
            self.seal(now, store);
        } else if self.peer_finished {
            self.cut_short(left, store);
        } else {
            self.step = Step::Receive { left };
        }
    }

    /// Takes bytes of the file from the front of `rx`: no more than are `left`, which is more than 0.
    pub(super) fn store_bytes<S: Store>(
        &mut self,
        now: Instant,
        rx: &[u8],
        left: u64,
        store: &mut S,
    ) -> usize {
        let Some(ticket) = &self.ticket else {
            bug!("a file that arrives was created with a ticket");
            return 0;
        };
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let (bytes, _) = rx.split_at(rx.len().min(most));
        match store.append(ticket, bytes) {
            Poll::Pending => 0,
            Poll::Ready(Err(why)) => {
                self.refuse_for(now, why, Then::Close, store);
                rx.len()
            }
            Poll::Ready(Ok(taken)) => {
                self.expect(now, left.saturating_sub(taken as u64), store);
                taken
            }
        }
    }

    /// Hears what has become of bytes that were taken earlier, though no more come.
    pub(super) fn look_at_the_store<S: Store>(&mut self, now: Instant, store: &mut S) {
        if let Some(ticket) = &self.ticket
            && let Poll::Ready(Err(why)) = store.append(ticket, &[])
        {
            self.refuse_for(now, why, Then::Close, store);
        }
    }

    /// All bytes are there.
    pub(super) fn seal<S: Store>(&mut self, now: Instant, store: &mut S) {
        let Some(ticket) = &self.ticket else {
            bug!("a file that is sealed was created with a ticket");
            return;
        };
        match store.seal(ticket) {
            Poll::Pending => {}
            // Every byte was taken: what follows is the next command, unless the peer began with the first byte.
            Poll::Ready(Err(why)) => {
                let then = Then::close_if(self.behind != Behind::Put);
                self.refuse_for(now, why, then, store);
            }
            Poll::Ready(Ok(Entry { name, length, sha256 })) => {
                writeln!(self.outbox, "STORED {name} {length} {}", Hex(&sha256))
                    .or_bug("the outbox has room for SEND and one answer");
                self.done(store);
                match self.behind {
                    Behind::File => self.expect_either(store),
                    Behind::Resume => self.step = Step::Closing { since: now },
                    _ => {}
                }
            }
        }
    }

    /// FIN came before the last byte: what is there stays for a resume.
    pub(super) fn cut_short<S: Store>(&mut self, left: u64, store: &mut S) {
        writeln!(
            self.outbox,
            "ERROR bad-request the file ended {left} bytes too early"
        )
        .or_bug("the outbox has room for SEND and one answer");
        self.done(store);
    }
}
