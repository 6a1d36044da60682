//! The index of digests on a disk that loses its power, or fails: the old one, the new one or none, and right answers.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use r2_core::store::{Digest, Store};
use r2_disk::DiskStore;
use r2_tests::power_loss::{Disk, Operation, Unsynced};
use r2_tests::store_suite::{claim, digest, fetch, settle};
use rustix::io::Errno;
use tempfile::TempDir;

use super::{LIMITS, open, put};

const INDEX: &str = ".r2-digests";

/// Waits until a change of the file would show in its times, so that its digest may be remembered.
fn rests(path: &Path) {
    let file = fs::metadata(path).expect("a file");
    let changed = Duration::new(
        u64::try_from(file.ctime()).expect("after 1970"),
        u32::try_from(file.ctime_nsec()).expect("below a second"),
    );
    let rested = SystemTime::UNIX_EPOCH + changed + Duration::from_millis(20);
    while SystemTime::now() < rested {
        std::thread::yield_now();
    }
}

/// Uploads a file, and lists the store so that the digest is remembered.
fn store_and_list(store: &mut DiskStore, folder: &Path, name: &str) {
    // Where the power is off by now, it is not stored.
    if put(store, name, name.as_bytes(), None, name.len()).is_ok() {
        rests(&folder.join(name));
    }
    digests(store);
}

/// What a list tells.
fn digests(store: &mut DiskStore) -> Vec<(String, Digest)> {
    let ticket = claim(store);
    let (mut told, mut last) = (Vec::new(), None);
    while let Ok(Some(entry)) = settle(store, |store| store.next(&ticket, last.as_ref())) {
        told.push((entry.name.to_string(), entry.sha256));
        last = Some(entry.name);
    }
    store.release(ticket);
    told
}

/// Whether an index ends in the sum of what stands before it.
fn is_whole(index: &[u8]) -> bool {
    index
        .split_last_chunk::<32>()
        .is_some_and(|(all, sum)| digest(all) == *sum)
}

#[test]
fn at_every_operation_the_index_is_the_old_one_or_the_new_one() {
    let mut crashes = 0;
    for crash in 0..100 {
        let folder = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
        let disk = Disk::over(folder.path());
        let mut store = open(&disk, folder.path());
        store_and_list(&mut store, folder.path(), "first");
        drop(store);
        let old = fs::read(folder.path().join(INDEX)).expect("an index");
        let mut store = open(&disk, folder.path());
        store_and_list(&mut store, folder.path(), "second");
        disk.crash_after(crash);
        drop(store);
        let new = fs::read(folder.path().join(INDEX)).expect("an index");
        for unsynced in [
            Unsynced::Kept,
            Unsynced::Lost,
            Unsynced::Torn(1),
            Unsynced::Torn(2),
            Unsynced::Torn(3),
        ] {
            let after = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
            disk.survives(unsynced, after.path());
            if let Ok(index) = fs::read(after.path().join(INDEX)) {
                assert!(
                    index == old || index == new || is_whole(&index),
                    "{unsynced:?} after {crash}"
                );
            }
            let mut store = DiskStore::open(after.path(), LIMITS).expect("a folder");
            for (name, told) in digests(&mut store) {
                assert_eq!(told, digest(name.as_bytes()), "{unsynced:?} after {crash}");
                assert_eq!(fetch(&mut store, &name), Ok(name.into_bytes()));
            }
        }
        if !disk.is_off() {
            assert!(new != old, "the index is written when the store is closed");
            break;
        }
        crashes += 1;
    }
    assert!((4..100).contains(&crashes), "{crashes} operations were cut");
}

#[test]
fn an_index_that_cannot_be_written_costs_nothing_but_time() {
    for operation in [
        Operation::Create,
        Operation::Write,
        Operation::SyncFile,
        Operation::Rename,
        Operation::Remove,
    ] {
        for error in [Errno::ROFS, Errno::NOSPC, Errno::IO] {
            let folder = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
            let disk = Disk::over(folder.path());
            let mut store = open(&disk, folder.path());
            store_and_list(&mut store, folder.path(), "first");
            disk.fail(Some((operation, error.raw_os_error())));
            drop(store);
            disk.fail(None);
            let mut store = open(&disk, folder.path());
            assert_eq!(
                digests(&mut store),
                [("first".to_owned(), digest(b"first"))],
                "{operation:?} {error:?}"
            );
        }
    }
}
