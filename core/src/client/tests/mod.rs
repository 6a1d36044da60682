//! Clients against the service itself, joined in memory.

mod all;
mod get;
mod list;
mod send;

use super::exchange::LocalFailure;
use super::get::Sink;
use super::list::Listing;
use super::send::Source;
use crate::files::Files;
use crate::name::Name;
use crate::session::{Over, Session, Wants};
use crate::store::ram::{Block, File, RamStore};
use crate::store::{Digest, Entry};
use crate::time::Instant;
use sha2::Digest as _;
use std::vec::Vec;

/// A file of this side: all that is here of it.
struct HeldFile(Vec<u8>);

impl Source for HeldFile {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn sha256(&self) -> Digest {
        sha2::Sha256::digest(&self.0).into()
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, LocalFailure> {
        let rest = &self.0[usize::try_from(offset).unwrap()..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl Sink for HeldFile {
    fn held(&self) -> u64 {
        self.0.len() as u64
    }

    fn announced(&mut self, _: &Entry) -> Result<(), LocalFailure> {
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), LocalFailure> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn sha256(&mut self) -> Result<Digest, LocalFailure> {
        Ok(Source::sha256(self))
    }
}

impl Listing for Vec<Entry> {
    fn entry(&mut self, file: &Entry) -> Result<(), LocalFailure> {
        self.push(file.clone());
        Ok(())
    }
}

fn with_store(test: impl FnOnce(&mut RamStore<'_>)) {
    let mut blocks: Vec<_> = (0..64).map(|_| Block::EMPTY).collect();
    let mut files = [const { File::EMPTY }; 4];
    test(&mut RamStore::new(&mut blocks, &mut files, u64::MAX));
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// One way of the wire: moves at most `room` bytes.
fn carry<A: Session<V>, V, B: Session<W>, W>(
    wire: &mut Vec<u8>,
    room: usize,
    (from, theirs): (&mut A, &mut V),
    (to, ours): (&mut B, &mut W),
) -> bool {
    let now = Instant::default();
    let mut tx = std::vec![0; room];
    let count = from.transmit(now, &mut tx, theirs);
    wire.extend_from_slice(&tx[..count]);
    let taken = if wire.is_empty() {
        0
    } else {
        to.receive(now, wire, ours)
    };
    wire.drain(..taken);
    count + taken > 0
}

/// More rounds than any conversation here has.
const TO_THE_END: usize = 20_000;

/// Joins a client with the service until neither moves; breaks off after `most` rounds.
fn join<C: Session<W>, W>(client: &mut C, world: &mut W, store: &mut RamStore<'_>, room: usize, most: usize) {
    let mut service = Files::new();
    let now = Instant::default();
    let (mut there, mut back) = (Vec::new(), Vec::new());
    client.opened(now, world);
    for _ in 0..most {
        let said = carry(&mut there, room, (client, world), (&mut service, store));
        let answered = carry(&mut back, room, (&mut service, store), (client, world));
        if !(said || answered) {
            break;
        }
    }
    if client.wants() == Wants::Close {
        Session::<RamStore<'_>>::finished(&mut service, now, store);
    }
    service.over(now, Over::Reset, store);
    client.over(now, Over::Reset, world);
}

/// `client` asks and hears all of `said`, in pieces of three bytes.
fn told<C: Session<W>, W>(mut client: C, world: &mut W, said: &str) -> C {
    client.opened(Instant::default(), world);
    for mut piece in said.as_bytes().chunks(3) {
        while !piece.is_empty() {
            let taken = client.receive(Instant::default(), piece, world);
            assert_ne!(taken, 0, "it never ends");
            piece = &piece[taken..];
        }
    }
    assert_eq!(client.poll_at(), None);
    client
}
