//! Named uploads: broken off, resumed, refused.

use super::*;

#[test]
fn a_server_that_dies_leaves_each_upload_in_its_state() {
    // What a kill leaves is what is on the disk: the store is looked at from outside at every step, and another
    // server finds the same when the first is gone.
    let dir = TempDir::new().unwrap();
    let copy = TempDir::new().unwrap();
    let crash = |step: &str| {
        let at = copy.path().join(step);
        fs::create_dir(&at).unwrap();
        for file in on_disk(dir.path()) {
            fs::copy(dir.path().join(&file), at.join(&file)).unwrap();
        }
        let mut after = Asked::at(&at);
        (after.names(), on_disk(&at))
    };
    let bytes = noise(CHUNK + 5);
    let mut store = Asked::at(dir.path());
    store.put("named", b"old", None).unwrap();

    let named = store.claim();
    let upload = Upload::Named {
        name: &name("named"),
        length: bytes.len() as u64,
        sha256: Some(sha(&bytes)),
    };
    store.create(&named, upload).unwrap();
    let (listed, disk) = crash("named-created");
    assert_eq!(listed, ["named", "named.partial"]);
    assert_eq!(disk, [".named.resume", "named", "named.partial"]);
    store.append(&named, &bytes).unwrap();
    assert_eq!(crash("named-appended").0, ["named", "named.partial"]);
    assert_eq!(
        store.get("named").unwrap().1,
        b"old",
        "the old file is whole until the new one is sealed"
    );
    store.seal(&named).unwrap();
    assert_eq!(crash("named-sealed").1, ["named"]);
    store.0.release(named);

    let drop = store.claim();
    store.create(&drop, Upload::Numbered).unwrap();
    assert_eq!(crash("drop-created").0, ["drop-0001.partial", "named"]);
    store.append(&drop, &bytes).unwrap();
    store.seal(&drop).unwrap();
    assert_eq!(crash("drop-sealed").0, ["drop-0001.unconfirmed", "named"]);
    store.0.confirm(drop);
    std::mem::drop(store);
    assert_eq!(crash("after").0, ["drop-0001", "named"]);
}

#[test]
fn an_upload_that_was_cut_goes_on_where_it_rests() {
    let dir = TempDir::new().unwrap();
    let bytes = noise(2 * CHUNK + 100);
    let upload = Upload::Named {
        name: &name("big"),
        length: bytes.len() as u64,
        sha256: Some(sha(&bytes)),
    };
    {
        let mut store = Asked::at(dir.path());
        let ticket = store.claim();
        assert_eq!(store.create(&ticket, upload).unwrap().offset, 0);
        store.append(&ticket, &bytes[..CHUNK + 50]).unwrap();
        store.0.release(ticket);
    }
    let mut store = Asked::at(dir.path());
    let ticket = store.claim();
    assert_eq!(store.create(&ticket, upload).unwrap().offset, CHUNK as u64 + 50);
    assert_eq!(store.0.written(&ticket), CHUNK as u64 + 50);
    store.append(&ticket, &bytes[CHUNK + 50..]).unwrap();
    assert_eq!(store.seal(&ticket).unwrap().sha256, sha(&bytes));
    store.0.release(ticket);
    assert_eq!(on_disk(dir.path()), ["big"]);

    let ticket = store.claim();
    assert_eq!(
        store.create(&ticket, upload).unwrap().offset,
        bytes.len() as u64,
        "that very file is there"
    );
    assert_eq!(store.seal(&ticket).unwrap().length, bytes.len() as u64);
    store.0.release(ticket);
    assert_eq!(on_disk(dir.path()), ["big"]);
    assert_eq!(store.0.usage().bytes, bytes.len() as u64);
}

#[test]
fn only_the_same_announcement_resumes() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    let cut = |store: &mut Asked, length, sha256, bytes: &[u8]| {
        let ticket = store.claim();
        let name = name("x");
        let named = Upload::Named {
            name: &name,
            length,
            sha256,
        };
        let offset = store.create(&ticket, named).unwrap().offset;
        store.append(&ticket, bytes).unwrap();
        store.0.release(ticket);
        store.settle();
        offset
    };
    assert_eq!(cut(&mut store, 10, Some([1; 32]), b"abc"), 0);
    assert_eq!(cut(&mut store, 10, Some([1; 32]), b"d"), 3);
    assert_eq!(cut(&mut store, 10, Some([2; 32]), b"efg"), 0, "other bytes");
    assert_eq!(cut(&mut store, 11, Some([2; 32]), b"efg"), 0, "another length");
    assert_eq!(cut(&mut store, 11, None, b"efg"), 0, "without a SHA-256 never");
    assert_eq!(
        cut(&mut store, 11, Some([2; 32]), b""),
        0,
        "nor after one without"
    );
    assert_eq!(store.0.usage(), r2_core::store::Usage { files: 1, bytes: 0 });
}

#[test]
fn bytes_that_do_not_add_up_are_not_kept() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    store.put("x", b"old", None).unwrap();
    assert_eq!(store.put("x", b"new", Some([7; 32])), Err(StoreError::Mismatch));
    assert_eq!(store.get("x").unwrap().1, b"old");
    assert_eq!(on_disk(dir.path()), ["x"]);
    let ticket = store.claim();
    let named = Upload::Named {
        name: &name("y"),
        length: 5,
        sha256: None,
    };
    store.create(&ticket, named).unwrap();
    store.append(&ticket, b"four").unwrap();
    assert_eq!(store.seal(&ticket), Err(StoreError::Mismatch), "too short");
    store.0.release(ticket);
    assert_eq!(on_disk(dir.path()), ["x"]);
    assert_eq!(store.0.usage(), r2_core::store::Usage { files: 1, bytes: 3 });
}

#[test]
fn a_name_that_is_being_written_is_busy() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    let ticket = store.claim();
    let named = Upload::Named {
        name: &name("x"),
        length: 3,
        sha256: None,
    };
    store.create(&ticket, named).unwrap();
    assert_eq!(store.put("x", b"abc", None), Err(StoreError::Busy));
    assert_eq!(store.get("x").unwrap_err(), StoreError::Busy);
    assert_eq!(store.get("x.partial").unwrap_err(), StoreError::Busy);
    assert_eq!(store.delete("x"), Err(StoreError::Busy));
    assert_eq!(store.delete("x.partial"), Err(StoreError::Busy));
    assert!(store.names().is_empty(), "not listed");
    store.0.release(ticket);
    store.settle();
    assert_eq!(store.names(), ["x.partial"]);
    store.put("x", b"abc", None).unwrap();
    assert_eq!(store.names(), ["x"]);
}

#[test]
fn a_limit_ends_an_upload_and_says_how_much_fitted() {
    let dir = TempDir::new().unwrap();
    let limits = Limits {
        file: 1000,
        store: 1500,
        ..Limits::default()
    };
    let mut store = Asked::with(dir.path(), limits);
    let ticket = store.claim();
    store.create(&ticket, Upload::Numbered).unwrap();
    assert_eq!(store.append(&ticket, &[0; 2000]), Err(StoreError::TooLarge));
    assert_eq!(store.0.written(&ticket), 1000);
    store.0.release(ticket);
    store.settle();
    let (kept, _) = store.drop_file(&[0; 1000]);
    store.0.confirm(kept);
    let ticket = store.claim();
    store.create(&ticket, Upload::Numbered).unwrap();
    store.append(&ticket, &[0; 501]).unwrap();
    assert_eq!(store.seal(&ticket), Err(StoreError::NoSpace));
    assert_eq!(store.0.written(&ticket), 500);
    store.0.release(ticket);
    assert_eq!(store.put("x", &[0; 501], None), Err(StoreError::NoSpace));
    assert_eq!(store.put("x", &[0; 1001], None), Err(StoreError::TooLarge));
    store.settle();
    assert_eq!(on_disk(dir.path()), ["drop-0001"]);
    assert_eq!(
        store.0.usage(),
        r2_core::store::Usage {
            files: 1,
            bytes: 1000
        }
    );
    store.put("x", &[0; 500], None).unwrap();
}
