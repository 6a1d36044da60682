//! What must be on the flash after a power cut, by the contract's table.

use std::collections::BTreeMap;

use r2_core::name::{Name, PARTIAL, UNCONFIRMED};
use r2_core::store::Store;
use sha2::{Digest as _, Sha256};

use super::{entries, fetch};

/// What a page holds of a file: bytes that fill one are durable.
const PAGE: usize = 240;

/// A file as it must be found.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// These bytes.
    Exactly(Vec<u8>),
    /// The front of these bytes, at least so many; no file at all where that may be none.
    FrontOf(Vec<u8>, usize),
}

/// An upload that a ticket holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) name: Name,
    pub(crate) bytes: Vec<u8>,
    /// How many of the bytes were durable when the upload began: more than none when it was resumed.
    pub(crate) found: usize,
    pub(crate) sealed: bool,
}

impl Held {
    fn durable(&self) -> usize {
        self.found + (self.bytes.len() - self.found) / PAGE * PAGE
    }
}

/// The store as its callers know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// What rests, by the name on the list.
    pub(crate) files: BTreeMap<Name, Vec<u8>>,
    /// What the tickets hold.
    pub(crate) held: [Option<Held>; 3],
}

impl Model {
    pub(crate) fn is_held(&self, name: &Name) -> bool {
        self.held.iter().flatten().any(|held| held.name == *name)
    }

    pub(crate) fn places(&self) -> usize {
        self.files.len() + self.held.iter().flatten().count()
    }

    /// What is found when the power is cut now.
    pub(crate) fn after_a_cut(&self) -> BTreeMap<Name, Content> {
        let resting = self.files.iter();
        let mut found: BTreeMap<_, _> = resting
            .map(|(name, bytes)| (name.clone(), Content::Exactly(bytes.clone())))
            .collect();
        for held in self.held.iter().flatten() {
            let bytes = held.bytes.clone();
            if !held.sealed {
                let content = Content::FrontOf(bytes, held.durable());
                found.insert(held.name.with_ending(PARTIAL), content);
            } else if held.name.is_reserved() {
                found.insert(held.name.with_ending(UNCONFIRMED), Content::Exactly(bytes));
            }
        }
        found
    }
}

/// What is in the store, read back to the last byte. Every file must be what its own entry says.
pub(crate) fn contents(store: &mut impl Store) -> BTreeMap<Name, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in entries(store) {
        let bytes = fetch(store, &entry.name).expect("a listed file can be read");
        assert_eq!(entry.length, bytes.len() as u64, "{}", entry.name);
        assert_eq!(entry.sha256[..], Sha256::digest(&bytes)[..], "{}", entry.name);
        found.insert(entry.name, bytes);
    }
    let usage = store.usage();
    let bytes: usize = found.values().map(Vec::len).sum();
    assert_eq!((usage.files, usage.bytes), (found.len() as u64, bytes as u64));
    found
}

/// Why what was found is not what was expected; `None` when it is.
pub(crate) fn difference(
    expected: &BTreeMap<Name, Content>,
    found: &BTreeMap<Name, Vec<u8>>,
) -> Option<String> {
    if let Some(name) = found.keys().find(|name| !expected.contains_key(name)) {
        return Some(format!("{name} should not be there"));
    }
    expected.iter().find_map(|(name, content)| {
        let is_right = match (content, found.get(name)) {
            (Content::Exactly(bytes), Some(found)) => found == bytes,
            (Content::FrontOf(bytes, least), Some(found)) => {
                !found.is_empty() && found.len() >= *least && bytes.starts_with(found)
            }
            (Content::FrontOf(_, least), None) => *least == 0,
            (Content::Exactly(_), None) => false,
        };
        (!is_right).then(|| match found.get(name) {
            Some(bytes) => format!("{name} has {} bytes, which is not as it was", bytes.len()),
            None => format!("{name} is missing"),
        })
    })
}
