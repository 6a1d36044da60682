//! What a failing disk does to an upload: a clear error, nothing under the final name, and a store that goes on.

use std::fs;

use r2_core::store::{Store, StoreError, Upload};
use r2_disk::{DiskStore, Limits};
use r2_sim::payload::random;
use r2_tests::power_loss::{Disk, Operation};
use r2_tests::store_suite::{append, claim, create, digest, fetch, list, name, settle};
use rustix::io::Errno;
use tempfile::TempDir;

use super::{open, put};

const EVERY_OPERATION: [Operation; 6] = [
    Operation::Create,
    Operation::Write,
    Operation::SyncFile,
    Operation::SyncFolder,
    Operation::Rename,
    Operation::Remove,
];

/// Tries to replace a file while every `operation` fails with `error`; what the store says.
fn replace_while_failing(operation: Operation, error: Errno) -> Result<(), StoreError> {
    let folder = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
    let disk = Disk::over(folder.path());
    let mut store = open(&disk, folder.path());
    let [old, new] = [random(900, 1), random(1100, 2)];
    let upload = |store: &mut DiskStore, bytes: &[u8]| {
        put(store, "a", bytes, Some(digest(bytes)), bytes.len()).map(drop)
    };
    upload(&mut store, &old).expect("stored");
    disk.fail(Some((operation, error.raw_os_error())));
    let said = upload(&mut store, &new);
    let found = fetch(&mut store, "a").expect("old or new");
    assert!(
        found == new || (found == old && said.is_err()),
        "{operation:?}: a mixture"
    );
    disk.fail(None);
    upload(&mut store, &new).expect("the store goes on");
    assert_eq!(fetch(&mut store, "a"), Ok(new));
    assert_eq!(list(&mut store), ["a 1100"]);
    said
}

#[test]
fn a_sync_that_fails_stores_nothing() {
    assert_eq!(
        replace_while_failing(Operation::SyncFile, Errno::IO),
        Err(StoreError::Io)
    );
    assert_eq!(
        replace_while_failing(Operation::SyncFolder, Errno::IO),
        Err(StoreError::Io)
    );
}

#[test]
fn a_full_disk_is_told_as_such() {
    for operation in [Operation::Create, Operation::Write, Operation::SyncFile] {
        assert_eq!(
            replace_while_failing(operation, Errno::NOSPC),
            Err(StoreError::NoSpace),
            "{operation:?}"
        );
    }
}

#[test]
fn a_disk_that_is_read_only_or_broken_mixes_nothing() {
    for operation in EVERY_OPERATION {
        for error in [Errno::ROFS, Errno::IO] {
            // Whether it can be stored at all depends on the operation; what was found is looked at above.
            let _ = replace_while_failing(operation, error);
        }
    }
}

#[test]
fn an_upload_whose_file_vanished_is_an_error() {
    let folder = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
    let disk = Disk::over(folder.path());
    let mut store = open(&disk, folder.path());
    for (upload, on_disk) in [
        (Upload::Numbered, "drop-0001.partial"),
        (
            Upload::Named {
                name: &name("a"),
                length: 4,
                sha256: None,
            },
            "a.partial",
        ),
    ] {
        let ticket = claim(&mut store);
        create(&mut store, &ticket, upload).expect("room");
        append(&mut store, &ticket, b"gone").expect("room");
        fs::remove_file(folder.path().join(on_disk)).expect("it was there");
        let sealed = settle(&mut store, |store| store.seal(&ticket));
        assert_eq!(sealed, Err(StoreError::NotFound), "{on_disk}");
        store.release(ticket);
        assert_eq!(list(&mut store), [""; 0]);
    }
}

#[test]
fn two_uploads_of_one_name_are_one_whole_file() {
    let folder = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
    let disk = Disk::over(folder.path());
    let mut store = open(&disk, folder.path());
    let (first, second) = (claim(&mut store), claim(&mut store));
    let name = name("a");
    let upload = Upload::Named {
        name: &name,
        length: 3,
        sha256: None,
    };
    create(&mut store, &first, upload).expect("room");
    append(&mut store, &first, b"one").expect("room");
    assert_eq!(create(&mut store, &second, upload), Err(StoreError::Busy));
    settle(&mut store, |store| store.seal(&first)).expect("stored");
    create(&mut store, &second, upload).expect("room");
    append(&mut store, &second, b"two").expect("room");
    store.release(first);
    assert_eq!(fetch(&mut store, "a"), Ok(b"one".to_vec()));
    settle(&mut store, |store| store.seal(&second)).expect("stored");
    store.release(second);
    assert_eq!(fetch(&mut store, "a"), Ok(b"two".to_vec()));
}

#[test]
fn ten_thousand_files_are_listed_and_numbered_on() {
    const FILES: u64 = 10_000;
    let folder = TempDir::with_prefix("r2-disk-").expect("a temporary folder");
    for number in 1..=FILES {
        fs::write(folder.path().join(format!("drop-{number:04}")), b"").expect("room");
    }
    let limits = Limits {
        tickets: 1,
        ..Limits::default()
    };
    let mut store = DiskStore::open(folder.path(), limits).expect("a folder");
    assert_eq!(store.usage().files, FILES);
    assert_eq!(list(&mut store).len() as u64, FILES);
    let ticket = claim(&mut store);
    let created = create(&mut store, &ticket, Upload::Numbered).expect("room");
    assert_eq!(created.name.to_string(), "drop-10001");
    store.release(ticket);
}
