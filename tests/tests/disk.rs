//! The host's store on a disk that loses its power, or fails.

#[path = "disk/faults.rs"]
mod faults;
#[path = "disk/index.rs"]
mod index;
#[path = "disk/power.rs"]
mod power;

use std::path::Path;

use r2_core::store::{Digest, Entry, Store, StoreError, Upload};
use r2_disk::{DiskStore, Limits};
use r2_tests::power_loss::Disk;
use r2_tests::store_suite::{append, claim, create, name, settle};

const LIMITS: Limits = Limits {
    tickets: 2,
    file: u64::MAX,
    store: u64::MAX,
};

fn open(disk: &Disk, folder: &Path) -> DiskStore {
    DiskStore::open_on(Box::new(disk.clone()), folder, LIMITS).expect("a folder")
}

/// Uploads `bytes` under a name, from where the store wants them on; breaks off after `most` bytes.
fn put(
    store: &mut DiskStore,
    text: &str,
    bytes: &[u8],
    sha256: Option<Digest>,
    most: usize,
) -> Result<Entry, StoreError> {
    let (ticket, name) = (claim(store), name(text));
    let upload = Upload::Named {
        name: &name,
        length: bytes.len() as u64,
        sha256,
    };
    let entry = create(store, &ticket, upload).and_then(|created| {
        let offset = usize::try_from(created.offset).expect("a small file");
        append(store, &ticket, &bytes[offset..most.clamp(offset, bytes.len())])?;
        if most < bytes.len() {
            return Err(StoreError::Busy);
        }
        settle(store, |store| store.seal(&ticket))
    });
    store.release(ticket);
    entry
}
