//! `get`: a file of R2's comes to this side, from the byte on that is missing here.

use super::exchange::{Answer, Exchange, Failure, LocalFailure, Outcome};
use crate::name::Name;
use crate::session::{Over, Session, Wants};
use crate::store::{Digest, Entry};
use crate::time::Instant;

/// Where the bytes go. What an earlier, broken attempt left is its beginning.
pub trait Sink {
    /// How many bytes are here already: R2 is asked for those from there on.
    fn held(&self) -> u64;

    /// R2 announces the file; its bytes follow.
    fn announced(&mut self, file: &Entry) -> Result<(), LocalFailure>;

    /// Keeps all of `bytes` behind those that are here.
    fn append(&mut self, bytes: &[u8]) -> Result<(), LocalFailure>;

    /// The last byte came: the SHA-256 of the whole file, what was held before included.
    fn sha256(&mut self) -> Result<Digest, LocalFailure>;
}

/// Fetches one file.
#[derive(Debug)]
pub struct Get {
    name: Name,
    from: u64,
    step: Step,
    exchange: Exchange,
}

#[derive(Debug)]
enum Step {
    Asked,
    Receiving { file: Entry, left: u64 },
}

impl Get {
    /// Will fetch the file `name`.
    pub fn new(name: Name) -> Self {
        Self {
            name,
            from: 0,
            step: Step::Asked,
            exchange: Exchange::default(),
        }
    }

    /// How many bytes of the file are on this side, those of an earlier attempt included.
    pub const fn progress(&self) -> u64 {
        match &self.step {
            Step::Asked => self.from,
            Step::Receiving { file, left } => file.length.saturating_sub(*left),
        }
    }

    /// What R2 announced; `None` while it has not.
    pub const fn file(&self) -> Option<&Entry> {
        match &self.step {
            Step::Asked => None,
            Step::Receiving { file, .. } => Some(file),
        }
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

    /// How it ended: `Ok` only when all bytes are here and add up to the announced SHA-256.
    pub const fn outcome(&self) -> &Outcome {
        self.exchange.outcome()
    }

    fn announced<S: Sink + ?Sized>(&mut self, answer: Answer, sink: &mut S) {
        match answer {
            Answer::File(file) if file.name.stem() == self.name.stem() && self.from <= file.length => {
                if sink.announced(&file).is_err() {
                    self.exchange.end(Err(Failure::Local));
                }
                let left = file.length.saturating_sub(self.from);
                self.step = Step::Receiving { file, left };
                self.check_when_complete(sink);
            }
            _ => self.exchange.end(Err(Failure::Violation)),
        }
    }

    fn check_when_complete<S: Sink + ?Sized>(&mut self, sink: &mut S) {
        let Step::Receiving { file, left: 0 } = &self.step else {
            return;
        };
        let outcome = match sink.sha256() {
            Ok(sha256) if sha256 == file.sha256 => Ok(()),
            Ok(_) => Err(Failure::Mismatch),
            Err(LocalFailure) => Err(Failure::Local),
        };
        self.exchange.end(outcome);
    }
}

impl<S: Sink + ?Sized> Session<S> for Get {
    fn opened(&mut self, _: Instant, sink: &mut S) {
        self.from = sink.held();
        match self.from {
            0 => self.exchange.ask_patiently(format_args!("GET {}\n", self.name)),
            from => self
                .exchange
                .ask_patiently(format_args!("GET {} {from}\n", self.name)),
        }
    }

    fn receive(&mut self, _: Instant, rx: &[u8], sink: &mut S) -> usize {
        match &mut self.step {
            Step::Receiving { left, .. } if self.exchange.outcome().is_none() => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let (bytes, _) = rx.split_at(rx.len().min(most));
                if sink.append(bytes).is_err() {
                    self.exchange.end(Err(Failure::Local));
                } else {
                    *left = left.saturating_sub(bytes.len() as u64);
                    self.check_when_complete(sink);
                }
                bytes.len()
            }
            _ => {
                let (taken, answer) = self.exchange.receive(rx);
                if let Some(answer) = answer {
                    self.announced(answer, sink);
                }
                taken
            }
        }
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], _: &mut S) -> usize {
        self.exchange.transmit(tx)
    }

    fn finished(&mut self, _: Instant, _: &mut S) {
        self.exchange.end(Err(Failure::Broken));
    }

    fn over(&mut self, _: Instant, _: Over, _: &mut S) {
        self.exchange.end(Err(Failure::Broken));
    }

    fn wants(&self) -> Wants {
        self.exchange.wants()
    }
}
