//! The suite of the stores, on the one in memory and on the one on a folder.

use hostapp::disk::{DiskStore, Limits};
use r2_core::limits::RAM_BLOCK;
use r2_core::store::ram::{Block, File, RamStore};
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
