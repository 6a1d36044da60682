//! Flash with something on it that no store has written.

use r2_core::store::StoreError;
use r2_core::store::flash::{File, FlashStore, MountError, Sector};

use super::model::contents;
use super::{Chip, SECTORS, entries, fetch, mount, name, put};

#[test]
fn a_flipped_bit_is_an_error_and_no_other_byte() {
    let chip = Chip::new(SECTORS);
    let bytes: Vec<u8> = (0..3000_u32).map(|i| (i % 251) as u8).collect();
    put(&mut mount(&chip).expect("blank flash"), "a", &bytes).expect("room");
    let place = chip
        .bytes()
        .windows(100)
        .position(|window| window == &bytes[..100]);
    chip.scribble(|flash| flash[place.expect("the file") + 50] ^= 0x10);
    let mut store = mount(&chip).expect("a store");
    assert_eq!(fetch(&mut store, &name("a")), Err(StoreError::Io));
    put(&mut store, "a", &bytes).expect("room");
    assert_eq!(fetch(&mut store, &name("a")), Ok(bytes));
}

#[test]
fn flash_full_of_something_else_is_an_empty_store() {
    for seed in 0..20 {
        let chip = Chip::new(SECTORS);
        let mut random = fastrand::Rng::with_seed(seed);
        chip.scribble(|flash| random.fill(flash));
        let mut store = mount(&chip).expect("a store");
        assert_eq!(entries(&mut store), []);
        put(&mut store, "a", b"hello").expect("room");
        let mut store = mount(&chip).expect("a store");
        assert_eq!(contents(&mut store).into_values().collect::<Vec<_>>(), [b"hello"]);
    }
}

#[test]
fn flash_that_cannot_hold_the_log_is_refused() {
    let open = |sectors: usize, files: usize| {
        let files: Vec<_> = (0..files).map(|_| File::EMPTY).collect();
        let sectors = vec![Sector::EMPTY; sectors].leak();
        FlashStore::mount(Chip::new(sectors.len()), sectors, files.leak(), 1000).map(|_| ())
    };
    assert_eq!(open(3, 3), Err(MountError::TooSmall));
    assert_eq!(open(4, 3), Ok(()));
    assert_eq!(open(6, 4), Err(MountError::TooSmall));
    assert_eq!(open(0, 0), Err(MountError::TooSmall));
}

#[test]
fn more_files_than_places_are_refused_and_stay() {
    let chip = Chip::new(SECTORS);
    let mut store = mount(&chip).expect("blank flash");
    for text in ["a", "b", "c"] {
        put(&mut store, text, b"hello").expect("room");
    }
    drop(store);
    let sectors = vec![Sector::EMPTY; SECTORS].leak();
    let files: Vec<_> = (0..2).map(|_| File::EMPTY).collect();
    let refused = FlashStore::mount(chip.clone(), sectors, files.leak(), 1000).err();
    assert_eq!(refused, Some(MountError::TooManyFiles));
    assert_eq!(entries(&mut mount(&chip).expect("a store")).len(), 3);
}
