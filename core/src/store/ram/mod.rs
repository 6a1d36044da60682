//! [`RamStore`]: files in borrowed memory, for boards and for tests.

mod blocks;

use core::task::Poll;

use sha2::{Digest as _, Sha256};

pub use self::blocks::Block;
use self::blocks::{Blocks, Chain};
use super::{Created, Digest, Entry, Store, StoreError, Ticket, Upload, Usage};
use crate::limits::RAM_TICKETS;
use crate::name::{Name, PARTIAL, UNCONFIRMED};

/// A store in memory that somebody else owns. Every call is answered at once; nothing outlives the power.
///
/// Bytes lie in blocks that all files share. A file is hashed when it is sealed: that call takes time in
/// proportion to its length.
pub struct RamStore<'a> {
    blocks: Blocks<'a>,
    files: &'a mut [File],
    tickets: [Option<Work>; RAM_TICKETS],
    max_file: u64,
    revision: u32,
}

/// A place for one file.
#[derive(Debug)]
pub struct File {
    /// The final name; `None` when the place is free, or when only readers hold what is left of the file.
    name: Option<Name>,
    state: State,
    announced: Option<(u64, Option<Digest>)>,
    sha256: Digest,
    bytes: Chain,
}

impl File {
    /// A free place.
    pub const EMPTY: Self = Self {
        name: None,
        state: State::Arriving,
        announced: None,
        sha256: [0; 32],
        bytes: Chain::EMPTY,
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

    fn length(&self) -> u64 {
        self.bytes.length() as u64
    }

    fn entry(&self) -> Option<Entry> {
        Some(Entry {
            name: self.listed()?,
            length: self.length(),
            sha256: self.sha256,
        })
    }

    fn is(&self, name: &Name, state: State) -> bool {
        self.state == state && self.name.as_ref() == Some(name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
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
enum Work {
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

impl<'a> RamStore<'a> {
    /// An empty store that holds at most `files.len()` files, of at most `max_file` bytes each, in `blocks`. What
    /// the slices held is forgotten.
    pub fn new(blocks: &'a mut [Block], files: &'a mut [File], max_file: u64) -> Self {
        files.fill_with(|| File::EMPTY);
        Self {
            blocks: Blocks::new(blocks),
            files,
            tickets: [None; RAM_TICKETS],
            max_file,
            revision: 0,
        }
    }

    fn work(&self, ticket: &Ticket) -> Work {
        self.tickets
            .get(ticket.index())
            .copied()
            .flatten()
            .unwrap_or(Work::Nothing)
    }

    fn set_work(&mut self, ticket: &Ticket, work: Option<Work>) {
        if let Some(place) = self.tickets.get_mut(ticket.index()) {
            *place = work;
        }
    }

    fn is_held(&self, index: usize) -> bool {
        self.tickets
            .iter()
            .flatten()
            .any(|work| work.file() == Some(index))
    }

    fn position(&self, matches: impl Fn(&File) -> bool) -> Option<usize> {
        self.files.iter().position(matches)
    }

    /// The file that a peer knows by `name`.
    fn find(&self, name: &Name) -> Option<usize> {
        self.position(|file| file.listed().as_ref() == Some(name))
            .or_else(|| self.position(|file| file.is(name, State::Unconfirmed)))
    }

    fn is_arriving(&self, name: &Name) -> bool {
        let arriving = |file: &File| {
            file.state == State::Arriving && file.name.as_ref().is_some_and(|own| own.as_str() == name.stem())
        };
        self.files.iter().any(arriving)
    }

    fn free_place(&self) -> Option<usize> {
        (0..self.files.len())
            .find(|&index| self.files.get(index).is_some_and(|f| f.name.is_none()) && !self.is_held(index))
    }

    /// Takes the name from a file; its bytes go when nobody reads them any more.
    fn unlink(&mut self, index: usize) {
        if let Some(file) = self.files.get_mut(index) {
            file.name = None;
            if !self.is_held(index) {
                self.free(index);
            }
        }
    }

    fn free(&mut self, index: usize) {
        if let Some(file) = self.files.get_mut(index) {
            self.blocks.give_back(core::mem::take(&mut file.bytes));
            *file = File::EMPTY;
        }
    }

    fn hash(&self, bytes: &Chain) -> Digest {
        let mut sha256 = Sha256::new();
        for piece in self.blocks.pieces(bytes) {
            sha256.update(piece);
        }
        sha256.finalize().into()
    }

    fn next_number(&self) -> Option<u32> {
        let numbers = self.files.iter().filter_map(|file| file.name.as_ref()?.number());
        numbers.max().map_or(Some(1), |highest| highest.checked_add(1))
    }

    /// Puts a new file into a free place and gives it to the ticket.
    fn begin(
        &mut self,
        ticket: &Ticket,
        name: Name,
        announced: Option<(u64, Option<Digest>)>,
    ) -> Result<Created, StoreError> {
        let index = self.free_place().ok_or(StoreError::NoSpace)?;
        if let Some(file) = self.files.get_mut(index) {
            *file = File {
                name: Some(name.clone()),
                announced,
                ..File::EMPTY
            };
        }
        self.set_work(ticket, Some(Work::Writing(index)));
        Ok(Created { name, offset: 0 })
    }

    fn create_named(
        &mut self,
        ticket: &Ticket,
        name: &Name,
        length: u64,
        sha256: Option<Digest>,
    ) -> Result<Created, StoreError> {
        if self.is_arriving(name) {
            return Err(StoreError::Busy);
        }
        if length > self.max_file {
            return Err(StoreError::TooLarge);
        }
        let same = |file: &File| file.length() == length && sha256 == Some(file.sha256);
        if let Some(index) = self.position(|file| file.is(name, State::Whole) && same(file)) {
            self.set_work(ticket, Some(Work::Reading(index)));
            let name = name.clone();
            return Ok(Created { name, offset: length });
        }
        let partial = self.position(|file| file.is(name, State::Partial));
        let read_by_somebody = partial.is_some_and(|index| self.is_held(index));
        let resumable = |file: &File| sha256.is_some() && file.announced == Some((length, sha256));
        if let Some(index) = partial
            && let Some(file) = self.files.get_mut(index)
            && resumable(file)
            && !read_by_somebody
        {
            if length - file.length() > self.blocks.free_bytes() as u64 {
                return Err(StoreError::NoSpace);
            }
            file.state = State::Arriving;
            let offset = file.length();
            self.set_work(ticket, Some(Work::Writing(index)));
            let name = name.clone();
            return Ok(Created { name, offset });
        }
        if let Some(index) = partial {
            self.unlink(index);
        }
        if length > self.blocks.free_bytes() as u64 {
            return Err(StoreError::NoSpace);
        }
        self.begin(ticket, name.clone(), Some((length, sha256)))
    }

    /// Ends an upload by an error: nothing of it is kept.
    fn end(&mut self, ticket: &Ticket, index: usize, why: StoreError) -> StoreError {
        self.set_work(ticket, Some(Work::Ended(self.written(ticket))));
        self.free(index);
        why
    }

    fn take(&mut self, ticket: &Ticket, bytes: &[u8]) -> Result<usize, StoreError> {
        let Work::Writing(index) = self.work(ticket) else {
            return Err(StoreError::Io);
        };
        let Some(file) = self.files.get_mut(index) else {
            return Err(StoreError::Io);
        };
        if bytes.is_empty() {
            return Ok(0);
        }
        let allowed = usize::try_from(self.max_file - file.length()).unwrap_or(usize::MAX);
        let (fits, _) = bytes.split_at(bytes.len().min(allowed));
        match self.blocks.append(&mut file.bytes, fits) {
            0 if fits.is_empty() => Err(self.end(ticket, index, StoreError::TooLarge)),
            0 => Err(self.end(ticket, index, StoreError::NoSpace)),
            taken => Ok(taken),
        }
    }

    fn seal_written(&mut self, ticket: &Ticket, index: usize) -> Result<Entry, StoreError> {
        let (bytes, announced, name) = match self.files.get(index) {
            Some(file) => (file.bytes, file.announced, file.name.clone()),
            None => return Err(StoreError::Io),
        };
        let Some(name) = name else {
            return Err(StoreError::Io);
        };
        let digest = self.hash(&bytes);
        let as_announced = announced.is_none_or(|(length, sha256)| {
            length == bytes.length() as u64 && sha256.is_none_or(|sha256| sha256 == digest)
        });
        if !as_announced {
            return Err(self.end(ticket, index, StoreError::Mismatch));
        }
        if let Some(old) = self.position(|file| file.is(&name, State::Whole)) {
            self.unlink(old);
        }
        let Some(file) = self.files.get_mut(index) else {
            return Err(StoreError::Io);
        };
        file.sha256 = digest;
        file.state = if announced.is_some() {
            State::Whole
        } else {
            State::Sealed
        };
        file.entry().ok_or(StoreError::Io)
    }

    /// Leaves a broken upload, or one without a confirmation, in the state that it has earned.
    fn leave(&mut self, index: usize) {
        let Some(file) = self.files.get(index) else {
            return;
        };
        let empty = file.bytes.length() == 0;
        let left = match file.state {
            State::Arriving | State::Sealed if empty => None,
            State::Arriving => Some((State::Partial, self.hash(&file.bytes))),
            State::Sealed => Some((State::Unconfirmed, file.sha256)),
            state => Some((state, file.sha256)),
        };
        match (left, self.files.get_mut(index)) {
            (Some((state, sha256)), Some(file)) => (file.state, file.sha256) = (state, sha256),
            _ => self.unlink(index),
        }
    }

    fn give_back(&mut self, ticket: &Ticket) {
        let file = self.work(ticket).file();
        self.set_work(ticket, None);
        self.revision = self.revision.wrapping_add(1);
        if let Some(index) = file
            && self.files.get(index).is_some_and(|file| file.name.is_none())
            && !self.is_held(index)
        {
            self.free(index);
        }
    }
}

impl Store for RamStore<'_> {
    fn claim(&mut self) -> Option<Ticket> {
        let index = self.tickets.iter().position(Option::is_none)?;
        let ticket = Ticket::new(u16::try_from(index).ok()?);
        self.set_work(&ticket, Some(Work::Nothing));
        Some(ticket)
    }

    fn create(&mut self, ticket: &Ticket, upload: Upload<'_>) -> Poll<Result<Created, StoreError>> {
        Poll::Ready(match upload {
            Upload::Numbered => match self.next_number() {
                Some(number) => self.begin(ticket, Name::numbered(number), None),
                None => Err(StoreError::NoSpace),
            },
            Upload::Named { name, length, sha256 } => self.create_named(ticket, name, length, sha256),
        })
    }

    fn append(&mut self, ticket: &Ticket, bytes: &[u8]) -> Poll<Result<usize, StoreError>> {
        Poll::Ready(self.take(ticket, bytes))
    }

    fn written(&self, ticket: &Ticket) -> u64 {
        match self.work(ticket) {
            Work::Writing(index) | Work::Reading(index) => self.files.get(index).map_or(0, File::length),
            Work::Ended(written) => written,
            Work::Nothing => 0,
        }
    }

    fn seal(&mut self, ticket: &Ticket) -> Poll<Result<Entry, StoreError>> {
        Poll::Ready(match self.work(ticket) {
            Work::Writing(index) => self.seal_written(ticket, index),
            // That very file was there already, if it was not deleted a moment ago.
            Work::Reading(index) => self
                .files
                .get(index)
                .and_then(File::entry)
                .ok_or(StoreError::NotFound),
            Work::Nothing | Work::Ended(_) => Err(StoreError::Io),
        })
    }

    fn confirm(&mut self, ticket: Ticket) {
        if let Work::Writing(index) = self.work(&ticket)
            && let Some(file) = self.files.get_mut(index)
            && file.state == State::Sealed
        {
            file.state = State::Whole;
        }
        self.give_back(&ticket);
    }

    fn release(&mut self, ticket: Ticket) {
        if let Work::Writing(index) = self.work(&ticket) {
            self.leave(index);
        }
        self.give_back(&ticket);
    }

    fn open(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<Entry, StoreError>> {
        let Some(index) = self.find(name) else {
            let busy = self.is_arriving(name);
            return Poll::Ready(Err(if busy {
                StoreError::Busy
            } else {
                StoreError::NotFound
            }));
        };
        self.set_work(ticket, Some(Work::Reading(index)));
        Poll::Ready(
            self.files
                .get(index)
                .and_then(File::entry)
                .ok_or(StoreError::NotFound),
        )
    }

    fn read(&mut self, ticket: &Ticket, offset: u64, into: &mut [u8]) -> Poll<Result<usize, StoreError>> {
        let file = match self.work(ticket) {
            Work::Reading(index) => self.files.get(index),
            _ => None,
        };
        Poll::Ready(match (file, usize::try_from(offset)) {
            (Some(file), Ok(offset)) => Ok(self.blocks.read(&file.bytes, offset, into)),
            (Some(_), Err(_)) => Ok(0),
            (None, _) => Err(StoreError::Io),
        })
    }

    fn next(&mut self, _ticket: &Ticket, after: Option<&Name>) -> Poll<Result<Option<Entry>, StoreError>> {
        let entries = self.files.iter().filter_map(File::entry);
        let following = entries.filter(|entry| after.is_none_or(|after| entry.name > *after));
        Poll::Ready(Ok(following.min_by(|a, b| a.name.cmp(&b.name))))
    }

    fn delete(&mut self, _ticket: &Ticket, name: &Name) -> Poll<Result<(), StoreError>> {
        let Some(index) = self.find(name) else {
            let busy = self.is_arriving(name);
            return Poll::Ready(Err(if busy {
                StoreError::Busy
            } else {
                StoreError::NotFound
            }));
        };
        self.unlink(index);
        Poll::Ready(Ok(()))
    }

    fn usage(&self) -> Usage {
        let listed = self.files.iter().filter_map(File::entry);
        listed.fold(Usage::default(), |sum, entry| Usage {
            files: sum.files + 1,
            bytes: sum.bytes + entry.length,
        })
    }

    fn revision(&self) -> u32 {
        self.revision
    }
}
