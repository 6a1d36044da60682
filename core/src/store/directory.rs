//! What a store on a board knows of its files, whatever their bytes lie in: names, states, who works with which.

use super::{Digest, Entry, StoreError, Ticket, Usage};
use crate::limits::STORE_TICKETS;
use crate::name::{Name, PARTIAL, UNCONFIRMED};

/// Where the bytes of one file lie.
pub trait Bytes {
    /// Those of a file without any.
    const EMPTY: Self;

    /// How many there are.
    fn length(&self) -> u64;
}

/// A place for one file.
#[derive(Debug)]
pub struct File<B> {
    /// The final name; `None` when the place is free, or when only readers hold what is left of the file.
    pub(super) name: Option<Name>,
    pub(super) state: State,
    /// Length and SHA-256 of a named file.
    pub(super) announced: Option<(u64, Option<Digest>)>,
    pub(super) sha256: Digest,
    pub(super) bytes: B,
}

impl<B: Bytes> File<B> {
    /// A free place.
    pub const EMPTY: Self = Self {
        name: None,
        state: State::Arriving,
        announced: None,
        sha256: [0; 32],
        bytes: B::EMPTY,
    };

    /// The name under which a peer sees it; `None` while it arrives.
    fn listed(&self) -> Option<Name> {
        let name = self.name.as_ref()?;
        match self.state {
            State::Arriving => None,
            State::Partial => Some(name.with_ending(PARTIAL)),
            State::Unconfirmed => Some(name.with_ending(UNCONFIRMED)),
            State::Sealed | State::Whole => Some(name.clone()),
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.bytes.length()
    }

    pub(super) fn entry(&self) -> Option<Entry> {
        Some(Entry {
            name: self.listed()?,
            length: self.length(),
            sha256: self.sha256,
        })
    }

    pub(super) fn is(&self, name: &Name, state: State) -> bool {
        self.state == state && self.name.as_ref() == Some(name)
    }

    /// Whether its length, and `sha256`, are what was announced.
    pub(super) fn is_as_announced(&self, sha256: &Digest) -> bool {
        self.announced.as_ref().is_none_or(|(length, announced)| {
            *length == self.length() && announced.as_ref().is_none_or(|announced| announced == sha256)
        })
    }

    /// The state of an upload that is complete.
    pub(super) const fn sealed(&self) -> State {
        if self.announced.is_some() {
            State::Whole
        } else {
            State::Sealed
        }
    }

    /// The state that an upload has earned whose ticket is given back; `None` when nothing of it is kept.
    pub(super) fn left(&self) -> Option<State> {
        match self.state {
            State::Arriving | State::Sealed if self.length() == 0 => None,
            State::Arriving => Some(State::Partial),
            State::Sealed => Some(State::Unconfirmed),
            state => Some(state),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A ticket holds it and appends.
    Arriving,
    /// Broken off.
    Partial,
    /// A numbered upload with its receipt on the way.
    Sealed,
    /// A numbered upload whose receipt was not seen to arrive.
    Unconfirmed,
    /// Complete.
    Whole,
}

/// What the holder of a ticket does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Nothing,
    Writing(usize),
    Reading(usize),
    /// An upload that was ended by an error after so many bytes.
    Ended(u64),
}

impl Work {
    const fn file(self) -> Option<usize> {
        match self {
            Self::Writing(index) | Self::Reading(index) => Some(index),
            Self::Nothing | Self::Ended(_) => None,
        }
    }
}

/// How a named upload begins.
pub(super) enum Beginning {
    /// That very file is there already, and the ticket reads it.
    There(usize),
    /// What was broken off goes on.
    Resumed(usize),
    /// From its first byte on, in place of what was broken off, if anything was.
    Anew(Option<usize>),
}

/// The files of a store and the tickets of those who work with them.
pub(super) struct Directory<'a, B> {
    pub(super) files: &'a mut [File<B>],
    tickets: [Option<Work>; STORE_TICKETS],
    max_file: u64,
    revision: u32,
}

impl<'a, B: Bytes> Directory<'a, B> {
    /// An empty one. What the slice held is forgotten.
    pub(super) fn new(files: &'a mut [File<B>], max_file: u64) -> Self {
        files.fill_with(|| File::EMPTY);
        Self {
            files,
            tickets: [None; STORE_TICKETS],
            max_file,
            revision: 0,
        }
    }

    pub(super) fn claim(&mut self) -> Option<Ticket> {
        let index = self.tickets.iter().position(Option::is_none)?;
        let ticket = Ticket::new(u16::try_from(index).ok()?);
        self.set_work(&ticket, Work::Nothing);
        Some(ticket)
    }

    pub(super) fn work(&self, ticket: &Ticket) -> Work {
        self.tickets
            .get(ticket.index())
            .copied()
            .flatten()
            .unwrap_or(Work::Nothing)
    }

    pub(super) fn set_work(&mut self, ticket: &Ticket, work: Work) {
        if let Some(place) = self.tickets.get_mut(ticket.index()) {
            *place = Some(work);
        }
    }

    /// The file that the ticket writes.
    pub(super) fn writing(&self, ticket: &Ticket) -> Result<usize, StoreError> {
        match self.work(ticket) {
            Work::Writing(index) => Ok(index),
            _ => Err(StoreError::Io),
        }
    }

    /// The file that the ticket reads.
    pub(super) fn reading(&self, ticket: &Ticket) -> Result<&File<B>, StoreError> {
        match self.work(ticket) {
            Work::Reading(index) => self.files.get(index).ok_or(StoreError::Io),
            _ => Err(StoreError::Io),
        }
    }

    /// The file that the ticket's upload found there already, if it was not deleted a moment ago.
    pub(super) fn found(&self, ticket: &Ticket) -> Result<Entry, StoreError> {
        self.reading(ticket)?.entry().ok_or(StoreError::NotFound)
    }

    /// How many bytes the ticket's file has.
    pub(super) fn written(&self, ticket: &Ticket) -> u64 {
        match self.work(ticket) {
            Work::Writing(index) | Work::Reading(index) => self.files.get(index).map_or(0, File::length),
            Work::Ended(written) => written,
            Work::Nothing => 0,
        }
    }

    /// Takes the ticket back; what it wrote must have been left. Returns the bytes of a file that nobody needs any
    /// more.
    pub(super) fn give_back(&mut self, ticket: &Ticket) -> Option<B> {
        let file = self.work(ticket).file();
        if let Some(place) = self.tickets.get_mut(ticket.index()) {
            *place = None;
        }
        self.news();
        let index = file.filter(|&index| self.files.get(index).is_some_and(|file| file.name.is_none()))?;
        self.free_unless_held(index)
    }

    /// The front of `bytes` that a file may grow by.
    pub(super) fn allowed<'b>(&self, index: usize, bytes: &'b [u8]) -> &'b [u8] {
        let length = self.files.get(index).map_or(0, File::length);
        let allowed = usize::try_from(self.max_file.saturating_sub(length)).unwrap_or(usize::MAX);
        bytes.split_at(bytes.len().min(allowed)).0
    }

    pub(super) fn revision(&self) -> u32 {
        self.revision
    }

    /// A call that was pending may have its answer.
    pub(super) fn news(&mut self) {
        self.revision = self.revision.wrapping_add(1);
    }

    pub(super) fn is_held(&self, index: usize) -> bool {
        self.tickets
            .iter()
            .flatten()
            .any(|work| work.file() == Some(index))
    }

    pub(super) fn position(&self, matches: impl Fn(&File<B>) -> bool) -> Option<usize> {
        self.files.iter().position(matches)
    }

    /// The file that a peer knows by `name`.
    pub(super) fn find(&self, name: &Name) -> Result<usize, StoreError> {
        let found = self
            .position(|file| file.listed().as_ref() == Some(name))
            .or_else(|| self.position(|file| file.is(name, State::Unconfirmed)));
        found.ok_or(if self.is_arriving(name) {
            StoreError::Busy
        } else {
            StoreError::NotFound
        })
    }

    fn is_arriving(&self, name: &Name) -> bool {
        let arriving = |file: &File<B>| {
            file.state == State::Arriving && file.name.as_ref().is_some_and(|own| own.as_str() == name.stem())
        };
        self.files.iter().any(arriving)
    }

    pub(super) fn open(&mut self, ticket: &Ticket, name: &Name) -> Result<Entry, StoreError> {
        let index = self.find(name)?;
        self.set_work(ticket, Work::Reading(index));
        let entry = self.files.get(index).and_then(File::entry);
        entry.ok_or(StoreError::NotFound)
    }

    pub(super) fn next(&self, after: Option<&Name>) -> Option<Entry> {
        let entries = self.files.iter().filter_map(File::entry);
        let following = entries.filter(|entry| after.is_none_or(|after| entry.name > *after));
        following.min_by(|a, b| a.name.cmp(&b.name))
    }

    pub(super) fn usage(&self) -> Usage {
        let listed = self.files.iter().filter_map(File::entry);
        listed.fold(Usage::default(), |sum, entry| Usage {
            files: sum.files.saturating_add(1),
            bytes: sum.bytes.saturating_add(entry.length),
        })
    }

    /// The name of the next numbered upload; no space when the numbers have run out.
    pub(super) fn next_numbered(&self) -> Result<Name, StoreError> {
        let numbers = self.files.iter().filter_map(|file| file.name.as_ref()?.number());
        let highest = numbers.max().unwrap_or(0);
        let next = highest.checked_add(1).ok_or(StoreError::NoSpace)?;
        Ok(Name::numbered(next))
    }

    /// Decides how the upload of `name` begins.
    pub(super) fn begin_named(
        &mut self,
        ticket: &Ticket,
        name: &Name,
        length: u64,
        sha256: Option<Digest>,
    ) -> Result<Beginning, StoreError> {
        if self.is_arriving(name) {
            return Err(StoreError::Busy);
        }
        if length > self.max_file {
            return Err(StoreError::TooLarge);
        }
        let same = |file: &File<B>| file.length() == length && sha256 == Some(file.sha256);
        if let Some(index) = self.position(|file| file.is(name, State::Whole) && same(file)) {
            self.set_work(ticket, Work::Reading(index));
            return Ok(Beginning::There(index));
        }
        let partial = self.position(|file| file.is(name, State::Partial));
        let resumable = |index: &usize| {
            let file = self.files.get(*index);
            sha256.is_some()
                && file.is_some_and(|file| file.announced == Some((length, sha256)))
                && !self.is_held(*index)
        };
        Ok(match partial.filter(resumable) {
            Some(index) => Beginning::Resumed(index),
            None => Beginning::Anew(partial),
        })
    }

    /// Puts a new file into a free place and gives it to the ticket; `None` when no place is free.
    pub(super) fn begin(
        &mut self,
        ticket: &Ticket,
        name: Name,
        announced: Option<(u64, Option<Digest>)>,
        bytes: B,
    ) -> Option<usize> {
        let is_free = |&index: &usize| {
            let nameless = self.files.get(index).is_some_and(|file| file.name.is_none());
            nameless && !self.is_held(index)
        };
        let index = (0..self.files.len()).find(is_free)?;
        *self.files.get_mut(index)? = File {
            name: Some(name),
            announced,
            bytes,
            ..File::EMPTY
        };
        self.set_work(ticket, Work::Writing(index));
        Some(index)
    }

    /// Takes the name from a file. Returns its bytes, unless somebody still reads them.
    pub(super) fn unlink(&mut self, index: usize) -> Option<B> {
        self.files.get_mut(index)?.name = None;
        self.free_unless_held(index)
    }

    /// Takes the name from the file that a new one of that name replaces. Returns its bytes, unless somebody still
    /// reads them.
    pub(super) fn unlink_replaced(&mut self, name: &Name) -> Option<B> {
        let old = self.position(|file| file.is(name, State::Whole))?;
        self.unlink(old)
    }

    /// Ends an upload by an error: nothing of it is kept. Returns its bytes.
    pub(super) fn end(&mut self, ticket: &Ticket) -> Option<B> {
        let ended = Work::Ended(self.written(ticket));
        let file = self.work(ticket).file();
        self.set_work(ticket, ended);
        let file = self.files.get_mut(file?)?;
        Some(core::mem::replace(file, File::EMPTY).bytes)
    }

    fn free_unless_held(&mut self, index: usize) -> Option<B> {
        if self.is_held(index) {
            return None;
        }
        let file = self.files.get_mut(index)?;
        Some(core::mem::replace(file, File::EMPTY).bytes)
    }
}
