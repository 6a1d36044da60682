//! The store on flash: what power cuts, wear and decay do to it.

#[path = "flash/decay.rs"]
mod decay;
#[path = "flash/model.rs"]
mod model;
#[allow(unreachable_pub, reason = "the stores' other tests reach it in a library")]
#[path = "flash/nor.rs"]
mod nor;
#[path = "flash/power.rs"]
mod power;
#[path = "flash/uploads.rs"]
mod uploads;
#[path = "flash/wear.rs"]
mod wear;

use std::task::Poll;

use r2_core::name::Name;
use r2_core::store::flash::{File, FlashStore, MountError, Sector};
use r2_core::store::{Entry, Store, StoreError, Ticket, Upload};

use self::nor::Nor;

/// Words of 16 bytes and small sectors: a page has many places to be torn at, a file many sectors.
type Chip = Nor<16, 1024>;

const SECTORS: usize = 40;
const FILES: usize = 7;
const MAX_FILE: u64 = 8_000;

fn mount(chip: &Chip) -> Result<FlashStore<'static, Chip>, MountError> {
    // Leaked, as a board's are static: a few kilobytes a mount.
    let sectors = vec![Sector::EMPTY; SECTORS].leak();
    let files: Vec<_> = (0..FILES).map(|_| File::EMPTY).collect();
    FlashStore::mount(chip.clone(), sectors, files.leak(), MAX_FILE)
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// Asks until the store answers.
fn settle<T>(mut ask: impl FnMut() -> Poll<T>) -> T {
    for _ in 0..10_000 {
        if let Poll::Ready(answer) = ask() {
            return answer;
        }
    }
    panic!("the store never answers")
}

fn claim(store: &mut impl Store) -> Ticket {
    store.claim().expect("a free ticket")
}

fn append(store: &mut impl Store, ticket: &Ticket, mut bytes: &[u8]) -> Result<(), StoreError> {
    while !bytes.is_empty() {
        let taken = settle(|| store.append(ticket, bytes))?;
        assert_ne!(taken, 0, "an answer takes at least one byte");
        bytes = &bytes[taken..];
    }
    Ok(())
}

fn put(store: &mut impl Store, text: &str, bytes: &[u8]) -> Result<Entry, StoreError> {
    let ticket = claim(store);
    let upload = Upload::Named {
        name: &name(text),
        length: bytes.len() as u64,
        sha256: None,
    };
    let stored = settle(|| store.create(&ticket, upload))
        .and_then(|_| append(store, &ticket, bytes))
        .and_then(|()| settle(|| store.seal(&ticket)));
    let revision = store.revision();
    store.release(ticket);
    assert_ne!(store.revision(), revision, "a ticket came back");
    stored
}

fn drop_bytes(store: &mut impl Store, bytes: &[u8]) -> Entry {
    let ticket = claim(store);
    settle(|| store.create(&ticket, Upload::Numbered)).expect("a place");
    append(store, &ticket, bytes).expect("room");
    assert_eq!(store.written(&ticket), bytes.len() as u64);
    let entry = settle(|| store.seal(&ticket)).expect("sealed");
    store.confirm(ticket);
    entry
}

fn fetch(store: &mut impl Store, name: &Name) -> Result<Vec<u8>, StoreError> {
    let ticket = claim(store);
    let bytes = settle(|| store.open(&ticket, name)).and_then(|_| {
        let mut bytes = Vec::new();
        let mut piece = [0; 777];
        loop {
            match settle(|| store.read(&ticket, bytes.len() as u64, &mut piece))? {
                0 => return Ok(bytes),
                count => bytes.extend(&piece[..count]),
            }
            assert!(bytes.len() as u64 <= MAX_FILE, "{name} never ends");
        }
    });
    store.release(ticket);
    bytes
}

fn entries(store: &mut impl Store) -> Vec<Entry> {
    let ticket = claim(store);
    let mut entries: Vec<Entry> = Vec::new();
    while let Some(entry) =
        settle(|| store.next(&ticket, entries.last().map(|entry| &entry.name))).expect("a list")
    {
        entries.push(entry);
    }
    store.release(ticket);
    entries
}
