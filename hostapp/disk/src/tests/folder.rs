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
