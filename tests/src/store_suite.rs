//! What every store does, whatever it is made of.

use std::task::Poll;

use embedded_storage::nor_flash::NorFlash;
use r2_core::name::Name;
use r2_core::store::flash::FlashStore;
use r2_core::store::ram::RamStore;
use r2_core::store::{Created, Digest, Ends, Entry, Store, StoreError, Ticket, Upload};
use r2_disk::DiskStore;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sha2::{Digest as _, Sha256};

use crate::program::PATIENCE;
use crate::slow::Slow;

/// A store that is asked until it answers.
pub trait Patient: Store {
    /// Waits until asking again may help. A store that works only while it is asked does not wait at all.
    fn wait(&mut self) {}
}

impl Patient for RamStore<'_> {}

impl<F: NorFlash> Patient for FlashStore<'_, F> {}

impl<S: Store> Patient for Slow<S> {}

impl Patient for DiskStore {
    fn wait(&mut self) {
        let mut news = [PollFd::new(self, PollFlags::IN)];
        let timeout = Timespec::try_from(PATIENCE).expect("seconds");
        let ready = poll(&mut news, Some(&timeout)).expect("poll");
        assert!(ready > 0, "the store never answers");
        self.poll_completions();
    }
}

/// Calls until the store answers.
pub fn settle<S: Patient, T>(store: &mut S, mut call: impl FnMut(&mut S) -> Poll<T>) -> T {
    loop {
        match call(store) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => store.wait(),
        }
    }
}

/// Runs the whole suite. `store` makes an empty store that takes files of up to 10,000 bytes, and at least 20,000
/// bytes and eight tickets together.
pub fn run<S: Patient>(mut store: impl FnMut() -> S) {
    a_numbered_upload_ends_as_it_has_earned(&mut store());
    the_next_number_is_above_all_that_are_held_or_reserved(&mut store());
    a_sealed_upload_is_known_by_its_final_name(&mut store());
    a_partial_upload_resumes_only_as_the_same_file(&mut store());
    a_file_that_is_there_needs_no_byte(&mut store());
    the_old_file_stays_until_the_new_one_is_sealed(&mut store());
    what_was_opened_is_read_to_its_end(&mut store());
    two_uploads_of_one_name_are_one_too_many(&mut store());
    a_mismatch_keeps_nothing(&mut store());
    a_file_too_large_is_refused(&mut store());
    files_are_listed_in_the_order_of_their_names(&mut store());
}

/// The name that `text` is.
pub fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// The SHA-256 of `bytes`.
pub fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Waits for a ticket.
pub fn claim<S: Patient>(store: &mut S) -> Ticket {
    settle(store, |store| store.claim().map_or(Poll::Pending, Poll::Ready))
}

/// Begins an upload.
pub fn create<S: Patient>(store: &mut S, ticket: &Ticket, upload: Upload<'_>) -> Result<Created, StoreError> {
    settle(store, |store| store.create(ticket, upload))
}

/// Hands all of `bytes` over.
pub fn append<S: Patient>(store: &mut S, ticket: &Ticket, mut bytes: &[u8]) -> Result<(), StoreError> {
    while !bytes.is_empty() {
        let taken = settle(store, |store| store.append(ticket, bytes))?;
        assert!(taken > 0, "an answer takes at least one byte");
        bytes = &bytes[taken..];
    }
    Ok(())
}

fn put<S: Patient>(store: &mut S, text: &str, bytes: &[u8]) -> Result<Entry, StoreError> {
    let ticket = claim(store);
    let name = name(text);
    let upload = Upload::Named {
        name: &name,
        length: bytes.len() as u64,
        sha256: None,
    };
    let stored = create(store, &ticket, upload)
        .and_then(|_| append(store, &ticket, bytes))
        .and_then(|()| settle(store, |store| store.seal(&ticket)));
    store.release(ticket);
    stored
}

/// A numbered upload of `bytes`, not sealed.
pub fn drop_bytes<S: Patient>(store: &mut S, bytes: &[u8]) -> (Ticket, Name) {
    let ticket = claim(store);
    let created = create(store, &ticket, Upload::Numbered).expect("room for one more");
    append(store, &ticket, bytes).expect("room for a few bytes");
    (ticket, created.name)
}

fn read<S: Patient>(store: &mut S, ticket: &Ticket) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = [0; 333];
    loop {
        match settle(store, |store| store.read(ticket, bytes.len() as u64, &mut piece))
            .expect("a readable file")
        {
            0 => return bytes,
            count => bytes.extend(&piece[..count]),
        }
    }
}

/// The bytes of the file of that name.
pub fn fetch<S: Patient>(store: &mut S, text: &str) -> Result<Vec<u8>, StoreError> {
    let ticket = claim(store);
    let bytes = settle(store, |store| store.open(&ticket, &name(text))).map(|_| read(store, &ticket));
    store.release(ticket);
    bytes
}

/// What is listed: names and lengths.
pub fn list<S: Patient>(store: &mut S) -> Vec<String> {
    let ticket = claim(store);
    let mut names = Vec::new();
    let mut after = None;
    while let Some(entry) = settle(store, |store| store.next(&ticket, after.as_ref())).expect("a list") {
        names.push(format!("{} {}", entry.name, entry.length));
        after = Some(entry.name);
    }
    store.release(ticket);
    names
}

/// The list once it is `expected`: what `confirm` and `release` do may take a moment.
fn assert_list<S: Patient>(store: &mut S, expected: &[&str]) {
    for _ in 0..10_000 {
        if list(store) == expected {
            return;
        }
        std::thread::yield_now();
    }
    assert_eq!(list(store), expected);
}

fn a_numbered_upload_ends_as_it_has_earned<S: Patient>(store: &mut S) {
    let (ticket, _) = drop_bytes(store, b"confirmed");
    settle(store, |store| store.seal(&ticket)).expect("sealed");
    store.confirm(ticket);
    let (ticket, _) = drop_bytes(store, b"unconfirmed");
    settle(store, |store| store.seal(&ticket)).expect("sealed");
    store.release(ticket);
    let (ticket, _) = drop_bytes(store, b"partial");
    store.release(ticket);
    let (ticket, _) = drop_bytes(store, b"");
    settle(store, |store| store.seal(&ticket)).expect("sealed");
    store.release(ticket);
    let (ticket, _) = drop_bytes(store, b"");
    store.release(ticket);
    assert_list(
        store,
        &["drop-0001 9", "drop-0002.unconfirmed 11", "drop-0003.partial 7"],
    );
    assert_eq!(fetch(store, "drop-0002"), Ok(b"unconfirmed".to_vec()));
    assert_eq!(fetch(store, "drop-0002.unconfirmed"), Ok(b"unconfirmed".to_vec()));
}

fn the_next_number_is_above_all_that_are_held_or_reserved<S: Patient>(store: &mut S) {
    let (first, first_name) = drop_bytes(store, b"1");
    let (second, second_name) = drop_bytes(store, b"2");
    assert_eq!(
        (first_name.as_str(), second_name.as_str()),
        ("drop-0001", "drop-0002")
    );
    store.release(first);
    store.release(second);
    let (third, third_name) = drop_bytes(store, b"3");
    assert_eq!(third_name.as_str(), "drop-0003");
    store.release(third);
}

fn a_sealed_upload_is_known_by_its_final_name<S: Patient>(store: &mut S) {
    let (ticket, final_name) = drop_bytes(store, b"hello");
    assert_eq!(fetch(store, "drop-0001"), Err(StoreError::Busy));
    assert_list(store, &[]);
    let entry = settle(store, |store| store.seal(&ticket)).expect("sealed");
    assert_eq!(
        entry,
        Entry {
            name: final_name,
            length: 5,
            sha256: digest(b"hello")
        }
    );
    assert_eq!(fetch(store, "drop-0001"), Ok(b"hello".to_vec()));
    assert_list(store, &["drop-0001 5"]);
    store.release(ticket);
}

fn a_partial_upload_resumes_only_as_the_same_file<S: Patient>(store: &mut S) {
    let name = name("a");
    let upload = |sha256| Upload::Named {
        name: &name,
        length: 5,
        sha256,
    };
    let sha256 = Some(digest(b"hello"));
    let ticket = claim(store);
    create(store, &ticket, upload(sha256)).expect("room");
    append(store, &ticket, b"hel").expect("room");
    store.release(ticket);
    assert_list(store, &["a.partial 3"]);

    let ticket = claim(store);
    let created = create(store, &ticket, upload(sha256)).expect("resumed");
    assert_eq!(
        created,
        Created {
            name: name.clone(),
            offset: 3,
            ends: Ends {
                front: b"hel".iter().copied().collect(),
                back: b"hel".iter().copied().collect(),
            },
        }
    );
    append(store, &ticket, b"lo").expect("room");
    assert_eq!(
        settle(store, |store| store.seal(&ticket)).expect("whole").sha256,
        digest(b"hello")
    );
    store.release(ticket);
    assert_list(store, &["a 5"]);

    let other = Some(digest(b"HELLO"));
    for (announced, offset) in [(other, 0), (None, 0), (other, 0)] {
        let ticket = claim(store);
        assert_eq!(
            create(store, &ticket, upload(announced)).expect("room").offset,
            offset
        );
        append(store, &ticket, b"HE").expect("room");
        store.release(ticket);
    }
    assert_list(store, &["a 5", "a.partial 2"]);
}

fn a_file_that_is_there_needs_no_byte<S: Patient>(store: &mut S) {
    put(store, "a", b"hello").expect("stored");
    let name = name("a");
    let ticket = claim(store);
    let upload = Upload::Named {
        name: &name,
        length: 5,
        sha256: Some(digest(b"hello")),
    };
    assert_eq!(create(store, &ticket, upload).expect("there").offset, 5);
    assert_eq!(
        settle(store, |store| store.seal(&ticket)).expect("there").length,
        5
    );
    store.release(ticket);
    assert_list(store, &["a 5"]);
}

fn the_old_file_stays_until_the_new_one_is_sealed<S: Patient>(store: &mut S) {
    put(store, "a", b"old").expect("stored");
    let name = name("a");
    let ticket = claim(store);
    create(
        store,
        &ticket,
        Upload::Named {
            name: &name,
            length: 3,
            sha256: None,
        },
    )
    .expect("room");
    append(store, &ticket, b"new").expect("room");
    assert_eq!(fetch(store, "a"), Ok(b"old".to_vec()));
    settle(store, |store| store.seal(&ticket)).expect("sealed");
    assert_eq!(fetch(store, "a"), Ok(b"new".to_vec()));
    store.release(ticket);
    assert_list(store, &["a 3"]);
}

fn what_was_opened_is_read_to_its_end<S: Patient>(store: &mut S) {
    let old: Vec<u8> = (0..5000_u32).map(|i| i.to_le_bytes()[0]).collect();
    put(store, "a", &old).expect("stored");
    let reader = claim(store);
    settle(store, |store| store.open(&reader, &name("a"))).expect("there");
    put(store, "a", b"new").expect("stored");
    assert_eq!(read(store, &reader), old);
    let remover = claim(store);
    settle(store, |store| store.delete(&remover, &name("a"))).expect("deleted");
    assert_eq!(
        settle(store, |store| store.delete(&remover, &name("a"))),
        Err(StoreError::NotFound)
    );
    store.release(remover);
    assert_eq!(read(store, &reader), old);
    store.release(reader);
    assert_eq!(fetch(store, "a"), Err(StoreError::NotFound));
    assert_list(store, &[]);
}

fn two_uploads_of_one_name_are_one_too_many<S: Patient>(store: &mut S) {
    let name = name("a");
    let upload = Upload::Named {
        name: &name,
        length: 5,
        sha256: None,
    };
    let (first, second) = (claim(store), claim(store));
    create(store, &first, upload).expect("room");
    assert_eq!(create(store, &second, upload), Err(StoreError::Busy));
    store.release(second);
    store.release(first);
}

fn a_mismatch_keeps_nothing<S: Patient>(store: &mut S) {
    let name = name("a");
    let ticket = claim(store);
    let upload = Upload::Named {
        name: &name,
        length: 5,
        sha256: Some(digest(b"hello")),
    };
    create(store, &ticket, upload).expect("room");
    append(store, &ticket, b"hallo").expect("room");
    assert_eq!(
        settle(store, |store| store.seal(&ticket)),
        Err(StoreError::Mismatch)
    );
    store.release(ticket);
    assert_list(store, &[]);
}

fn a_file_too_large_is_refused<S: Patient>(store: &mut S) {
    let name = name("a");
    let ticket = claim(store);
    for length in [10_001, u64::MAX] {
        let upload = Upload::Named {
            name: &name,
            length,
            sha256: None,
        };
        assert_eq!(create(store, &ticket, upload), Err(StoreError::TooLarge));
    }
    create(store, &ticket, Upload::Numbered).expect("room");
    let appended = append(store, &ticket, &[0; 12_000])
        .and_then(|()| settle(store, |store| store.seal(&ticket)).map(|_| ()));
    assert_eq!(appended, Err(StoreError::TooLarge));
    assert_eq!(store.written(&ticket), 10_000);
    store.release(ticket);
    assert_list(store, &[]);
}

fn files_are_listed_in_the_order_of_their_names<S: Patient>(store: &mut S) {
    for text in ["b", "a-1", "Z", "a", "0"] {
        put(store, text, text.as_bytes()).expect("stored");
    }
    assert_list(store, &["0 1", "Z 1", "a 1", "a-1 3", "b 1"]);
    let usage = store.usage();
    assert_eq!((usage.files, usage.bytes), (5, 7));
}
