//! What the store on a folder does.

mod digests;
mod drops;
mod folder;
mod lists;
mod puts;
mod reads;
mod tickets;

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::task::Poll;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use r2_core::name::Name;
use r2_core::store::{Created, Digest, Entry, Store, StoreError, Ticket, Upload};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::folder::LISTED;
use super::{CHUNK, CHUNKS, DiskStore, Limits};

/// A store that is asked until it answers.
struct Asked(DiskStore);

impl Asked {
    fn at(folder: &Path) -> Self {
        Self::with(folder, Limits::default())
    }

    fn with(folder: &Path, limits: Limits) -> Self {
        Self(DiskStore::open(folder, limits).unwrap())
    }

    fn wait<T>(&mut self, mut ask: impl FnMut(&mut DiskStore) -> Poll<T>) -> T {
        loop {
            if let Poll::Ready(answer) = ask(&mut self.0) {
                return answer;
            }
            let before = self.0.revision();
            let readable = poll(
                &mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)],
                PollTimeout::from(10_000u16),
            );
            assert_eq!(readable, Ok(1), "the store never answers");
            self.0.poll_completions();
            assert!(self.0.revision() >= before);
        }
    }

    fn claim(&mut self) -> Ticket {
        self.wait(|store| store.claim().map_or(Poll::Pending, Poll::Ready))
    }

    fn create(&mut self, ticket: &Ticket, upload: Upload<'_>) -> Result<Created, StoreError> {
        self.wait(|store| store.create(ticket, upload))
    }

    fn append(&mut self, ticket: &Ticket, mut bytes: &[u8]) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let taken = self.wait(|store| store.append(ticket, bytes))?;
            assert!(taken > 0);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn seal(&mut self, ticket: &Ticket) -> Result<Entry, StoreError> {
        self.wait(|store| store.seal(ticket))
    }

    /// Until the worker has done all that was asked on behalf of all tickets that were given back.
    fn settle(&mut self) {
        let all: Vec<_> = (0..self.0.places.len()).map(|_| self.claim()).collect();
        for ticket in all {
            self.0.release(ticket);
        }
    }

    fn drop_file(&mut self, bytes: &[u8]) -> (Ticket, Entry) {
        let ticket = self.claim();
        self.create(&ticket, Upload::Numbered).unwrap();
        self.append(&ticket, bytes).unwrap();
        let entry = self.seal(&ticket).unwrap();
        (ticket, entry)
    }

    fn put(&mut self, text: &str, bytes: &[u8], sha256: Option<Digest>) -> Result<Entry, StoreError> {
        let ticket = self.claim();
        let named = Upload::Named {
            name: &name(text),
            length: bytes.len() as u64,
            sha256,
        };
        let entry = self.create(&ticket, named).and_then(|created| {
            self.append(&ticket, &bytes[usize::try_from(created.offset).unwrap()..])?;
            self.seal(&ticket)
        });
        self.0.release(ticket);
        entry
    }

    fn get(&mut self, text: &str) -> Result<(Entry, Vec<u8>), StoreError> {
        let ticket = self.claim();
        let opened = self.wait(|store| store.open(&ticket, &name(text)));
        let got = opened.and_then(|entry| {
            let mut bytes = Vec::new();
            let mut room = vec![0; 5000];
            loop {
                let offset = bytes.len() as u64;
                match self.wait(|store| store.read(&ticket, offset, &mut room))? {
                    0 => return Ok((entry, bytes)),
                    read => bytes.extend_from_slice(&room[..read]),
                }
            }
        });
        self.0.release(ticket);
        got
    }

    fn delete(&mut self, text: &str) -> Result<(), StoreError> {
        let ticket = self.claim();
        let deleted = self.wait(|store| store.delete(&ticket, &name(text)));
        self.0.release(ticket);
        deleted
    }

    fn list(&mut self) -> Vec<Entry> {
        let ticket = self.claim();
        let mut list: Vec<Entry> = Vec::new();
        while let Some(entry) = self
            .wait(|store| store.next(&ticket, list.last().map(|entry| &entry.name)))
            .unwrap()
        {
            list.push(entry);
        }
        self.0.release(ticket);
        list
    }

    fn names(&mut self) -> Vec<String> {
        self.list().iter().map(|entry| entry.name.to_string()).collect()
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn sha(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Bytes that do not repeat with any power of two.
fn noise(length: usize) -> Vec<u8> {
    (0u64..)
        .map(|i| i.wrapping_mul(6_364_136_223_846_793_005).to_le_bytes()[5])
        .take(length)
        .collect()
}

/// Everything in the folder, hidden files included.
fn on_disk(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
