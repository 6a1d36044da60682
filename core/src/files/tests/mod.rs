//! The service, driven as a driver does.

mod commands;
mod put;

use super::*;
use crate::limits::STORE_TICKETS;
use crate::store::ram::{Block, File, RamStore};
use std::string::String;
use std::vec::Vec;

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn with_store<T>(test: impl FnOnce(&mut RamStore<'_>) -> T) -> T {
    let mut blocks: Vec<_> = (0..8).map(|_| Block::EMPTY).collect();
    let mut files = [const { File::EMPTY }; 4];
    test(&mut RamStore::new(&mut blocks, &mut files, 1024))
}

/// One connection, driven as a driver does.
struct Peer<'s, 'a> {
    files: Files,
    store: &'s mut RamStore<'a>,
    room: usize,
    heard: Vec<u8>,
    now: Instant,
}

impl<'s, 'a> Peer<'s, 'a> {
    fn new(store: &'s mut RamStore<'a>, room: usize) -> Self {
        let now = Instant::default();
        Self {
            files: Files::new(),
            store,
            room,
            heard: Vec::new(),
            now,
        }
    }

    fn listen(&mut self) -> usize {
        let mut tx = std::vec![0; self.room];
        let count = self.files.transmit(self.now, &mut tx, self.store);
        self.heard.extend_from_slice(&tx[..count]);
        assert!(self.heard.len() < 100_000, "it never ends");
        count
    }

    fn says(&mut self, mut bytes: &[u8]) -> &mut Self {
        loop {
            let taken = if bytes.is_empty() {
                0
            } else {
                self.files.receive(self.now, bytes, self.store)
            };
            bytes = &bytes[taken..];
            if self.listen() + taken == 0 {
                assert!(bytes.is_empty(), "nothing moves, and bytes are left");
                return self;
            }
        }
    }

    fn finishes(&mut self) -> &mut Self {
        self.files.finished(self.now, self.store);
        self.says(b"")
    }

    fn hears(&mut self, expected: &str) -> &mut Self {
        assert_eq!(
            String::from_utf8(core::mem::take(&mut self.heard)).unwrap(),
            expected
        );
        self
    }

    fn wants(&self) -> Wants {
        Session::<RamStore<'_>>::wants(&self.files)
    }

    fn poll_at(&self) -> Option<Instant> {
        Session::<RamStore<'_>>::poll_at(&self.files)
    }

    fn is_over(&mut self) {
        self.files.over(self.now, Over::Unknown, self.store);
        let tickets: Vec<_> = core::iter::from_fn(|| self.store.claim()).collect();
        assert_eq!(tickets.len(), STORE_TICKETS, "every ticket is free again");
        for ticket in tickets {
            self.store.release(ticket);
        }
    }
}
