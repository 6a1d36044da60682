//! The suite of the stores, on the one in memory, the one on flash and the one on a folder.

use r2_core::limits::RAM_BLOCK;
use r2_core::store::flash::{self, FlashStore, Sector};
use r2_core::store::ram::{Block, File, RamStore};
use r2_disk::{DiskStore, Limits};
use r2_tests::nor::Nor;
use r2_tests::slow::Slow;
use r2_tests::store_suite;
use tempfile::TempDir;

fn ram() -> RamStore<'static> {
    let blocks: Vec<_> = (0..24_000 / RAM_BLOCK).map(|_| Block::EMPTY).collect();
    let files: Vec<_> = (0..8).map(|_| File::EMPTY).collect();
    RamStore::new(blocks.leak(), files.leak(), 10_000)
}

#[test]
fn the_store_in_memory_keeps_the_rules() {
    store_suite::run(ram);
}

#[test]
fn a_slow_store_keeps_the_rules() {
    store_suite::run(|| Slow::new(ram()));
}

/// Flash of `SECTORS` sectors, with words and sectors as different chips have them.
fn flash<const WRITE: usize, const ERASE: usize, const SECTORS: usize>()
-> FlashStore<'static, Nor<WRITE, ERASE>> {
    let sectors = vec![Sector::EMPTY; SECTORS].leak();
    let files: Vec<_> = (0..10).map(|_| flash::File::EMPTY).collect();
    FlashStore::mount(Nor::new(SECTORS), sectors, files.leak(), 10_000).expect("blank flash")
}

#[test]
fn the_store_on_flash_keeps_the_rules() {
    store_suite::run(flash::<1, 4096, 16>);
    store_suite::run(flash::<32, 8192, 12>);
    store_suite::run(flash::<256, 256, 150>);
}

#[test]
fn the_store_on_a_folder_keeps_the_rules() {
    let limits = Limits {
        tickets: 8,
        file: 10_000,
        store: 24_000,
    };
    let parent = TempDir::new().expect("a temporary folder");
    let mut folders = 0..;
    store_suite::run(|| {
        let folder = parent.path().join(folders.next().unwrap_or(0).to_string());
        DiskStore::open(&folder, limits).expect("a store of its own")
    });
}
