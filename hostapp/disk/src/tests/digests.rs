//! Digests: computed once, kept, and never told of content that is no longer there.

use std::fs::{File, FileTimes, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::time::{Duration, Instant, SystemTime};

use super::super::fingerprint::Fingerprint;
use super::super::index::{INDEX, NEW_INDEX};
use super::super::medium::{FileSystem, Medium};
use super::*;

/// A file that takes seconds to hash and no room on the disk.
const LARGE: u64 = 8 << 30;

fn fingerprint(path: &Path) -> Fingerprint {
    let known_as = name(path.file_name().unwrap().to_str().unwrap());
    Fingerprint::of(&known_as, &File::open(path).unwrap()).unwrap()
}

/// Writes a file, and waits until its digest may be remembered.
fn write_settled(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    eventually("a tick of the clock", || fingerprint(path).is_settled());
}

fn make_large(path: &Path) {
    make_of(path, LARGE);
}

fn make_of(path: &Path, length: u64) {
    File::create(path).unwrap().set_len(length).unwrap();
    eventually("a tick of the clock", || fingerprint(path).is_settled());
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// A store that is opened and closed often.
fn few(folder: &Path) -> Asked {
    let limits = Limits {
        tickets: 2,
        ..Limits::default()
    };
    Asked::with(folder, limits)
}

impl Asked {
    /// What is known of the file without hashing it.
    fn knows(&self, path: &Path) -> Option<Digest> {
        self.0.folder.digest(&fingerprint(path))
    }

    /// Begins to open a file, and waits until so much of it was hashed; the first percentage that was seen.
    fn hashes(&mut self, ticket: &Ticket, text: &str, percent: u8) -> u8 {
        assert!(self.0.open(ticket, &name(text)).is_pending(), "it is known");
        let mut first = None;
        eventually("a file that is being hashed", || {
            let now = self.0.hashing(ticket);
            first = first.or(now);
            now >= Some(percent)
        });
        first.unwrap()
    }
}

#[test]
fn a_file_is_hashed_on_though_whoever_asked_has_left() {
    let dir = TempDir::new().unwrap();
    make_large(&dir.path().join("large"));
    let mut store = Asked::at(dir.path());
    let (gone, stays) = (store.claim(), store.claim());
    assert_eq!(store.0.hashing(&stays), None);
    store.hashes(&gone, "large", 2);
    store.0.release(gone);
    assert!(store.hashes(&stays, "large", 2) >= 2, "it was begun anew");
    // Of two that wait for the same file, neither is behind the other.
    let joins = store.claim();
    assert!(store.hashes(&joins, "large", 3) >= 2);
    store.0.release(stays);
    store.0.release(joins);
    // A small file does not wait until the large one is done, whichever thread has both.
    for number in 0..4 {
        let small = format!("small-{number}");
        fs::write(dir.path().join(&small), b"small").unwrap();
        assert_eq!(store.get(&small).unwrap().0.sha256, sha(b"small"));
    }
}

#[test]
fn of_files_that_nobody_waits_for_a_few_go_on() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    for number in 0..40 {
        let large = format!("large-{number}");
        make_large(&dir.path().join(&large));
        let ticket = store.claim();
        store.hashes(&ticket, &large, 0);
        store.0.release(ticket);
    }
    store.settle();
    let open = || {
        let links = fs::read_dir("/proc/self/fd").unwrap().flatten();
        links
            .filter_map(|link| fs::read_link(link.path()).ok())
            .filter(|target| target.starts_with(dir.path().canonicalize().unwrap()))
            .count()
    };
    eventually("few open files", || open() <= 2 * 8 + 1);
}

#[test]
fn digests_are_kept_over_a_restart() {
    let dir = TempDir::new().unwrap();
    let files = ["a", "b", "c.partial", "drop-0001.unconfirmed"];
    for file in files {
        write_settled(&dir.path().join(file), file.as_bytes());
    }
    let mut store = Asked::at(dir.path());
    store.list();
    drop(store);
    let mut store = Asked::at(dir.path());
    for file in files {
        assert_eq!(
            store.knows(&dir.path().join(file)),
            Some(sha(file.as_bytes())),
            "{file}"
        );
    }
    assert_eq!(store.names(), files, "the index is no file of the store");
    assert_eq!(on_disk(dir.path())[0], INDEX);
    write_settled(&dir.path().join("a"), b"other");
    assert_eq!(store.knows(&dir.path().join("a")), None);
    assert_eq!(store.get("a").unwrap().0.sha256, sha(b"other"));
}

#[test]
fn what_was_uploaded_is_known_after_it_was_confirmed_and_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked(DiskStore::open_on(Box::new(SlowDisk), dir.path(), Limits::default()).unwrap());
    let bytes = noise(17 << 20);
    store.put("named", &bytes, None).unwrap();
    let (ticket, _) = store.drop_file(&bytes);
    store.0.confirm(ticket);
    store.settle();
    for _ in 0..2 {
        for file in ["named", "drop-0001"] {
            assert_eq!(store.knows(&dir.path().join(file)), Some(sha(&bytes)), "{file}");
        }
        drop(store);
        store = Asked::at(dir.path());
    }
}

/// A disk on which a file is not durable before the clock has ticked.
struct SlowDisk;

impl Medium for SlowDisk {
    fn sync(&self, file: &File) -> std::io::Result<()> {
        let known_as = name("any");
        eventually("a tick of the clock", || {
            Fingerprint::of(&known_as, file).unwrap().is_settled()
        });
        file.sync_all()
    }
}

#[test]
fn an_upload_that_is_rewritten_at_once_is_never_told_with_its_old_digest() {
    let dir = TempDir::new().unwrap();
    // With and without a tick between the last byte and the rename.
    for medium in [Box::new(SlowDisk) as Box<dyn Medium>, Box::new(FileSystem)] {
        let mut store = Asked(DiskStore::open_on(medium, dir.path(), Limits::default()).unwrap());
        for round in 0..100 {
            store.put("x", b"uploaded", None).unwrap();
            let path = dir.path().join("x");
            let rewritten = format!("{round:08}");
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(rewritten.as_bytes(), 0).unwrap();
            if round % 2 == 1 {
                file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH))
                    .unwrap();
            }
            assert_eq!(
                store.get("x").unwrap().0.sha256,
                sha(rewritten.as_bytes()),
                "{round}"
            );
        }
    }
}

#[test]
fn a_file_rewritten_in_place_is_told_with_its_new_digest_though_its_times_are_set_back() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x");
    let old = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    let rewrite = |bytes: &[u8]| {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.set_times(old).unwrap();
    };
    rewrite(b"hello");
    eventually("a tick of the clock", || fingerprint(&path).is_settled());
    let mut store = Asked::at(dir.path());
    assert_eq!(store.list()[0].sha256, sha(b"hello"));
    assert_eq!(store.knows(&path), Some(sha(b"hello")));
    for restarts in [false, true] {
        rewrite(if restarts { b"jello" } else { b"HELLO" });
        if restarts {
            drop(store);
            store = Asked::at(dir.path());
        }
        let now = fs::read(&path).unwrap();
        assert_eq!(store.list()[0].sha256, sha(&now));
        assert_eq!(store.get("x").unwrap().0.sha256, sha(&now));
    }
}

#[test]
fn a_file_that_changes_within_a_tick_of_the_clock_is_never_told_with_its_old_digest() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, b"00000").unwrap();
    let mut store = Asked::at(dir.path());
    for round in 0..300 {
        let bytes = format!("{round:05}");
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .write_all_at(bytes.as_bytes(), 0)
            .unwrap();
        assert_eq!(store.list()[0].sha256, sha(bytes.as_bytes()), "{round}");
    }
}

#[test]
fn an_index_that_is_not_whole_or_foreign_is_ignored() {
    let dir = TempDir::new().unwrap();
    let (path, index) = (dir.path().join("x"), dir.path().join(INDEX));
    write_settled(&path, b"hello");
    let mut store = few(dir.path());
    store.list();
    drop(store);
    let whole = fs::read(&index).unwrap();
    assert_eq!(few(dir.path()).knows(&path), Some(sha(b"hello")));
    let mut broken: Vec<Vec<u8>> = (0..whole.len())
        .step_by(7)
        .map(|end| whole[..end].to_vec())
        .collect();
    for at in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        broken.push(bytes);
    }
    broken.push([&whole[..], b"more"].concat());
    broken.push(b"somebody's notes\n".to_vec());
    broken.push(vec![0; 9 << 20]);
    for bytes in broken {
        fs::write(&index, &bytes).unwrap();
        let mut store = few(dir.path());
        assert_eq!(store.knows(&path), None, "{} bytes", bytes.len());
        assert_eq!(store.list()[0].sha256, sha(b"hello"));
    }
    let others: [&dyn Fn(); 4] = [
        &|| fs::create_dir(&index).unwrap(),
        &|| nix::unistd::mkfifo(&index, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        &|| symlink("/dev/zero", &index).unwrap(),
        &|| symlink("nowhere", &index).unwrap(),
    ];
    for other in others {
        let _ = fs::remove_file(&index).or_else(|_| fs::remove_dir(&index));
        other();
        // What a crash has left of the next index is in nobody's way.
        fs::write(dir.path().join(NEW_INDEX), b"torn").unwrap();
        let mut store = few(dir.path());
        assert!(!dir.path().join(NEW_INDEX).exists());
        assert_eq!(store.list()[0].sha256, sha(b"hello"));
        drop(store);
    }
    assert_eq!(
        few(dir.path()).knows(&path),
        Some(sha(b"hello")),
        "a link is replaced"
    );
}

#[test]
fn an_upload_that_goes_on_is_not_hashed_from_its_beginning_again() {
    // What is announced must have room on the disk.
    const ANNOUNCED: u64 = 1 << 30;
    let dir = TempDir::new().unwrap();
    let upload = Upload::Named {
        name: &name("x"),
        length: ANNOUNCED + 5,
        sha256: Some([1; 32]),
    };
    let mut store = Asked::at(dir.path());
    let ticket = store.claim();
    store.create(&ticket, upload).unwrap();
    store.0.release(ticket);
    store.settle();
    make_of(&dir.path().join("x.partial"), ANNOUNCED);
    let (first, second) = (store.claim(), store.claim());
    assert!(store.0.create(&first, upload).is_pending());
    eventually("its front to be hashed", || store.0.hashing(&first) >= Some(2));
    store.0.release(first);
    let mut seen = None;
    eventually("it to go on", || {
        assert!(store.0.create(&second, upload).is_pending());
        store.0.poll_completions();
        seen = store.0.hashing(&second);
        seen.is_some()
    });
    assert!(seen >= Some(2), "{seen:?}");
    store.0.release(second);
}

/// Writes to a file for as long as it lives.
struct Writer(
    std::sync::Arc<std::sync::atomic::AtomicBool>,
    Option<std::thread::JoinHandle<()>>,
);

impl Writer {
    fn on(path: &Path) -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (stopped, mut file) = (stop.clone(), OpenOptions::new().append(true).open(path).unwrap());
        let writes = move || {
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all(b"x").unwrap();
            }
        };
        Self(stop, Some(std::thread::spawn(writes)))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        self.1.take().unwrap().join().unwrap();
    }
}

#[test]
fn a_file_that_is_being_written_is_left_out_and_the_others_are_listed() {
    let dir = TempDir::new().unwrap();
    for file in ["a", "z"] {
        fs::write(dir.path().join(file), file).unwrap();
    }
    let grows = dir.path().join("grows");
    make_large(&grows);
    let mut store = Asked::at(dir.path());
    let writer = Writer::on(&grows);
    assert_eq!(store.names(), ["a", "z"]);
    assert_eq!(store.names(), ["a", "z"]);
    assert_eq!(store.0.unreadable(), 1);
    assert_eq!(store.get("grows"), Err(StoreError::Io), "it never rests");
    assert_eq!(store.get("z").unwrap().1, b"z", "the store goes on");
    drop(writer);
    fs::write(&grows, b"at rest").unwrap();
    assert_eq!(store.names(), ["a", "grows", "z"]);
    assert_eq!(store.0.unreadable(), 0);
    assert_eq!(store.get("grows").unwrap().1, b"at rest");
}

#[test]
fn what_is_no_regular_file_is_not_found_and_does_nothing_to_the_rest() {
    let dir = TempDir::new().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let mode = nix::sys::stat::Mode::S_IRWXU;
    nix::unistd::mkfifo(&dir.path().join("pipe"), mode).unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    symlink("pipe", dir.path().join("link")).unwrap();
    fs::write(dir.path().join("file"), b"file").unwrap();
    let mut store = Asked::at(dir.path());
    assert_eq!(store.names(), ["file"]);
    for none in ["socket", "pipe", "folder", "link"] {
        assert_eq!(store.get(none), Err(StoreError::NotFound), "{none}");
        assert_eq!(store.delete(none), Err(StoreError::NotFound), "{none}");
    }
    assert_eq!(store.0.unreadable(), 0, "they are no files of the store");
    for (name, bytes) in [("pipe", b"1"), ("link", b"2"), ("socket", b"3")] {
        store.put(name, bytes, Some(sha(bytes))).unwrap();
        assert_eq!(store.get(name).unwrap().1, bytes);
    }
}
