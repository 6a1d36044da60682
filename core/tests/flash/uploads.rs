//! Uploads that are broken off, grow too long, or meet a chip that has failed.

use std::task::Poll;

use r2_core::store::{Store, StoreError, Ticket, Upload};
use sha2::{Digest as _, Sha256};

use super::model::contents;
use super::{Chip, MAX_FILE, SECTORS, append, claim, drop_bytes, mount, name, settle};

/// Asks once, for this ticket, to upload `bytes` as `a`: where to begin.
fn begin(store: &mut impl Store, ticket: &Ticket, bytes: &[u8]) -> Poll<Result<u64, StoreError>> {
    let upload = Upload::Named {
        name: &name("a"),
        length: bytes.len() as u64,
        sha256: Some(Sha256::digest(bytes).into()),
    };
    let created = store.create(ticket, upload);
    created.map(|created| created.map(|created| created.offset))
}

#[test]
fn an_upload_that_is_given_up_while_its_front_is_hashed_again_stays_what_it_was() {
    let chip = Chip::new(SECTORS);
    let mut store = mount(&chip).expect("blank flash");
    let bytes: Vec<u8> = (0..7000_u32).map(|i| (i % 251) as u8).collect();
    let ticket = claim(&mut store);
    assert_eq!(begin(&mut store, &ticket, &bytes), Poll::Ready(Ok(0)));
    append(&mut store, &ticket, &bytes[..5000]).expect("room");
    store.release(ticket);
    let before = contents(&mut store);
    assert_eq!(before[&name("a.partial")], bytes[..5000]);
    let ticket = claim(&mut store);
    let begun = begin(&mut store, &ticket, &bytes);
    assert!(begun.is_pending(), "five sectors are not hashed in one call");
    store.release(ticket);
    assert_eq!(contents(&mut store), before);
    let ticket = claim(&mut store);
    assert_eq!(settle(|| begin(&mut store, &ticket, &bytes)), Ok(5000));
    append(&mut store, &ticket, &bytes[5000..]).expect("room");
    settle(|| store.seal(&ticket)).expect("all of it");
    store.release(ticket);
    assert_eq!(contents(&mut store)[&name("a")], bytes);
}

#[test]
fn an_upload_that_grows_over_the_bound_ends_there() {
    let mut store = mount(&Chip::new(SECTORS)).expect("blank flash");
    let ticket = claim(&mut store);
    settle(|| store.create(&ticket, Upload::Numbered)).expect("a place");
    let most = usize::try_from(MAX_FILE).expect("a small file");
    append(&mut store, &ticket, &vec![1; most]).expect("as much as is allowed");
    assert_eq!(append(&mut store, &ticket, &[1]), Err(StoreError::TooLarge));
    assert_eq!(store.written(&ticket), MAX_FILE);
    store.release(ticket);
    assert!(contents(&mut store).is_empty());
}

#[test]
fn where_the_log_could_not_be_written_nothing_more_is_taken() {
    let chip = Chip::new(SECTORS);
    let mut store = mount(&chip).expect("blank flash");
    let stored = drop_bytes(&mut store, b"hello");
    let ticket = claim(&mut store);
    settle(|| store.create(&ticket, Upload::Numbered)).expect("a place");
    append(&mut store, &ticket, b"more").expect("room");
    chip.cut_after(0, 1);
    let other = claim(&mut store);
    assert_eq!(
        settle(|| store.create(&other, Upload::Numbered)).err(),
        Some(StoreError::Io)
    );
    store.release(other);
    chip.power_on();
    // Nobody knows what the log says now.
    assert_eq!(append(&mut store, &ticket, b"more"), Err(StoreError::Io));
    store.release(ticket);
    let found = contents(&mut mount(&chip).expect("a store"));
    assert_eq!(found[&stored.name], b"hello");
}
