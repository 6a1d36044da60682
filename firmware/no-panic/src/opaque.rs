//! Values of which the optimiser knows nothing but their type, and a world and a connection that answer with such.

use core::fmt::{self, Write};
use core::hint::black_box;
use core::task::Poll;

use embedded_io::{BufRead, ErrorKind, ErrorType, Read, ReadReady, WriteReady};
use embedded_storage::nor_flash::{ErrorType as FlashErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use r2_core::client::chat::{Terminal, Typed};
use r2_core::client::exchange::LocalFailure;
use r2_core::client::get::Sink;
use r2_core::client::list::Listing;
use r2_core::client::send::Source;
use r2_core::io::Connection;
use r2_core::name::Name;
use r2_core::session::Over;
use r2_core::status::Report;
use r2_core::store::{Created, Digest, Ends, Entry, Store, StoreError, Ticket, Upload, Usage};
use r2_core::time::Instant;

/// Bytes of any number.
pub(crate) fn bytes<'a>() -> &'a [u8] {
    black_box(&[])
}

/// Room for any number of bytes.
pub(crate) fn room<'a>() -> &'a mut [u8] {
    black_box(&mut [])
}

pub(crate) fn text<'a>() -> &'a str {
    black_box("")
}

pub(crate) fn now() -> Instant {
    Instant::from_millis(black_box(0))
}

pub(crate) fn name() -> Name {
    black_box(Name::numbered(0))
}

pub(crate) fn entry() -> Entry {
    black_box(Entry {
        name: name(),
        length: 0,
        sha256: [0; 32],
    })
}

pub(crate) fn created() -> Created {
    black_box(Created {
        name: name(),
        offset: 0,
        ends: Ends::default(),
    })
}

/// Everything that a session can ask, answered with anything.
pub(crate) struct World;

impl Store for World {
    fn claim(&mut self) -> Option<Ticket> {
        black_box(Some(Ticket::new(0)))
    }

    fn create(&mut self, ticket: &Ticket, upload: Upload<'_>) -> Poll<Result<Created, StoreError>> {
        black_box((ticket, upload));
        black_box(Poll::Ready(Ok(created())))
    }

    fn append(&mut self, ticket: &Ticket, bytes: &[u8]) -> Poll<Result<usize, StoreError>> {
        black_box((ticket, bytes));
        black_box(Poll::Ready(Ok(0)))
    }

    fn written(&self, ticket: &Ticket) -> u64 {
        black_box(ticket);
        black_box(0)
    }

    fn seal(&mut self, ticket: &Ticket) -> Poll<Result<Entry, StoreError>> {
        black_box(ticket);
        black_box(Poll::Ready(Ok(entry())))
    }

    fn confirm(&mut self, ticket: Ticket) {
        black_box(ticket);
    }

    fn release(&mut self, ticket: Ticket) {
        black_box(ticket);
    }

    fn open(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<Entry, StoreError>> {
        black_box((ticket, name));
        black_box(Poll::Ready(Ok(entry())))
    }

    fn read(&mut self, ticket: &Ticket, offset: u64, into: &mut [u8]) -> Poll<Result<usize, StoreError>> {
        black_box((ticket, offset, into));
        black_box(Poll::Ready(Ok(0)))
    }

    fn next(&mut self, ticket: &Ticket, after: Option<&Name>) -> Poll<Result<Option<Entry>, StoreError>> {
        black_box((ticket, after));
        black_box(Poll::Ready(Ok(Some(entry()))))
    }

    fn delete(&mut self, ticket: &Ticket, name: &Name) -> Poll<Result<(), StoreError>> {
        black_box((ticket, name));
        black_box(Poll::Ready(Ok(())))
    }

    fn usage(&self) -> Usage {
        black_box(Usage::default())
    }

    fn revision(&self) -> u32 {
        black_box(0)
    }
}

impl Report for World {
    fn line(&self, now: Instant, index: usize, out: &mut dyn Write) -> Result<bool, fmt::Error> {
        black_box((now, index));
        out.write_str(text())?;
        black_box(Ok(true))
    }
}

impl Terminal for World {
    fn typed(&mut self, into: &mut [u8]) -> Typed {
        black_box(into);
        black_box(Typed::Bytes(0))
    }

    fn show(&mut self, text: &[u8]) -> usize {
        black_box(text);
        black_box(0)
    }
}

impl Source for World {
    fn length(&self) -> u64 {
        black_box(0)
    }

    fn sha256(&self) -> Digest {
        black_box([0; 32])
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, LocalFailure> {
        black_box((offset, into));
        black_box(Ok(0))
    }
}

impl Sink for World {
    fn held(&self) -> u64 {
        black_box(0)
    }

    fn announced(&mut self, file: &Entry) -> Result<(), LocalFailure> {
        black_box(file);
        black_box(Ok(()))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), LocalFailure> {
        black_box(bytes);
        black_box(Ok(()))
    }

    fn sha256(&mut self) -> Result<Digest, LocalFailure> {
        black_box(Ok([0; 32]))
    }
}

impl Listing for World {
    fn entry(&mut self, file: &Entry) -> Result<(), LocalFailure> {
        black_box(file);
        black_box(Ok(()))
    }
}

/// Flash whose reads bring anything and whose every operation may fail.
pub(crate) struct Flash;

impl FlashErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        black_box((offset, bytes));
        black_box(Ok(()))
    }

    fn capacity(&self) -> usize {
        black_box(0)
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        black_box((from, to));
        black_box(Ok(()))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        black_box((offset, bytes));
        black_box(Ok(()))
    }
}

/// A connection on which anything happens.
pub(crate) struct Carrier;

impl ErrorType for Carrier {
    type Error = ErrorKind;
}

impl Read for Carrier {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
        black_box(into);
        black_box(Ok(0))
    }
}

impl BufRead for Carrier {
    fn fill_buf(&mut self) -> Result<&[u8], Self::Error> {
        black_box(Ok(bytes()))
    }

    fn consume(&mut self, count: usize) {
        black_box(count);
    }
}

impl ReadReady for Carrier {
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        black_box(Ok(true))
    }
}

impl embedded_io::Write for Carrier {
    fn write(&mut self, from: &[u8]) -> Result<usize, Self::Error> {
        black_box(from);
        black_box(Ok(0))
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        black_box(Ok(()))
    }
}

impl WriteReady for Carrier {
    fn write_ready(&mut self) -> Result<bool, Self::Error> {
        black_box(Ok(true))
    }
}

impl Connection for Carrier {
    fn finish(&mut self) -> Result<(), Self::Error> {
        black_box(Ok(()))
    }

    fn abort(&mut self) {
        black_box(());
    }

    fn ended(&mut self) -> Option<Over> {
        black_box(Some(Over::Reset))
    }
}
