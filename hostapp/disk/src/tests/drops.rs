//! Numbered uploads: their names, from the first byte to the confirmation.

use super::*;

#[test]
fn a_drop_goes_from_partial_over_unconfirmed_to_its_name() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    let bytes = noise(3 * CHUNK + 17);
    let ticket = store.claim();
    let created = store.create(&ticket, Upload::Numbered).unwrap();
    assert_eq!((created.name.as_str(), created.offset), ("drop-0001", 0));
    assert_eq!(on_disk(dir.path()), ["drop-0001.partial"]);
    store.append(&ticket, &bytes).unwrap();
    assert_eq!(store.0.written(&ticket), bytes.len() as u64);
    let entry = store.seal(&ticket).unwrap();
    assert_eq!((entry.length, entry.sha256), (bytes.len() as u64, sha(&bytes)));
    assert_eq!(on_disk(dir.path()), ["drop-0001.unconfirmed"]);
    assert_eq!(store.names(), ["drop-0001"], "known by the receipt's name");
    store.0.confirm(ticket);
    store.settle();
    assert_eq!(on_disk(dir.path()), ["drop-0001"]);
    assert_eq!(fs::read(dir.path().join("drop-0001")).unwrap(), bytes);
    assert_eq!(store.get("drop-0001").unwrap(), (entry, bytes));
}

#[test]
fn files_of_every_size_around_a_chunk_come_back() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    for length in [
        0,
        1,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        CHUNK * CHUNKS,
        CHUNK * (CHUNKS + 2) + 1,
    ] {
        let bytes = noise(length);
        let entry = store.put("x", &bytes, Some(sha(&bytes))).unwrap();
        assert_eq!(store.get("x").unwrap(), (entry, bytes), "{length}");
        assert_eq!(on_disk(dir.path()), ["x"]);
    }
    assert_eq!(store.0.usage().files, 1);
}

#[test]
fn a_drop_that_is_released_stays_as_what_it_was() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    let (ticket, _) = store.drop_file(b"sealed");
    store.0.release(ticket);
    let ticket = store.claim();
    store.create(&ticket, Upload::Numbered).unwrap();
    store.append(&ticket, b"cut").unwrap();
    store.0.release(ticket);
    let ticket = store.claim();
    store.create(&ticket, Upload::Numbered).unwrap();
    store.0.release(ticket);
    store.settle();
    assert_eq!(
        on_disk(dir.path()),
        ["drop-0001.unconfirmed", "drop-0002.partial"]
    );
    assert_eq!(fs::read(dir.path().join("drop-0002.partial")).unwrap(), b"cut");
    assert_eq!(store.names(), ["drop-0001.unconfirmed", "drop-0002.partial"]);
    assert_eq!(
        store.get("drop-0001").unwrap().1,
        b"sealed",
        "found by the receipt's name"
    );
    assert_eq!(store.get("drop-0001.unconfirmed").unwrap().1, b"sealed");
    assert_eq!(store.get("drop-0002").unwrap_err(), StoreError::NotFound);
    store.delete("drop-0001").unwrap();
    assert_eq!(on_disk(dir.path()), ["drop-0002.partial"]);
    assert_eq!(store.0.usage(), r2_core::store::Usage { files: 1, bytes: 3 });
}

#[test]
fn nothing_stays_of_an_empty_drop_that_nobody_confirmed() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    let (unconfirmed, _) = store.drop_file(b"");
    let (confirmed, _) = store.drop_file(b"");
    store.0.release(unconfirmed);
    store.0.confirm(confirmed);
    store.settle();
    assert_eq!(on_disk(dir.path()), ["drop-0002"]);
    assert_eq!(store.0.usage().files, 1);
}

#[test]
fn a_receipt_is_known_by_its_name_while_it_is_confirmed() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    for _ in 0..100 {
        let (ticket, entry) = store.drop_file(b"hello");
        store.0.confirm(ticket);
        let name = entry.name.as_str();
        assert_eq!(store.get(name).map(|(entry, _)| entry.length), Ok(5));
        let (ticket, entry) = store.drop_file(b"hello");
        store.0.confirm(ticket);
        let name = entry.name.as_str();
        assert!(store.names().iter().any(|listed| listed == name), "{name}");
        let (ticket, entry) = store.drop_file(b"hello");
        store.0.confirm(ticket);
        assert_eq!(store.delete(entry.name.as_str()), Ok(()));
    }
}

#[test]
fn a_deleted_file_keeps_its_number_while_its_receipt_is_under_way() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    let (deleted, _) = store.drop_file(b"1");
    store.delete("drop-0001").unwrap();
    let (unconfirmed, entry) = store.drop_file(b"2");
    assert_eq!(entry.name.as_str(), "drop-0002");
    store.0.confirm(deleted);
    store.0.release(unconfirmed);
    store.settle();
    assert_eq!(on_disk(dir.path()), ["drop-0002.unconfirmed"]);
}

#[test]
fn numbers_go_on_behind_the_highest_whatever_its_ending() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("drop-0041.partial"), "").unwrap();
    fs::create_dir(dir.path().join("drop-0042")).unwrap();
    let mut store = Asked::at(dir.path());
    let (first, entry) = store.drop_file(b"a");
    assert_eq!(entry.name.as_str(), "drop-0043");
    let (second, entry) = store.drop_file(b"b");
    assert_eq!(entry.name.as_str(), "drop-0044");
    store.0.confirm(first);
    store.0.confirm(second);
    fs::write(dir.path().join("drop-99999.unconfirmed"), "").unwrap();
    assert_eq!(store.drop_file(b"c").1.name.as_str(), "drop-100000");
}

#[test]
fn whoever_asks_first_has_the_lower_number() {
    let folder = TempDir::new().unwrap();
    let mut store = Asked::at(folder.path());
    let mut tickets: Vec<_> = (0..40).map(|_| store.claim()).collect();
    // Not in the order of the workers.
    tickets.reverse();
    tickets[3..].rotate_left(17);
    for ticket in &tickets {
        assert!(store.0.create(ticket, Upload::Numbered).is_pending());
    }
    let gone = tickets.remove(5);
    store.0.release(gone);
    for (ticket, number) in tickets.iter().zip(1..) {
        assert_eq!(
            store.create(ticket, Upload::Numbered).unwrap().name,
            Name::numbered(number)
        );
    }
}
