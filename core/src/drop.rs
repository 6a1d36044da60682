//! The drop service: whatever the peer sends until its FIN is a file.

use core::fmt::{self, Write};
use core::task::{Poll, ready};

use crate::bug::OrBug;
use crate::hex::Hex;
use crate::limits::{DISCARD_FOR, DROP_GIVE_UP_AFTER, DROP_HINT_AFTER, DROP_LINE_MAX};
use crate::name::Name;
use crate::outbox::Outbox;
use crate::session::{Over, Session, Wants};
use crate::store::{Entry, Store, StoreError, Ticket, Upload};
use crate::time::{Duration, Instant};

/// One raw upload: bytes until FIN, then a receipt.
///
/// Nothing is asked of the store before the first byte or FIN. Where the store cannot take bytes now, the peer's
/// wait in front of the session.
#[derive(Debug, Default)]
pub struct Deposit {
    stage: Stage,
    ticket: Option<Ticket>,
    name: Option<Name>,
    bytes: u64,
    silence: Silence,
    /// FIN came before R2 gave up waiting for it: delivery of the receipt confirms the upload.
    complete: bool,
    peer_finished: bool,
    outbox: Outbox<{ 2 * DROP_LINE_MAX }>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Bytes go to the store.
    #[default]
    Storing,
    /// All bytes were taken; the receipt is due as soon as the store has sealed them. What still comes is discarded.
    Sealing,
    /// The last line was written. What still comes is discarded.
    Closing { since: Instant },
    /// The peer went on sending for too long after the last line.
    Aborting,
}

/// How long the peer has not sent anything that R2 would have taken.
#[derive(Clone, Copy, Debug, Default)]
struct Silence {
    since: Instant,
    hinted: bool,
    /// The store takes nothing though there are bytes: the clock stands.
    refusing: bool,
}

impl Silence {
    fn broken(&mut self, now: Instant) {
        *self = Self {
            since: now,
            ..Self::default()
        };
    }

    const fn next_after(self) -> Duration {
        if self.hinted {
            DROP_GIVE_UP_AFTER
        } else {
            DROP_HINT_AFTER
        }
    }
}

impl Deposit {
    /// A connection that has not sent anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gets a ticket and a number, once.
    fn begin<S: Store>(&mut self, store: &mut S) -> Poll<Result<(), StoreError>> {
        if self.name.is_some() {
            return Poll::Ready(Ok(()));
        }
        if self.ticket.is_none() {
            self.ticket = store.claim();
        }
        let Some(ticket) = &self.ticket else {
            return Poll::Pending;
        };
        self.name = Some(ready!(store.create(ticket, Upload::Numbered)?).name);
        Poll::Ready(Ok(()))
    }

    /// Hands the front of `rx` to the store until it takes no more; counts what it took in `taken`.
    fn append<S: Store>(
        &mut self,
        rx: &[u8],
        taken: &mut usize,
        store: &mut S,
    ) -> Poll<Result<(), StoreError>> {
        ready!(self.begin(store)?);
        while let (Some(rest), Some(ticket)) = (rx.get(*taken..), &self.ticket)
            && !rest.is_empty()
        {
            let count = ready!(store.append(ticket, rest)?);
            *taken = taken.saturating_add(count);
            self.bytes = self.bytes.saturating_add(count as u64);
        }
        Poll::Ready(Ok(()))
    }

    /// Hears what has become of bytes that were taken earlier, though no more come.
    fn look_at_the_store<S: Store>(&mut self, now: Instant, store: &mut S) {
        if let (Stage::Storing, Some(_), Some(ticket)) = (self.stage, &self.name, &self.ticket)
            && let Poll::Ready(Err(why)) = store.append(ticket, &[])
        {
            self.fail(now, why, store);
        }
    }

    fn seal<S: Store>(&mut self, store: &mut S) -> Poll<Result<Entry, StoreError>> {
        ready!(self.begin(store)?);
        match &self.ticket {
            Some(ticket) => store.seal(ticket),
            None => Poll::Ready(Err(StoreError::Io)),
        }
    }

    fn finish<S: Store>(&mut self, now: Instant, store: &mut S) {
        if self.stage != Stage::Sealing {
            return;
        }
        match self.seal(store) {
            Poll::Pending => {}
            Poll::Ready(Err(why)) => self.fail(now, why, store),
            Poll::Ready(Ok(entry)) => {
                let Entry { name, length, sha256 } = entry;
                self.close(
                    now,
                    format_args!("stored {name} {length} bytes sha256 {}\n", Hex(&sha256)),
                );
            }
        }
    }

    fn fail<S: Store>(&mut self, now: Instant, why: StoreError, store: &mut S) {
        let name = self.name.as_ref().map_or("drop", Name::as_str);
        let written = self.ticket.as_ref().map_or(0, |ticket| store.written(ticket));
        writeln!(self.outbox, "failed {name} {} after {written} bytes", why.text())
            .or_bug("a name, a text of the store's and a number are shorter than a receipt");
        self.stage = Stage::Closing { since: now };
        self.give_back(store);
    }

    fn close(&mut self, now: Instant, line: fmt::Arguments<'_>) {
        self.outbox
            .write_fmt(line)
            .or_bug("the outbox has room for the hint and one line more");
        self.stage = Stage::Closing { since: now };
    }

    fn give_back<S: Store>(&mut self, store: &mut S) {
        if let Some(ticket) = self.ticket.take() {
            store.release(ticket);
        }
    }

    fn look_at_the_clock<S: Store>(&mut self, now: Instant, store: &mut S) {
        if self.poll_due().is_none_or(|due| now < due) {
            return;
        }
        match self.stage {
            Stage::Storing if !self.silence.hinted => {
                self.silence.hinted = true;
                if self.outbox.is_empty() {
                    let bytes = self.bytes;
                    writeln!(
                        self.outbox,
                        "waiting: {bytes} bytes so far; end with FIN (nc -N, -q 1) or Ctrl-C"
                    )
                    .or_bug("it is shorter than a receipt");
                }
            }
            Stage::Storing if self.name.is_none() => {
                self.close(now, format_args!("nothing stored: no byte and no FIN came\n"));
            }
            Stage::Storing => {
                self.stage = Stage::Sealing;
                self.finish(now, store);
            }
            Stage::Closing { .. } => self.stage = Stage::Aborting,
            Stage::Sealing | Stage::Aborting => {}
        }
    }

    fn poll_due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Storing if !self.silence.refusing => Some(self.silence.since + self.silence.next_after()),
            Stage::Closing { since } if !self.peer_finished => Some(since + DISCARD_FOR),
            _ => None,
        }
    }
}

impl<S: Store> Session<S> for Deposit {
    fn opened(&mut self, now: Instant, _store: &mut S) {
        self.silence.broken(now);
    }

    fn receive(&mut self, now: Instant, rx: &[u8], store: &mut S) -> usize {
        if self.stage != Stage::Storing {
            return rx.len();
        }
        let mut taken = 0;
        let appended = self.append(rx, &mut taken, store);
        if taken > 0 {
            self.silence.broken(now);
        }
        match appended {
            Poll::Ready(Ok(())) => taken,
            Poll::Ready(Err(why)) => {
                self.fail(now, why, store);
                rx.len()
            }
            Poll::Pending => {
                self.silence.refusing = true;
                taken
            }
        }
    }

    fn transmit(&mut self, now: Instant, tx: &mut [u8], store: &mut S) -> usize {
        self.finish(now, store);
        self.look_at_the_store(now, store);
        self.look_at_the_clock(now, store);
        self.outbox.drain_into(tx)
    }

    fn finished(&mut self, now: Instant, store: &mut S) {
        self.peer_finished = true;
        if self.stage == Stage::Storing {
            self.complete = true;
            self.stage = Stage::Sealing;
            self.finish(now, store);
        }
    }

    fn over(&mut self, _now: Instant, how: Over, store: &mut S) {
        let sealed = matches!(self.stage, Stage::Closing { .. } | Stage::Aborting);
        match self.ticket.take() {
            Some(ticket) if sealed && self.complete && how == Over::Delivered => store.confirm(ticket),
            Some(ticket) => store.release(ticket),
            None => {}
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        self.poll_due()
    }

    fn wants(&self) -> Wants {
        match self.stage {
            Stage::Aborting => Wants::Abort,
            Stage::Closing { .. } if self.outbox.is_empty() => Wants::Close,
            _ => Wants::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
