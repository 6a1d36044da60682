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
/// the whole file, whatever R2 has of it. Both are served, whenever the bytes come, and none of them is a command:
///
/// - Behind a plain `PUT` the first byte tells. Of a part, R2 asks for the last byte that is not like the file's first one,
///   and for all behind it: then the whole file begins with the first byte, and what was asked for with another. What R2
///   has is skipped. Where none of the last [`ENDS_MAX`](crate::limits::ENDS_MAX) bytes is another, R2 asks for all.
/// - Where that very file is there, R2 asks for nothing, and a command may follow, or the file. Where the file itself begins
///   like a command, R2 asks for some of it again, as of a part.
/// - Behind `PUT <name> <length> <sha256> resume` the peer waits, and this is its last command: R2 asks for no byte that it
///   has, and closes behind its answer.
///
/// A mismatch of what was asked for, from an offset above 0, closes; so does a first line that is no command behind a
/// file that was there.
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
    /// `PUT`: what was asked for follows, or the whole file, of whose front so much has come.
    Either { matched: usize },
    /// `PUT`: so many bytes follow that R2 has.
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
    /// A `PUT` of a whole file.
    Put,
    /// A `PUT` of the rest of one.
    RestOfPut,
    /// A `PUT` of a file that is there, of which no byte came.
    File,
    /// A `PUT` with `resume`: the peer may have sent more than was asked for.
    Resume,
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

/// What `HELP` is answered with.
const HELP: &str =
    "* commands: PUT <name> <length> [<sha256>], GET <name> [<offset>], LIST, DEL <name>, HELP\n";

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
            Ok(Request::Help) => {
                self.line.clear();
                return self.outbox.write_str(HELP).or_bug("it is shorter than an answer");
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
            let count = match self.step {
                Step::Command if self.outbox.is_empty() => self.read_command(now, rest, store),
                Step::Either { matched } if self.outbox.is_empty() => self.look(now, rest, matched, store),
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
                _ => return filled,
            }
        }
    }

    fn finished(&mut self, now: Instant, store: &mut S) {
        self.peer_finished = true;
        match self.step {
            Step::Command if !self.line.is_empty() => self.obey(now, store),
            Step::Receive { left } => self.cut_short(left, store),
            _ => self.body_ended(store),
        }
    }

    fn over(&mut self, _now: Instant, _how: Over, store: &mut S) {
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
