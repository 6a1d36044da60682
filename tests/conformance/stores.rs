//! The suite of the stores, on the one in memory.

use r2_core::limits::RAM_BLOCK;
use r2_core::store::ram::{Block, File, RamStore};
use r2_tests::slow::Slow;
use r2_tests::store_suite;

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
