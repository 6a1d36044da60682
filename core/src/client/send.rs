//! `send`: a file of this side goes to R2, from the byte on that R2 lacks.

use super::exchange::{Answer, Exchange, Failure, LocalFailure, Outcome};
use crate::bug::OrBug;
use crate::hex::Hex;
use crate::name::Name;
use crate::session::{Over, Session, Wants};
use crate::store::{Digest, Entry};
use crate::time::Instant;

/// A file on this side. Its length and SHA-256 are known before the first byte is sent.
pub trait Source {
    /// Its length in bytes.
    fn length(&self) -> u64;

    /// Its SHA-256.
    fn sha256(&self) -> Digest;

    /// Reads from byte `offset` into the front of `into` and returns how many bytes; 0 only at the end of the
    /// file or when `into` is empty.
    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, LocalFailure>;
}

/// Sends one file and waits until R2 has stored it.
#[derive(Debug)]
pub struct Send {
    name: Name,
    /// What stands behind the command: the word that says that this side waits for `SEND`.
    word: &'static str,
    step: Step,
    exchange: Exchange,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Asked,
    Sending { offset: u64 },
}

impl Send {
    /// Will send a file that R2 is to call `name`.
    pub fn new(name: Name) -> Self {
        Self {
            name,
            word: " resume",
            step: Step::Asked,
            exchange: Exchange::default(),
        }
    }

    /// The same, for an R2 that does not know the word `resume` and refuses it as a `bad-request`.
    pub fn without_resume(name: Name) -> Self {
        Self {
            word: "",
            ..Self::new(name)
        }
    }

    /// Whether R2 has said from which byte on it wants the file: then it has a service for files, and keeps what comes.
    pub const fn is_wanted(&self) -> bool {
        matches!(self.step, Step::Sending { .. })
    }

    /// Up to which byte the file was handed to the connection, what R2 had already included.
    pub const fn progress(&self) -> u64 {
        match self.step {
            Step::Asked => 0,
            Step::Sending { offset } => offset,
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

    /// How it ended: `Ok` only when R2 said that it stored these very bytes.
    pub const fn outcome(&self) -> &Outcome {
        self.exchange.outcome()
    }

    fn answered<S: Source + ?Sized>(&mut self, answer: Answer, source: &S) {
        let whole = |entry: &Entry| {
            entry.name == self.name && entry.length == source.length() && entry.sha256 == source.sha256()
        };
        match (self.step, answer) {
            (Step::Asked, Answer::Send(offset)) if offset <= source.length() => {
                self.step = Step::Sending { offset };
            }
            (Step::Sending { offset }, Answer::Stored(entry))
                if offset == source.length() && whole(&entry) =>
            {
                self.exchange.end(Ok(()));
            }
            _ => self.exchange.end(Err(Failure::Violation)),
        }
    }
}

impl<S: Source + ?Sized> Session<S> for Send {
    fn opened(&mut self, _: Instant, source: &mut S) {
        let (name, length, sha256) = (&self.name, source.length(), source.sha256());
        self.exchange.ask_patiently(format_args!(
            "PUT {name} {length} {}{}\n",
            Hex(&sha256),
            self.word
        ));
    }

    fn receive(&mut self, _: Instant, rx: &[u8], source: &mut S) -> usize {
        let (taken, answer) = self.exchange.receive(rx);
        if let Some(answer) = answer {
            self.answered(answer, source);
        }
        taken
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], source: &mut S) -> usize {
        let filled = self.exchange.transmit(tx);
        let room = tx
            .get_mut(filled..)
            .or_bug("no more is filled than there is room");
        match self.step {
            Step::Sending { offset }
                if offset < source.length() && !room.is_empty() && self.outcome().is_none() =>
            {
                let left = usize::try_from(source.length().saturating_sub(offset)).unwrap_or(usize::MAX);
                let most = room.len().min(left);
                match source.read(offset, room.get_mut(..most).unwrap_or_default()) {
                    // Shorter than it was when its length was taken.
                    Ok(0) | Err(LocalFailure) => {
                        self.exchange.end(Err(Failure::Local));
                        filled
                    }
                    Ok(read) => {
                        let read = read.min(most);
                        self.step = Step::Sending {
                            offset: offset.saturating_add(read as u64),
                        };
                        filled.saturating_add(read)
                    }
                }
            }
            _ => filled,
        }
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
