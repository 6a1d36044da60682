//! The files service: named upload and download, verified and resumable.

mod body;
mod get;
mod list;
pub mod parse;
mod progress;
mod put;

use core::fmt::{self, Write};

use self::body::Body;
use self::parse::Request;
use crate::bug::OrBug;
use crate::foreign::{NO_WEB_SERVER, Opening};
use crate::limits::{DISCARD_FOR, FILES_ANSWER_MAX, FILES_LINE_MAX};
use crate::line::{Line, LineReader};
use crate::name::Name;
use crate::outbox::Outbox;
use crate::session::{Over, Session, Wants};
use crate::store::{Digest, Store, StoreError, Ticket};
use crate::time::Instant;

/// One connection of the files service: commands, one after the other.
///
/// While a command is answered nothing more is taken. A ticket of the store is held for the length of a command.
/// Bytes behind a `PUT` line that was refused are never read as commands: R2 closes and discards them. An empty line
/// behind the bytes of a file gets no answer: somebody typed them, and Enter.
///
/// # What follows `SEND`
///
/// `SEND <offset>` asks for the bytes from there on. A peer that waits for it sends these; one that does not wait sends
/// the whole file, whatever R2 has of it. Both are served, and no byte of a file is taken for a command:
///
/// - Behind `PUT <name> <length> <sha256> resume` the peer waits: what follows is what was asked for.
/// - Behind a `PUT` without that word, bytes that come before `SEND` has left are the file from its first byte on. Other
///   bytes are compared with what the file begins with: its first [`FRONT_MAX`](crate::limits::FRONT_MAX) bytes, or,
///   where that very file is there, its first line. Where they are the same, they are the file from its first byte on:
///   what R2 has of it is skipped, the rest is stored. Where they differ, they are what was asked for, and behind a file
///   that is there a command.
/// - A command that is the file's own first line is therefore not carried out, but skipped with as many bytes as the
///   file has; FIN before that is told as a file that ended too early.
/// - A file that begins with one pattern again and again, such as zeros, tells nothing by its front: what follows is what
///   was asked for, and R2 closes behind `STORED`, since more of the file may come.
///
/// A mismatch behind an offset above 0 closes, as does a first line that is no command behind a file that was there.
#[derive(Debug, Default)]
pub struct Files {
    opening: Opening,
    line: LineReader<FILES_LINE_MAX>,
    step: Step,
    /// The file of the command; of `LIST`, the last one that was listed.
    name: Option<Name>,
    ticket: Option<Ticket>,
    behind: Behind,
    body: Body,
    /// Bytes came behind `PUT` before `SEND` had left: they are the file from its first byte on.
    is_eager: bool,
    peer_finished: bool,
    /// When the peer last heard of R2; `None` while it did not ask for progress.
    told: Option<Instant>,
    /// Room for a line of progress, `SEND` and the answer behind it.
    outbox: Outbox<{ 2 * FILES_ANSWER_MAX }>,
}

/// What comes next. Each may have to wait: for the peer, for its window, for a ticket, for the store.
#[derive(Clone, Copy, Debug, Default)]
enum Step {
    /// A command line is read, once the answer before it has left.
    #[default]
    Command,
    /// `PUT`: the store begins the upload.
    Create {
        length: u64,
        sha256: Option<Digest>,
        resumes: bool,
    },
    /// `PUT`: that very file is there; it is said once `SEND` has left.
    Found,
    /// `PUT`: what was asked for follows, or the whole file.
    Either,
    /// `PUT`: the whole file follows, and R2 has so much of it.
    Skip { count: u64 },
    /// `PUT`: the peer's bytes go to the store.
    Receive { left: u64 },
    /// `PUT`: all bytes were taken.
    Seal,
    /// `GET`: the store looks for the file.
    Open { offset: u64 },
    /// `GET`: the store's bytes go to the peer.
    Send { offset: u64, length: u64 },
    /// `LIST`: the next entry goes to the peer.
    List,
    /// `DEL`
    Delete,
    /// A `PUT` was refused: its bytes are discarded.
    Closing { since: Instant },
    /// The peer was promised more than there is, or sends on for too long.
    Aborting,
}

/// What the next line stands behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Behind {
    /// Another command, or nothing.
    #[default]
    Command,
    /// A `PUT` of all bytes of a file, which is not empty.
    Put,
    /// A `PUT` of the rest of one.
    RestOfPut,
    /// A `PUT` of a file that is there, of which no byte came.
    File,
    /// A `PUT` of either: more of the file may follow.
    Either,
}

/// How the connection goes on behind an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    NextCommand,
    Close,
}

impl Then {
    const fn close_if(bytes_may_follow: bool) -> Self {
        if bytes_may_follow {
            Self::Close
        } else {
            Self::NextCommand
        }
    }
}

impl Files {
    /// A connection that has not sent anything.
    pub fn new() -> Self {
        Self::default()
    }

    fn read_command<S: Store>(&mut self, now: Instant, rx: &[u8], store: &mut S) -> usize {
        let (taken, complete) = self.line.take(rx);
        if complete {
            self.obey(now, store);
        }
        taken
    }

    /// Begins what the collected line asks for.
    fn obey<S: Store>(&mut self, now: Instant, store: &mut S) {
        let behind = core::mem::take(&mut self.behind);
        (self.body, self.is_eager) = (Body::default(), false);
        let line = self.line.line();
        if line == Line::Whole(b"") && behind != Behind::Command {
            return self.line.clear();
        }
        let (request, is_put) = (parse::parse(line), parse::is_put(line));
        self.told = self.told.map(|_| now);
        let (name, step) = match request {
            Ok(Request::Put {
                name,
                length,
                sha256,
                resumes,
            }) => (
                Some(name),
                Step::Create {
                    length,
                    sha256,
                    resumes,
                },
            ),
            Ok(Request::Get { name, offset }) => (Some(name), Step::Open { offset }),
            Ok(Request::List) => (None, Step::List),
            Ok(Request::Delete { name }) => (Some(name), Step::Delete),
            Ok(Request::Progress) => {
                self.line.clear();
                return self.promise_progress(now);
            }
            Err(bad) => {
                self.line.clear();
                let then = Then::close_if(is_put || behind == Behind::File);
                return self.refuse(now, bad.code(), bad.text(), then, store);
            }
        };
        (self.name, self.step) = (name.and_then(Name::parse), step);
        self.line.clear();
        self.advance(now, store);
    }

    /// Goes on with what only the store can have delayed.
    // On a board, where it is called in two places, it is one function.
    #[cfg_attr(target_os = "none", inline(never))]
    fn advance<S: Store>(&mut self, now: Instant, store: &mut S) {
        match self.step {
            Step::Create {
                length,
                sha256,
                resumes,
            } => self.create(now, length, sha256, resumes, store),
            Step::Receive { left } if self.holds_some() => self.store_held(now, left, store),
            Step::Receive { .. } => self.look_at_the_store(now, store),
            Step::Seal => self.seal(now, store),
            Step::Open { offset } => self.open(now, offset, store),
            Step::Delete => self.delete(now, store),
            _ => {}
        }
    }

    /// The command was answered.
    fn done<S: Store>(&mut self, store: &mut S) {
        self.step = Step::Command;
        if let Some(ticket) = self.ticket.take() {
            store.release(ticket);
        }
    }

    fn refuse<S: Store>(&mut self, now: Instant, code: &str, text: &str, then: Then, store: &mut S) {
        self.refuse_with(now, format_args!("ERROR {code} {text}\n"), then, store);
    }

    fn refuse_with<S: Store>(&mut self, now: Instant, line: fmt::Arguments<'_>, then: Then, store: &mut S) {
        self.outbox
            .write_fmt(line)
            .or_bug("FILES_ANSWER_MAX says so of every text");
        self.done(store);
        if then == Then::Close {
            self.step = Step::Closing { since: now };
        }
    }

    fn refuse_for<S: Store>(&mut self, now: Instant, why: StoreError, then: Then, store: &mut S) {
        self.refuse(now, why.code(), why.text(), then, store);
    }
}

/// The ticket of this command; `None` while the store has none.
fn claimed<'a, S: Store>(ticket: &'a mut Option<Ticket>, store: &mut S) -> Option<&'a Ticket> {
    if ticket.is_none() {
        *ticket = store.claim();
    }
    ticket.as_ref()
}

impl<S: Store> Session<S> for Files {
    fn receive(&mut self, now: Instant, rx: &[u8], store: &mut S) -> usize {
        let Some(rx) = self.opening.admit(rx) else {
            self.line.clear();
            let line = format_args!("ERROR bad-request this is R2's files service{NO_WEB_SERVER}");
            self.refuse_with(now, line, Then::Close, store);
            return rx.len();
        };
        let mut taken = 0;
        while let Some(rest) = rx.get(taken..)
            && !rest.is_empty()
        {
            if self.holds_some() {
                self.advance(now, store);
                if self.holds_some() {
                    break;
                }
                continue;
            }
            self.is_eager |= self.owes_send();
            let count = match self.step {
                Step::Command if self.outbox.is_empty() => self.read_command(now, rest, store),
                Step::Either => self.look(now, rest, store),
                Step::Skip { count } => self.skip(now, rest, count, store),
                Step::Receive { left } => self.store_bytes(now, rest, left, store),
                Step::Closing { .. } | Step::Aborting => rest.len(),
                _ => 0,
            };
            if count == 0 {
                break;
            }
            taken = taken.saturating_add(count);
        }
        self.opening.taken(taken);
        taken
    }

    fn transmit(&mut self, now: Instant, tx: &mut [u8], store: &mut S) -> usize {
        if self.discard_until().is_some_and(|end| now >= end) {
            self.step = Step::Aborting;
        }
        self.advance(now, store);
        self.tell_progress(now, store);
        let mut filled = 0;
        loop {
            let behind = tx
                .get_mut(filled..)
                .or_bug("no more is filled than there is room");
            filled = filled.saturating_add(self.outbox.drain_into(behind));
            let room = tx
                .get_mut(filled..)
                .or_bug("no more is filled than there is room");
            match self.step {
                _ if !self.outbox.is_empty() => return filled,
                Step::Send { offset, length } => {
                    return filled.saturating_add(self.send(offset, length, room, store));
                }
                Step::List => {
                    if !self.list(now, store) {
                        return filled;
                    }
                }
                Step::Found => {
                    self.seal(now, store);
                    if self.outbox.is_empty() {
                        return filled;
                    }
                }
                _ => return filled,
            }
        }
    }

    fn finished(&mut self, now: Instant, store: &mut S) {
        self.peer_finished = true;
        match self.step {
            Step::Command if !self.line.is_empty() => self.obey(now, store),
            Step::Receive { left } if !self.holds_some() => self.cut_short(left, store),
            Step::Either => self.either_ended(now, store),
            Step::Skip { count } => self.skip_ended(count, store),
            _ => {}
        }
    }

    fn over(&mut self, _now: Instant, _how: Over, store: &mut S) {
        self.keep_held(store);
        self.done(store);
    }

    fn poll_at(&self) -> Option<Instant> {
        self.discard_until().or(self.tells_at())
    }

    fn wants(&self) -> Wants {
        match self.step {
            Step::Aborting => Wants::Abort,
            Step::Closing { .. } if self.outbox.is_empty() => Wants::Close,
            Step::Command if self.peer_finished && self.outbox.is_empty() => Wants::Close,
            _ => Wants::Nothing,
        }
    }
}

impl Files {
    fn discard_until(&self) -> Option<Instant> {
        match self.step {
            Step::Closing { since } if !self.peer_finished => Some(since + DISCARD_FOR),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
