//! The folder itself: whose it is, what is found in it, and that it is full.

use super::*;

#[test]
fn a_folder_belongs_to_one_server() {
    let dir = TempDir::new().unwrap();
    let first = Asked::at(&dir.path().join("made/on/the/way"));
    let refused = |at: &Path| {
        DiskStore::open(at, Limits::default())
            .err()
            .map(|error| error.to_string())
    };
    let second = refused(&dir.path().join("made/on/the/way")).unwrap();
    assert!(second.starts_with("another server holds the store "), "{second}");
    drop(first);
    // A program that another test starts right now holds a copy of every descriptor until its exec.
    let again = loop {
        match refused(&dir.path().join("made/on/the/way")) {
            Some(line) if line == second => std::thread::yield_now(),
            other => break other,
        }
    };
    assert_eq!(again, None);
    fs::write(dir.path().join("file"), b"").unwrap();
    let file = refused(&dir.path().join("file")).unwrap();
    assert!(
        file.ends_with("is no folder; name another with --store"),
        "{file}"
    );
    let inside = refused(&dir.path().join("file/x")).unwrap();
    assert!(
        inside.ends_with("is no folder; name another with --store"),
        "{inside}"
    );
    let proc = refused(Path::new("/proc/r2")).unwrap();
    assert!(proc.contains("cannot be created"), "{proc}");
}

#[test]
fn what_was_written_down_of_a_vanished_upload_is_removed_at_start() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(".x.resume"), "torn").unwrap();
    fs::write(dir.path().join(".y.resume"), "torn").unwrap();
    fs::write(dir.path().join("y.partial"), "abc").unwrap();
    let mut store = Asked::at(dir.path());
    assert_eq!(on_disk(dir.path()), [".y.resume", "y.partial"]);
    store.put("y", b"abcdef", Some(sha(b"abcdef"))).unwrap();
    assert_eq!(on_disk(dir.path()), ["y"]);
}

/// Needs root: mounts 1 MiB of memory.
#[test]
fn a_full_disk_ends_the_upload_and_the_store_goes_on() {
    let dir = TempDir::new().unwrap();
    let disk = Mounted::small_disk(dir.path());
    let mut store = Asked::at(dir.path());
    let ticket = store.claim();
    store.create(&ticket, Upload::Numbered).unwrap();
    let error = store.append(&ticket, &noise(4 << 20)).unwrap_err();
    assert_eq!(error, StoreError::NoSpace);
    let fitted = store.0.written(&ticket);
    assert!((900_000..=1 << 20).contains(&fitted), "{fitted}");
    store.0.release(ticket);
    store.settle();
    assert!(on_disk(dir.path()).is_empty());
    assert_eq!(store.0.usage(), r2_core::store::Usage::default());
    assert_eq!(
        store.put("x", &vec![0; 2 << 20], None),
        Err(StoreError::NoSpace),
        "announced"
    );
    let bytes = noise(500_000);
    store.put("x", &bytes, None).unwrap();
    assert_eq!(store.get("x").unwrap().1, bytes);
    drop(store);
    drop(disk);
}

struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn small_disk(at: &'a Path) -> Self {
        use nix::mount::{MsFlags, mount};
        mount(Some("none"), at, Some("tmpfs"), MsFlags::empty(), Some("size=1m"))
            .expect("this test needs root");
        Self(at)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

/// What every call says of a store that is gone.
fn is_gone(store: &mut Asked) {
    assert_eq!(store.put("x", b"x", None), Err(StoreError::Gone));
    assert_eq!(store.get("kept"), Err(StoreError::Gone));
    assert_eq!(store.delete("kept"), Err(StoreError::Gone));
    let ticket = store.claim();
    assert_eq!(store.create(&ticket, Upload::Numbered), Err(StoreError::Gone));
    assert_eq!(
        store.wait(|store| store.next(&ticket, None)),
        Err(StoreError::Gone)
    );
    store.0.release(ticket);
}

#[test]
fn a_folder_that_was_moved_away_is_the_store_again_when_it_is_back() {
    let dir = TempDir::new().unwrap();
    let (path, away) = (dir.path().join("store"), dir.path().join("away"));
    let mut store = Asked::at(&path);
    store.put("kept", b"kept", None).unwrap();
    let (named, numbered) = (store.claim(), store.claim());
    let upload = Upload::Named {
        name: &name("named"),
        length: 10,
        sha256: None,
    };
    store.create(&named, upload).unwrap();
    store.create(&numbered, Upload::Numbered).unwrap();
    for ticket in [&named, &numbered] {
        store.append(ticket, &noise(CHUNK)).unwrap();
    }
    for file in ["named.partial", "drop-0001.partial"] {
        while fs::metadata(path.join(file)).unwrap().len() < CHUNK as u64 {
            std::thread::yield_now();
        }
    }
    store.append(&numbered, b"more").unwrap();
    fs::rename(&path, &away).unwrap();
    // Another folder in its place is nobody's store, and not touched.
    for another in [false, true] {
        if another {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("drop-0001.partial"), "somebody's").unwrap();
        }
        is_gone(&mut store);
    }
    assert_eq!(store.seal(&numbered), Err(StoreError::Gone));
    assert_eq!(store.0.written(&numbered), CHUNK as u64);
    store.0.release(numbered);
    store.0.release(named);
    store.settle();
    assert_eq!(on_disk(&path), ["drop-0001.partial"]);
    assert_eq!(fs::read(path.join("drop-0001.partial")).unwrap(), b"somebody's");
    fs::remove_dir_all(&path).unwrap();
    fs::rename(&away, &path).unwrap();
    assert_eq!(store.get("kept").unwrap().1, b"kept");
    store.put("x", b"x", None).unwrap();
    assert_eq!(store.names(), ["drop-0001.partial", "kept", "named.partial", "x"]);
}

#[test]
fn a_folder_that_was_deleted_is_gone_whatever_has_its_name() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("store");
    let mut store = Asked::at(&path);
    store.put("kept", b"kept", None).unwrap();
    let ticket = store.claim();
    store.create(&ticket, Upload::Numbered).unwrap();
    fs::remove_dir_all(&path).unwrap();
    is_gone(&mut store);
    // It is told while bytes come, not only at their end.
    let told = (0..1000).find_map(|_| store.append(&ticket, &noise(CHUNK)).err());
    assert_eq!(told, Some(StoreError::Gone));
    store.0.release(ticket);
    fs::write(&path, b"a file").unwrap();
    is_gone(&mut store);
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/", &path).unwrap();
    is_gone(&mut store);
    drop(store);
    assert_eq!(fs::read_link(&path).unwrap(), Path::new("/"));
}

/// Needs root: mounts 1 MiB of memory.
#[test]
fn a_folder_that_is_mounted_over_is_gone_until_it_is_seen_again() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    store.put("kept", b"kept", None).unwrap();
    let disk = Mounted::small_disk(dir.path());
    is_gone(&mut store);
    assert!(
        on_disk(dir.path()).is_empty(),
        "nothing was written to the other disk"
    );
    drop(disk);
    assert_eq!(store.get("kept").unwrap().1, b"kept");
}
