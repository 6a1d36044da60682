//! `ls`: the files of R2's store.

use super::exchange::{Answer, Exchange, Failure, LocalFailure, Outcome};
use crate::session::{Over, Session, Wants};
use crate::store::Entry;
use crate::time::Instant;

/// Who wants to know.
pub trait Listing {
    /// The next file, in name order.
    fn entry(&mut self, file: &Entry) -> Result<(), LocalFailure>;
}

/// Asks for the list and hands it on, file by file.
#[derive(Debug, Default)]
pub struct List {
    exchange: Exchange,
}

impl List {
    /// Will ask for the list.
    pub fn new() -> Self {
        Self::default()
    }

    /// How much of a file R2 has hashed before it answers, in percent; `None` while it does not say.
    pub const fn hashing(&self) -> Option<u8> {
        self.exchange.hashing()
    }

    /// Whether R2 may work on the answer for long without a word: one that does not know `PROGRESS`.
    pub const fn may_be_silent(&self) -> bool {
        self.exchange.may_be_silent()
    }

    /// What has come of the last line that the other side said, as it came: nothing, where it has said nothing.
    pub fn heard(&self) -> &[u8] {
        self.exchange.heard()
    }

    /// How it ended: `Ok` only when the list was complete.
    pub const fn outcome(&self) -> &Outcome {
        self.exchange.outcome()
    }
}

impl<L: Listing + ?Sized> Session<L> for List {
    fn opened(&mut self, _: Instant, _: &mut L) {
        self.exchange.ask_patiently(format_args!("LIST\n"));
    }

    fn receive(&mut self, _: Instant, rx: &[u8], listing: &mut L) -> usize {
        let (taken, answer) = self.exchange.receive(rx);
        match answer {
            None => {}
            Some(Answer::End) => self.exchange.end(Ok(())),
            Some(Answer::Listed(file)) => match listing.entry(&file) {
                Ok(()) => {}
                Err(LocalFailure) => self.exchange.end(Err(Failure::Local)),
            },
            Some(_) => self.exchange.end(Err(Failure::Violation)),
        }
        taken
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], _: &mut L) -> usize {
        self.exchange.transmit(tx)
    }

    fn finished(&mut self, _: Instant, _: &mut L) {
        self.exchange.end(Err(Failure::Broken));
    }

    fn over(&mut self, _: Instant, _: Over, _: &mut L) {
        self.exchange.end(Err(Failure::Broken));
    }

    fn wants(&self) -> Wants {
        self.exchange.wants()
    }
}
