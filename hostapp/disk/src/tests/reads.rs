//! Files that are read while others change the folder.

use super::*;

#[test]
fn a_change_of_the_folder_from_outside_is_seen() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    store.put("a", b"abc", None).unwrap();
    assert_eq!(store.list()[0].sha256, sha(b"abc"));
    fs::write(dir.path().join("a"), b"other").unwrap();
    assert_eq!(
        store.get("a").unwrap(),
        (store.list().remove(0), b"other".to_vec())
    );
    assert_eq!(store.list()[0].sha256, sha(b"other"));
    fs::write(dir.path().join(".hidden"), b"").unwrap();
    fs::write(dir.path().join("no name"), b"").unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
    nix::unistd::mkfifo(&dir.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(dir.path().join("b"), b"b").unwrap();
    assert_eq!(store.names(), ["a", "b"]);
    for none in ["folder", "link", "pipe"] {
        assert_eq!(store.get(none).unwrap_err(), StoreError::NotFound, "{none}");
    }
    let ticket = store.claim();
    let first = store.wait(|store| store.next(&ticket, None)).unwrap().unwrap();
    fs::remove_file(dir.path().join("b")).unwrap();
    assert_eq!(
        store.wait(|store| store.next(&ticket, Some(&first.name))),
        Ok(None),
        "b vanished"
    );
    assert_eq!(store.get("b").unwrap_err(), StoreError::NotFound);
    assert_eq!(store.0.usage(), r2_core::store::Usage { files: 2, bytes: 6 });
    store.0.release(ticket);
    assert_eq!(store.names(), ["a"]);
    assert_eq!(
        store.0.usage(),
        r2_core::store::Usage { files: 1, bytes: 5 },
        "a list counts anew"
    );
}

#[test]
fn an_open_file_is_read_to_its_end_though_its_name_is_gone() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    let bytes = noise(CHUNK * (CHUNKS + 3));
    store.put("x", &bytes, None).unwrap();
    let ticket = store.claim();
    store.wait(|store| store.open(&ticket, &name("x"))).unwrap();
    let mut room = vec![0; 1000];
    assert_eq!(store.wait(|store| store.read(&ticket, 0, &mut room)), Ok(1000));
    store.put("x", b"another", None).unwrap();
    store.delete("x").unwrap();
    for offset in [5, bytes.len() - 3, 700_000, 700_001, 0, CHUNK - 1] {
        let read = store
            .wait(|store| store.read(&ticket, offset as u64, &mut room))
            .unwrap();
        assert_eq!(room[..read], bytes[offset..offset + read], "from {offset}");
    }
    assert_eq!(
        store.wait(|store| store.read(&ticket, bytes.len() as u64, &mut room)),
        Ok(0)
    );
    assert_eq!(store.wait(|store| store.read(&ticket, 0, &mut [])), Ok(0));
    store.0.release(ticket);
    store.settle();
}

#[test]
fn a_file_that_is_cut_while_it_is_read_is_an_error() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    fs::write(dir.path().join("x"), noise(CHUNK * (CHUNKS + 3))).unwrap();
    let ticket = store.claim();
    store.wait(|store| store.open(&ticket, &name("x"))).unwrap();
    fs::write(dir.path().join("x"), b"short").unwrap();
    let mut offset = 0;
    let error = loop {
        match store.wait(|store| store.read(&ticket, offset, &mut [0; 4096])) {
            Ok(read) => offset += read as u64,
            Err(error) => break error,
        }
    };
    assert_eq!(error, StoreError::Io);
    store.0.release(ticket);
    store.settle();
}
