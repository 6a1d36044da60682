//! What the store in memory does at its bounds.

use std::vec::Vec;

use super::*;
use crate::limits::RAM_BLOCK;

fn with_store(blocks: usize, files: usize, test: impl FnOnce(&mut RamStore<'_>)) {
    let mut blocks: Vec<_> = (0..blocks).map(|_| Block::EMPTY).collect();
    let mut files: Vec<_> = (0..files).map(|_| File::EMPTY).collect();
    test(&mut RamStore::new(&mut blocks, &mut files, 5000));
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn ready<T>(answer: Poll<T>) -> T {
    let Poll::Ready(answer) = answer else {
        panic!("every call is answered at once");
    };
    answer
}

fn begin(
    store: &mut RamStore<'_>,
    ticket: &Ticket,
    text: &str,
    length: usize,
    byte: u8,
) -> Result<u64, StoreError> {
    let (name, sha256) = (name(text), (byte > 0).then_some([byte; 32]));
    let length = length as u64;
    let upload = Upload::Named {
        name: &name,
        length,
        sha256,
    };
    ready(store.create(ticket, upload)).map(|created| created.offset)
}

fn put(store: &mut RamStore<'_>, text: &str, bytes: &[u8]) -> Result<Entry, StoreError> {
    let ticket = store.claim().unwrap();
    let stored = begin(store, &ticket, text, bytes.len(), 0).and_then(|_| {
        assert_eq!(ready(store.append(&ticket, bytes)), Ok(bytes.len()));
        assert_eq!(store.written(&ticket), bytes.len() as u64);
        ready(store.seal(&ticket))
    });
    let revision = store.revision();
    store.release(ticket);
    assert_ne!(store.revision(), revision, "a ticket came back");
    stored
}

fn delete(store: &mut RamStore<'_>, text: &str) {
    let ticket = store.claim().unwrap();
    assert_eq!(ready(store.delete(&ticket, &name(text))), Ok(()));
    store.release(ticket);
}

/// Begins an upload of which `byte` is every byte of the SHA-256, adds `more` and breaks it off; what it began at.
fn broken_off(store: &mut RamStore<'_>, length: usize, byte: u8, more: &[u8]) -> Result<u64, StoreError> {
    let ticket = store.claim().unwrap();
    let begun = begin(store, &ticket, "b", length, byte);
    if begun.is_ok() {
        assert_eq!(ready(store.append(&ticket, more)), Ok(more.len()));
    }
    store.release(ticket);
    begun
}

fn count(bytes: usize) -> Vec<u8> {
    (0..=255).cycle().take(bytes).collect()
}

#[test]
fn what_a_file_held_is_free_again_when_it_is_gone() {
    with_store(5, 4, |store| {
        for length in [5 * RAM_BLOCK, 1, RAM_BLOCK, RAM_BLOCK + 1, 5 * RAM_BLOCK] {
            assert!(put(store, "a", &count(length)).is_ok());
            let usage = store.usage();
            assert_eq!((usage.files, usage.bytes), (1, length as u64));
            let free = 5 - length.div_ceil(RAM_BLOCK);
            assert_eq!(
                put(store, "b", &count(free * RAM_BLOCK + 1)),
                Err(StoreError::NoSpace)
            );
            assert!(put(store, "b", &count(free * RAM_BLOCK)).is_ok());
            delete(store, "a");
            delete(store, "b");
            assert_eq!(store.usage(), Usage::default());
        }
    });
}

#[test]
fn an_upload_begins_and_goes_on_only_where_all_of_it_fits() {
    with_store(9, 4, |store| {
        put(store, "a", &count(2 * RAM_BLOCK)).unwrap();
        let (no_space, rest) = (Err(StoreError::NoSpace), 6 * RAM_BLOCK);
        assert_eq!(broken_off(store, 7 * RAM_BLOCK + 1, 1, b""), no_space);
        assert_eq!(broken_off(store, 7 * RAM_BLOCK, 1, b""), Ok(0));
        assert_eq!(broken_off(store, RAM_BLOCK + rest, 2, &[2; RAM_BLOCK]), Ok(0));
        assert_eq!(broken_off(store, RAM_BLOCK + rest, 2, b""), Ok(256));
        put(store, "c", b"c").unwrap();
        assert_eq!(broken_off(store, RAM_BLOCK + rest, 2, b""), no_space);
        delete(store, "c");
        assert_eq!(broken_off(store, RAM_BLOCK + rest, 2, &[2; RAM_BLOCK]), Ok(256));
        assert_eq!(broken_off(store, RAM_BLOCK + rest, 2, b""), Ok(512));
    });
}

#[test]
fn only_the_same_upload_goes_on_and_only_where_nobody_holds_it() {
    with_store(20, 4, |store| {
        assert_eq!(broken_off(store, 1000, 1, &[1; 500]), Ok(0));
        assert_eq!(broken_off(store, 1000, 1, b""), Ok(500), "the same");
        assert_eq!(broken_off(store, 1001, 1, &[1; 500]), Ok(0), "another length");
        assert_eq!(broken_off(store, 1001, 2, &[1; 500]), Ok(0), "another SHA-256");
        assert_eq!(broken_off(store, 1001, 0, &[1; 500]), Ok(0), "none that is known");
        assert_eq!(broken_off(store, 1001, 0, &[1; 500]), Ok(0), "nor was one");
        assert_eq!(broken_off(store, 1000, 1, &[1; 500]), Ok(0));
        let reader = store.claim().unwrap();
        assert!(ready(store.open(&reader, &name("b.partial"))).is_ok());
        assert_eq!(broken_off(store, 1000, 1, &[2; 400]), Ok(0), "somebody reads it");
        let mut byte = [0];
        assert_eq!(ready(store.read(&reader, 499, &mut byte)), Ok(1));
        assert_eq!(byte, [1], "the reader's file is as it was");
        store.release(reader);
        assert_eq!(broken_off(store, 1000, 1, b""), Ok(400));
    });
}

#[test]
fn what_was_broken_off_is_listed_with_the_sum_of_what_is_there() {
    with_store(20, 4, |store| {
        assert_eq!(broken_off(store, 1000, 1, &[1; 500]), Ok(0));
        let whole = put(store, "c", &[1; 500]).unwrap();
        let ticket = store.claim().unwrap();
        let partial = ready(store.next(&ticket, None)).unwrap().unwrap();
        assert_eq!(partial.name.as_str(), "b.partial");
        assert_eq!((partial.length, partial.sha256), (500, whole.sha256));
    });
}

#[test]
fn what_was_not_sealed_is_not_confirmed() {
    with_store(4, 2, |store| {
        let ticket = store.claim().unwrap();
        assert!(ready(store.create(&ticket, Upload::Numbered)).is_ok());
        assert_eq!(ready(store.append(&ticket, b"hello")), Ok(5));
        store.confirm(ticket);
        let ticket = store.claim().unwrap();
        let listed = ready(store.next(&ticket, None)).unwrap();
        assert!(listed.is_none_or(|entry| entry.name.as_str() != "drop-0001"));
    });
}

#[test]
fn a_file_is_read_from_any_byte_into_any_room() {
    let bytes = count(2 * RAM_BLOCK + 100);
    with_store(9, 4, |store| {
        put(store, "x", &count(10)).unwrap();
        put(store, "a", &bytes).unwrap();
        let ticket = store.claim().unwrap();
        ready(store.open(&ticket, &name("a"))).unwrap();
        assert_eq!(store.written(&ticket), bytes.len() as u64);
        for offset in 0..bytes.len() + 2 {
            for room in [0, 1, RAM_BLOCK - 1, RAM_BLOCK, RAM_BLOCK + 1, 700] {
                let mut into = std::vec![0; room];
                let read = ready(store.read(&ticket, offset as u64, &mut into)).unwrap();
                let expected = bytes.get(offset..).unwrap_or_default();
                let expected = &expected[..expected.len().min(room)];
                assert_eq!(&into[..read], expected, "{room} from {offset}");
            }
        }
        assert_eq!(ready(store.read(&ticket, u64::MAX, &mut [0; 9])), Ok(0));
    });
}

#[test]
fn the_place_of_a_file_that_is_read_is_not_given_away() {
    with_store(9, 2, |store| {
        put(store, "a", b"hello").unwrap();
        put(store, "b", b"").unwrap();
        assert_eq!(put(store, "c", b"c"), Err(StoreError::NoSpace));
        let reader = store.claim().unwrap();
        ready(store.open(&reader, &name("a"))).unwrap();
        delete(store, "a");
        assert_eq!(put(store, "c", b"c"), Err(StoreError::NoSpace));
        let mut into = [0; 9];
        assert_eq!(ready(store.read(&reader, 0, &mut into)), Ok(5));
        assert_eq!(&into[..5], b"hello");
        store.release(reader);
        assert!(put(store, "c", b"c").is_ok());
    });
}

#[test]
fn an_upload_that_ends_by_an_error_tells_how_much_had_fitted() {
    for (blocks, most, why) in [
        (3, 3 * RAM_BLOCK, StoreError::NoSpace),
        (30, 5000, StoreError::TooLarge),
    ] {
        with_store(blocks, 2, |store| {
            let ticket = store.claim().unwrap();
            ready(store.create(&ticket, Upload::Numbered)).unwrap();
            assert_eq!(ready(store.append(&ticket, &count(9000))), Ok(most));
            assert_eq!(ready(store.append(&ticket, b"")), Ok(0), "nothing is wrong yet");
            assert_eq!(ready(store.append(&ticket, b"x")), Err(why));
            assert_eq!(store.written(&ticket), most as u64);
            store.confirm(ticket);
            assert_eq!(store.usage(), Usage::default());
            assert!(put(store, "a", &count(most)).is_ok(), "all blocks are free");
        });
    }
}

#[test]
fn a_file_shorter_than_announced_is_a_mismatch() {
    with_store(9, 2, |store| {
        let ticket = store.claim().unwrap();
        begin(store, &ticket, "a", 5, 0).unwrap();
        ready(store.append(&ticket, b"hell")).unwrap();
        assert_eq!(ready(store.seal(&ticket)), Err(StoreError::Mismatch));
        store.release(ticket);
        assert_eq!(store.usage(), Usage::default());
    });
}

#[test]
fn numbers_go_on_behind_the_highest_and_run_out() {
    with_store(9, 3, |store| {
        put(store, "drop-4294967294.partial", b"x").unwrap();
        let ticket = store.claim().unwrap();
        let created = ready(store.create(&ticket, Upload::Numbered)).unwrap();
        assert_eq!(created.name.as_str(), "drop-4294967295");
        let next = store.claim().unwrap();
        assert_eq!(
            ready(store.create(&next, Upload::Numbered)),
            Err(StoreError::NoSpace)
        );
    });
}
