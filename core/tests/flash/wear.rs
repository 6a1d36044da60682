//! How often sectors are erased, and what a store does that has none left.

use r2_core::store::flash::FlashStore;
use r2_core::store::{Store, StoreError, Upload};

use super::{Chip, SECTORS, append, claim, mount, name, put, settle};

#[test]
fn sectors_that_are_written_wear_evenly() {
    let chip = Chip::new(SECTORS);
    let mut store = mount(&chip).expect("blank flash");
    put(&mut store, "rests", &[1; 5000]).expect("room");
    let resting = 6;
    for round in 0..2000_u32 {
        put(&mut store, "changes", &round.to_le_bytes().repeat(400)).expect("room");
    }
    let mut erasures = chip.erasures();
    erasures.sort_unstable();
    let (&least, &most) = (&erasures[resting], &erasures[SECTORS - 1]);
    assert!(most - least <= most / 10, "{erasures:?}");
    // Two sectors of the file each time; the log's share is less than another two.
    let all: u32 = erasures.iter().sum();
    assert!(all < 2000 * 4, "{all} erasures for 2,000 files of two sectors");
}

#[test]
fn opening_the_store_again_and_again_wears_all_sectors() {
    let chip = Chip::new(SECTORS);
    for _ in 0..400 {
        mount(&chip).expect("a store");
    }
    let erasures = chip.erasures();
    let most = erasures.iter().max().expect("sectors");
    let least = erasures.iter().min().expect("sectors");
    assert!(most - least <= 1, "{erasures:?}");
}

#[test]
fn a_full_store_goes_on_serving() {
    let chip = Chip::new(15);
    let mut store = mount(&chip).expect("blank flash");
    // Two sectors each, of the nine that are not the log's.
    for text in ["a", "b", "c", "d"] {
        put(&mut store, text, &[1; 1900]).expect("room");
    }
    assert_eq!(put(&mut store, "e", &[1; 1900]), Err(StoreError::NoSpace));
    for round in 0..40 {
        put(&mut store, "e", &[round; 900]).expect("one sector is left");
        assert_eq!(put(&mut store, "f", b"f"), Err(StoreError::NoSpace));
        let ticket = store.claim().expect("a ticket");
        settle(|| store.delete(&ticket, &name("e"))).expect("deleted");
        store.release(ticket);
    }
}

/// Begins an upload of which `byte` is every byte of the SHA-256, adds `more` and breaks it off; what it began at.
fn broken_off(store: &mut impl Store, length: usize, byte: u8, more: &[u8]) -> Result<u64, StoreError> {
    let (ticket, name) = (claim(store), name("b"));
    let upload = Upload::Named {
        name: &name,
        length: length as u64,
        sha256: Some([byte; 32]),
    };
    let begun = settle(|| store.create(&ticket, upload));
    let begun = begun.and_then(|created| append(store, &ticket, more).map(|()| created.offset));
    store.release(ticket);
    begun
}

#[test]
fn an_upload_begins_and_goes_on_only_where_all_of_it_fits() {
    let chip = Chip::new(15);
    let mut store = mount(&chip).expect("blank flash");
    // Two sectors, of the nine that are not the log's.
    put(&mut store, "a", &[1; 1900]).expect("room");
    let sector = FlashStore::<Chip>::SECTOR_PAYLOAD;
    let no_space = Err(StoreError::NoSpace);
    assert_eq!(broken_off(&mut store, 7 * sector + 1, 0, b""), no_space);
    assert_eq!(broken_off(&mut store, 7 * sector, 0, b""), Ok(0));
    // What is there takes the front of a sector, and what follows goes into others.
    let rest = 6 * sector;
    assert_eq!(broken_off(&mut store, 240 + rest + 1, 1, &[1; 240]), Ok(0));
    assert_eq!(broken_off(&mut store, 240 + rest + 1, 1, b""), no_space);
    assert_eq!(broken_off(&mut store, 240 + rest, 2, &[1; 240]), Ok(0));
    assert_eq!(broken_off(&mut store, 240 + rest, 2, b""), Ok(240));
}

#[test]
fn the_log_is_renewed_only_when_it_is_full() {
    let chip = Chip::new(SECTORS);
    let mut store = mount(&chip).expect("blank flash");
    for text in ["a", "b", "c", "d", "e"] {
        put(&mut store, text, b"rests").expect("room");
    }
    let before: u32 = chip.erasures().iter().sum();
    for _ in 0..500 {
        let ticket = claim(&mut store);
        settle(|| store.create(&ticket, Upload::Numbered)).expect("a place");
        store.release(ticket);
    }
    // Of the 16 pages of four sectors, six say what there was when the log began; the others are changes.
    let erasures = chip.erasures().iter().sum::<u32>() - before;
    assert!(
        erasures <= 4 * 1000 / 10 + 4,
        "{erasures} erasures for 1,000 changes"
    );
}
