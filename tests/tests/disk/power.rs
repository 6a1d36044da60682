//! The power goes at every operation in turn: each file is its old or its new version, and what was acknowledged stays.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use r2_core::store::{Store, StoreError, Ticket, Upload};
use r2_disk::DiskStore;
use r2_sim::payload::random;
use r2_tests::power_loss::{Disk, Operation, Unsynced};
use r2_tests::store_suite::{self as suite, claim, digest, drop_bytes, fetch, list, settle};
use tempfile::TempDir;

use super::{LIMITS, open, put};

/// How the disk may look for each crash.
const SURVIVALS: [Unsynced; 8] = [
    Unsynced::Kept,
    Unsynced::Lost,
    Unsynced::Torn(1),
    Unsynced::Torn(2),
    Unsynced::Torn(3),
    Unsynced::Torn(4),
    Unsynced::Torn(5),
    Unsynced::Torn(6),
];

/// The bytes of a file; `None`: there is none of that name.
type Version = Option<Vec<u8>>;

/// What each name may hold: one version at rest, old and new while it changes.
#[derive(Default)]
struct Promised(BTreeMap<&'static str, Vec<Version>>);

impl Promised {
    /// `name` is about to change, is changing, or has not been acknowledged.
    fn may_become(&mut self, name: &'static str, version: Version) {
        self.0.entry(name).or_insert_with(|| vec![None]).push(version);
    }

    /// The change of `name` was acknowledged.
    fn is(&mut self, name: &'static str) {
        let versions = self.0.get_mut(name).expect("a name that changes");
        versions.drain(..versions.len() - 1);
    }

    /// Why `folder`, found after a crash, breaks a promise.
    fn broken_in(&self, folder: &Path) -> Option<String> {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let on_disk = entry.file_name().into_string().expect("a name");
            let known_as = on_disk.strip_suffix(".unconfirmed").unwrap_or(&on_disk);
            if known_as.starts_with('.') || known_as.ends_with(".partial") {
                continue;
            }
            let found = Some(fs::read(entry.path()).expect("a file"));
            let versions = self.0.get(known_as).map_or(&[][..], Vec::as_slice);
            if !versions.contains(&found) {
                return Some(format!("{on_disk} is neither old nor new"));
            }
        }
        let mut store = DiskStore::open(folder, LIMITS).expect("a folder");
        for (name, versions) in &self.0 {
            let found = fetch(&mut store, name).ok();
            if !versions.contains(&found) {
                return Some(format!("{name} is neither old nor new, or gone"));
            }
        }
        None
    }
}

/// Where an upload is not broken off.
const AT_ONCE: usize = usize::MAX;

/// Everything that a store does: files that are new, replaced, resumed, dropped, deleted. Ends at the first error.
fn live(store: &mut DiskStore, promised: &mut Promised) -> Result<(), StoreError> {
    // Sizes beside the size of a sector, so that many a write may be torn.
    let [old, new, newer, last] = [3000, 5000, 1300, 700].map(|length| random(length, length as u64));
    let mut stores = |store: &mut DiskStore, name, bytes: &Vec<u8>, verified: bool, first: usize| {
        promised.may_become(name, Some(bytes.clone()));
        let sha256 = verified.then(|| digest(bytes));
        if first < bytes.len() && put(store, name, bytes, sha256, first) != Err(StoreError::Busy) {
            return Err(StoreError::Io);
        }
        put(store, name, bytes, sha256, bytes.len())?;
        promised.is(name);
        Ok(())
    };
    stores(store, "new", &old, true, AT_ONCE)?;
    stores(store, "new", &new, true, AT_ONCE)?;
    stores(store, "new", &newer, false, AT_ONCE)?;
    stores(store, "resumed", &new, true, 1500)?;
    stores(store, "resumed", &old, true, 1500)?;
    // That very file is there.
    stores(store, "resumed", &old, true, AT_ONCE)?;
    if put(
        store,
        "resumed",
        &new,
        Some(digest(b"of something else")),
        AT_ONCE,
    ) != Err(StoreError::Mismatch)
    {
        return Err(StoreError::Io);
    }
    for (name, bytes, confirms) in [("drop-0001", &new, true), ("drop-0002", &last, false)] {
        promised.may_become(name, Some(bytes.clone()));
        let (ticket, numbered) = try_to_drop(store, bytes)?;
        assert_eq!(numbered, name);
        settle(store, |store| store.seal(&ticket))?;
        promised.is(name);
        if confirms {
            store.confirm(ticket);
        } else {
            store.release(ticket);
        }
    }
    for name in ["new", "drop-0002"] {
        promised.may_become(name, None);
        let ticket = claim(store);
        settle(store, |store| store.delete(&ticket, &suite::name(name)))?;
        store.release(ticket);
        promised.is(name);
    }
    Ok(())
}

fn try_to_drop(store: &mut DiskStore, bytes: &[u8]) -> Result<(Ticket, String), StoreError> {
    let ticket = claim(store);
    let created = suite::create(store, &ticket, Upload::Numbered)?;
    suite::append(store, &ticket, bytes)?;
    Ok((ticket, created.name.to_string()))
}

/// Lives until the power goes after so many operations, `None` if it never does; what was promised by then.
fn live_until(crash: usize, lying: bool) -> Option<(Disk, TempDir, Promised)> {
    let folder = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
    let disk = Disk::over(folder.path());
    if lying {
        disk.lie_about_syncs();
    }
    let mut store = open(&disk, folder.path());
    disk.crash_after(crash);
    let mut promised = Promised::default();
    let lived = live(&mut store, &mut promised);
    // What was asked last is done when the threads have ended.
    drop(store);
    assert!(lived.is_ok() || disk.is_off(), "the store fails: {lived:?}");
    disk.is_off().then_some((disk, folder, promised))
}

/// The first promise that is broken, over every operation and every way to survive it; and the number of operations.
fn first_broken(lying: bool) -> (Option<String>, usize) {
    const ENDLESS: usize = 10_000;
    for crash in 0..ENDLESS {
        let Some((disk, _folder, promised)) = live_until(crash, lying) else {
            return (None, crash);
        };
        for unsynced in SURVIVALS {
            let after = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
            disk.survives(unsynced, after.path());
            if let Some(broken) = promised.broken_in(after.path()) {
                let operations = disk.operations();
                return (
                    Some(format!("{broken}; {unsynced:?} after {operations:?}")),
                    crash,
                );
            }
        }
    }
    panic!("the store's life is endless");
}

#[test]
fn at_every_operation_each_file_is_old_or_new() {
    let (broken, operations) = first_broken(false);
    assert_eq!(broken, None);
    assert!(operations > 50, "only {operations} operations were cut");
}

#[test]
fn a_sync_that_does_nothing_is_found() {
    let (broken, _) = first_broken(true);
    assert!(broken.is_some(), "skipping every sync breaks no promise");
}

#[test]
fn after_a_crash_in_an_upload_the_same_upload_ends_well() {
    let bytes = random(4000, 4);
    let folder = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
    let disk = Disk::over(folder.path());
    let mut store = open(&disk, folder.path());
    assert_eq!(
        put(&mut store, "a", &bytes, Some(digest(&bytes)), 2000),
        Err(StoreError::Busy)
    );
    drop(store);
    for unsynced in SURVIVALS {
        let after = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
        disk.survives(unsynced, after.path());
        let mut store = DiskStore::open(after.path(), LIMITS).expect("a folder");
        // What is left of its front may be wrong: then the first try says so and keeps nothing of it.
        let tried = put(&mut store, "a", &bytes, Some(digest(&bytes)), bytes.len());
        assert!(
            tried.is_ok() || tried == Err(StoreError::Mismatch),
            "{unsynced:?}: {tried:?}"
        );
        put(&mut store, "a", &bytes, Some(digest(&bytes)), bytes.len()).expect("stored");
        assert_eq!(fetch(&mut store, "a"), Ok(bytes.clone()));
    }
}

#[test]
fn a_drop_that_was_never_sealed_has_no_final_name_after_a_crash() {
    let folder = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
    let disk = Disk::over(folder.path());
    let mut store = open(&disk, folder.path());
    let (ticket, _) = drop_bytes(&mut store, b"half of it");
    store.release(ticket);
    drop(store);
    assert!(!disk.operations().contains(&Operation::Rename));
    for unsynced in SURVIVALS {
        let after = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
        disk.survives(unsynced, after.path());
        let mut store = DiskStore::open(after.path(), LIMITS).expect("a folder");
        let names = list(&mut store);
        assert!(
            names.iter().all(|name| name.starts_with("drop-0001.partial")),
            "{names:?}"
        );
    }
}
