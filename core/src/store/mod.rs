//! Where files rest: what a session asks of a store, whatever the store is made of.
//!
//! A store never waits. A call that cannot be answered yet returns [`Poll::Pending`]: call it again with the same
//! arguments once [`Store::revision`] has changed. Every call but [`Store::claim`] names the [`Ticket`] on whose
//! behalf it is made; a ticket has at most one call pending.
//!
//! An upload goes `create`, `append`…, `seal`, and ends by `confirm` or `release`. What it is called meanwhile is
//! its state after a crash too:
//!
//! | state | numbered | named |
//! |---|---|---|
//! | bytes are arriving | `drop-0001.partial` | `NAME.partial` |
//! | sealed | `drop-0001.unconfirmed` | `NAME` |
//! | confirmed | `drop-0001` | |

use core::task::Poll;

mod directory;
#[cfg(feature = "flash")]
pub mod flash;
pub mod ram;

use sha2::{Digest as _, Sha256};

use crate::limits::ENDS_MAX;
use crate::name::Name;

/// A SHA-256 (FIPS 180-4).
pub type Digest = [u8; 32];

/// Hashes `pieces`, one behind the other.
pub fn sha256(pieces: &mut dyn Iterator<Item = &[u8]>) -> Digest {
    let mut sha256 = Sha256::new();
    for piece in pieces {
        sha256.update(piece);
    }
    sha256.finalize().into()
}

/// A place in the store that one session holds while it works with a file. A bounded number of them exists.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ticket(u16);

impl Ticket {
    /// The ticket of place `index`. For stores: a session gets its ticket from [`Store::claim`].
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// Which of the store's places this is.
    pub const fn index(&self) -> usize {
        self.0 as usize
    }
}

/// What is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload<'a> {
    /// A file under the next number: the highest that the store holds or has reserved, whatever its ending, plus
    /// one.
    Numbered,
    /// A file of a name, whose length in bytes and perhaps SHA-256 were announced.
    Named {
        /// The final name. Never one of [`Name::is_reserved`].
        name: &'a Name,
        /// How many bytes it has.
        length: u64,
        /// What they must add up to.
        sha256: Option<Digest>,
    },
}

/// How bytes begin and end that a store has; empty where it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The first [`ENDS_MAX`] bytes, or all where there are fewer.
    pub front: heapless::Vec<u8, ENDS_MAX>,
    /// The last as many.
    pub back: heapless::Vec<u8, ENDS_MAX>,
}

impl Ends {
    /// The ends of `length` bytes. `read` fills its room with those from an offset on, and returns how many bytes that is.
    pub fn read(
        length: u64,
        mut read: impl FnMut(u64, &mut [u8]) -> Result<usize, StoreError>,
    ) -> Result<Self, StoreError> {
        let mut piece = |offset| {
            let mut room = [0; ENDS_MAX];
            let filled = read(offset, &mut room)?;
            Ok(heapless::Vec::from_slice(room.get(..filled).unwrap_or_default()).unwrap_or_default())
        };
        Ok(Self {
            front: piece(0)?,
            back: piece(length.saturating_sub(ENDS_MAX as u64))?,
        })
    }
}

/// An upload that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The final name: for a numbered upload, `drop-` and its number.
    pub name: Name,
    /// From which byte on the store needs the file: more than 0 where a partial upload of the same name, length
    /// and SHA-256 rests, the whole length where that very file is there already.
    pub offset: u64,
    /// The ends of those `offset` bytes that the store has.
    pub ends: Ends,
}

/// A file of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Name,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// How much the store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of files.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
}

/// Why a store said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum StoreError {
    /// No file of that name. The peer's fault.
    NotFound,
    /// The store is full.
    NoSpace,
    /// The file is larger than the store takes of one file.
    TooLarge,
    /// Another session is writing that file. Try again when it is done.
    Busy,
    /// The bytes do not add up to the announced SHA-256. The peer's fault, or its wire's.
    Mismatch,
    /// The device below failed.
    Io,
    /// What the store is made of is no longer there.
    Gone,
}

impl StoreError {
    /// The code word of the files protocol.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::NoSpace => "no-space",
            Self::TooLarge => "too-large",
            Self::Busy => "busy",
            Self::Mismatch => "mismatch",
            Self::Io | Self::Gone => "io",
        }
    }

    /// What it means, for a reader.
    pub const fn text(self) -> &'static str {
        match self {
            Self::NotFound => "no such file",
            Self::NoSpace => "no space",
            Self::TooLarge => "too large",
            Self::Busy => "another connection is writing it",
            Self::Mismatch => "the bytes do not add up to the SHA-256",
            Self::Io => "the store failed",
            Self::Gone => "the store is gone",
        }
    }
}

/// Files, kept.
///
/// Names: a numbered upload that is sealed and still held by its ticket is known to [`open`](Self::open),
/// [`next`](Self::next) and [`delete`](Self::delete) by its final name, `drop-0001`. Once it was released
/// unconfirmed, `next` lists it as `drop-0001.unconfirmed`, and `open` and `delete` find it under either name.
/// An upload that is not sealed is not listed, and [`StoreError::Busy`] to `open`, `delete` and `create`.
pub trait Store {
    /// A free ticket; `None` when all are held: offer again later.
    fn claim(&mut self) -> Option<Ticket>;

    /// Begins an upload. A named one keeps the old file of that name whole until it is sealed.
    ///
    /// [`StoreError::NoSpace`] and [`StoreError::TooLarge`] when the announced length cannot fit,
    /// [`StoreError::Busy`] when that name is being uploaded.
    fn create(&mut self, ticket: &Ticket, upload: Upload<'_>) -> Poll<Result<Created, StoreError>>;

    /// Takes bytes from the front of `bytes` and returns how many, at least 1. Pending when none can be taken now.
    /// An empty slice only asks what has become of bytes taken earlier: 0 or an error, never pending.
    ///
    /// An error may concern bytes taken earlier. It ends the upload: nothing of it is kept under any name.
    fn append(&mut self, ticket: &Ticket, bytes: &[u8]) -> Poll<Result<usize, StoreError>>;

    /// How many bytes of the upload have been written; after [`StoreError::NoSpace`] or
    /// [`StoreError::TooLarge`], how many had fitted.
    fn written(&self, ticket: &Ticket) -> u64;

    /// The upload is complete: checks a named one against what was announced, makes it durable, and gives it
    /// the name of its sealed state. Errors end the upload as in [`append`](Self::append).
    fn seal(&mut self, ticket: &Ticket) -> Poll<Result<Entry, StoreError>>;

    /// Gives a sealed numbered upload its final name and the ticket back. It does not wait: should the rename
    /// fail, the file stays unconfirmed.
    fn confirm(&mut self, ticket: Ticket);

    /// Gives the ticket back. An upload that was not sealed stays as `.partial`, a sealed numbered one as
    /// `.unconfirmed`; of a numbered one without a byte nothing stays. A call that was pending is forgotten.
    fn release(&mut self, ticket: Ticket);

    /// Opens a file for [`read`](Self::read). The bytes read belong to this entry even if the name is replaced
    /// or deleted meanwhile.
    fn open(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<Entry, StoreError>>;

    /// Reads from byte `offset` of the opened file into the front of `into` and returns how many bytes; 0 at the
    /// end of the file or when `into` is empty.
    fn read(&mut self, ticket: &Ticket, offset: u64, into: &mut [u8]) -> Poll<Result<usize, StoreError>>;

    /// The first file whose name follows `after` in the order of bytes, `None` for the very first; `Ok(None)`
    /// when there is no further one. A file that cannot be read is left out.
    fn next(&mut self, ticket: &Ticket, after: Option<&Name>) -> Poll<Result<Option<Entry>, StoreError>>;

    /// Deletes a file, durably.
    fn delete(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<(), StoreError>>;

    /// How much of a file has been hashed, in percent, for which the ticket's pending call waits; `None` while it waits
    /// for something else. A store that knows every digest has nothing to say.
    fn hashing(&self, ticket: &Ticket) -> Option<u8> {
        let _ = ticket;
        None
    }

    /// How much the store holds.
    fn usage(&self) -> Usage;

    /// How many files [`next`](Self::next) leaves out now, since they cannot be read.
    fn unreadable(&self) -> u64 {
        0
    }

    /// A number that changes when a pending call may have its answer, or a ticket came back.
    fn revision(&self) -> u32;
}
