//! `rm`: a file of R2's store goes.

use super::exchange::{Answer, Exchange, Failure, Outcome};
use crate::name::Name;
use crate::session::{Over, Session, Wants};
use crate::time::Instant;

/// Deletes one file.
#[derive(Debug)]
pub struct Remove {
    name: Name,
    exchange: Exchange,
}

impl Remove {
    /// Will delete the file `name`.
    pub fn new(name: Name) -> Self {
        let exchange = Exchange::default();
        Self { name, exchange }
    }

    /// What has come of the last line that the other side said, as it came: nothing, where it has said nothing.
    pub fn heard(&self) -> &[u8] {
        self.exchange.heard()
    }

    /// How it ended: `Ok` only when R2 said that it deleted this file.
    pub const fn outcome(&self) -> &Outcome {
        self.exchange.outcome()
    }
}

impl<W: ?Sized> Session<W> for Remove {
    fn opened(&mut self, _: Instant, _: &mut W) {
        self.exchange.ask(format_args!("DEL {}\n", self.name));
    }

    fn receive(&mut self, _: Instant, rx: &[u8], _: &mut W) -> usize {
        let (taken, answer) = self.exchange.receive(rx);
        match answer {
            None => {}
            Some(Answer::Deleted(name)) if name == self.name => self.exchange.end(Ok(())),
            Some(_) => self.exchange.end(Err(Failure::Violation)),
        }
        taken
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], _: &mut W) -> usize {
        self.exchange.transmit(tx)
    }

    fn finished(&mut self, _: Instant, _: &mut W) {
        self.exchange.end(Err(Failure::Broken));
    }

    fn over(&mut self, _: Instant, _: Over, _: &mut W) {
        self.exchange.end(Err(Failure::Broken));
    }

    fn wants(&self) -> Wants {
        self.exchange.wants()
    }
}
