use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::task::Poll;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use r2_core::name::Name;
use r2_core::store::{Created, Digest, Entry, Store, StoreError, Ticket, Upload};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::folder::LISTED;
use super::{CHUNK, CHUNKS, DiskStore, Limits};

/// A store that is asked until it answers.
struct Asked(DiskStore);

impl Asked {
    fn at(folder: &Path) -> Self {
        Self::with(folder, Limits::default())
    }

    fn with(folder: &Path, limits: Limits) -> Self {
        Self(DiskStore::open(folder, limits).unwrap())
    }

    fn wait<T>(&mut self, mut ask: impl FnMut(&mut DiskStore) -> Poll<T>) -> T {
        loop {
            if let Poll::Ready(answer) = ask(&mut self.0) {
                return answer;
            }
            let before = self.0.revision();
            let readable = poll(
                &mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)],
                PollTimeout::from(10_000u16),
            );
            assert_eq!(readable, Ok(1), "the store never answers");
            self.0.poll_completions();
            assert!(self.0.revision() >= before);
        }
    }

    fn claim(&mut self) -> Ticket {
        self.wait(|store| store.claim().map_or(Poll::Pending, Poll::Ready))
    }

    fn create(&mut self, ticket: &Ticket, upload: Upload<'_>) -> Result<Created, StoreError> {
        self.wait(|store| store.create(ticket, upload))
    }

    fn append(&mut self, ticket: &Ticket, mut bytes: &[u8]) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let taken = self.wait(|store| store.append(ticket, bytes))?;
            assert!(taken > 0);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn seal(&mut self, ticket: &Ticket) -> Result<Entry, StoreError> {
        self.wait(|store| store.seal(ticket))
    }

    /// Until the worker has done all that was asked on behalf of all tickets that were given back.
    fn settle(&mut self) {
        let all: Vec<_> = (0..self.0.places.len()).map(|_| self.claim()).collect();
        for ticket in all {
            self.0.release(ticket);
        }
    }

    fn drop_file(&mut self, bytes: &[u8]) -> (Ticket, Entry) {
        let ticket = self.claim();
        self.create(&ticket, Upload::Numbered).unwrap();
        self.append(&ticket, bytes).unwrap();
        let entry = self.seal(&ticket).unwrap();
        (ticket, entry)
    }

    fn put(&mut self, text: &str, bytes: &[u8], sha256: Option<Digest>) -> Result<Entry, StoreError> {
        let ticket = self.claim();
        let named = Upload::Named {
            name: &name(text),
            length: bytes.len() as u64,
            sha256,
        };
        let entry = self.create(&ticket, named).and_then(|created| {
            self.append(&ticket, &bytes[usize::try_from(created.offset).unwrap()..])?;
            self.seal(&ticket)
        });
        self.0.release(ticket);
        entry
    }

    fn get(&mut self, text: &str) -> Result<(Entry, Vec<u8>), StoreError> {
        let ticket = self.claim();
        let opened = self.wait(|store| store.open(&ticket, &name(text)));
        let got = opened.and_then(|entry| {
            let mut bytes = Vec::new();
            let mut room = vec![0; 5000];
            loop {
                let offset = bytes.len() as u64;
                match self.wait(|store| store.read(&ticket, offset, &mut room))? {
                    0 => return Ok((entry, bytes)),
                    read => bytes.extend_from_slice(&room[..read]),
                }
            }
        });
        self.0.release(ticket);
        got
    }

    fn delete(&mut self, text: &str) -> Result<(), StoreError> {
        let ticket = self.claim();
        let deleted = self.wait(|store| store.delete(&ticket, &name(text)));
        self.0.release(ticket);
        deleted
    }

    fn list(&mut self) -> Vec<Entry> {
        let ticket = self.claim();
        let mut list: Vec<Entry> = Vec::new();
        while let Some(entry) = self
            .wait(|store| store.next(&ticket, list.last().map(|entry| &entry.name)))
            .unwrap()
        {
            list.push(entry);
        }
        self.0.release(ticket);
        list
    }

    fn names(&mut self) -> Vec<String> {
        self.list().iter().map(|entry| entry.name.to_string()).collect()
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn sha(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Bytes that do not repeat with any power of two.
fn noise(length: usize) -> Vec<u8> {
    (0u64..)
        .map(|i| i.wrapping_mul(6_364_136_223_846_793_005).to_le_bytes()[5])
        .take(length)
        .collect()
}

/// Everything in the folder, hidden files included.
fn on_disk(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

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

#[test]
fn a_ticket_is_given_back_at_any_moment() {
    let dir = TempDir::new().unwrap();
    let limits = Limits {
        tickets: 3,
        ..Limits::default()
    };
    let mut store = Asked::with(dir.path(), limits);
    store.put("x", &noise(CHUNK * 9), None).unwrap();
    fs::copy(dir.path().join("x"), dir.path().join("unhashed")).unwrap();
    for _ in 0..50 {
        for moment in 0..6 {
            let ticket = store.claim();
            let named = name("y");
            let upload = Upload::Named {
                name: &named,
                length: 9,
                sha256: Some([3; 32]),
            };
            // Whether the answer is there is a matter of luck, and must not matter.
            let _ = match moment {
                0 => store.0.create(&ticket, Upload::Numbered).map(drop),
                1 => store.0.create(&ticket, upload).map(drop),
                2 => store.0.open(&ticket, &name("unhashed")).map(drop),
                3 => store.0.next(&ticket, None).map(drop),
                4 => {
                    store.create(&ticket, Upload::Numbered).unwrap();
                    let _ = store.0.append(&ticket, &noise(CHUNK + 1));
                    store.0.seal(&ticket).map(drop)
                }
                _ => {
                    store.wait(|store| store.open(&ticket, &name("x"))).unwrap();
                    store.0.read(&ticket, 0, &mut [0; 10]).map(drop)
                }
            };
            store.0.release(ticket);
        }
        store.settle();
    }
    for entry in store.list() {
        store.delete(entry.name.as_str()).unwrap();
    }
    assert!(on_disk(dir.path()).is_empty());
    assert_eq!(store.0.usage(), r2_core::store::Usage::default());
}

#[test]
fn tickets_are_bounded_and_come_back() {
    let dir = TempDir::new().unwrap();
    let limits = Limits {
        tickets: 2,
        ..Limits::default()
    };
    let mut store = Asked::with(dir.path(), limits);
    let (a, _b) = (store.claim(), store.claim());
    assert_eq!(store.0.claim(), None);
    store.0.release(a);
    let _again = store.claim();
    assert_eq!(store.0.claim(), None);
}

#[test]
fn many_uploads_at_once_do_not_mix() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    let uploads: Vec<_> = (0..40)
        .map(|i| {
            let ticket = store.claim();
            let created = store.create(&ticket, Upload::Numbered).unwrap();
            (ticket, created.name, noise(CHUNK + i * 7919))
        })
        .collect();
    for piece in 0.. {
        let mut more = false;
        for (ticket, _, bytes) in &uploads {
            if let Some(bytes) = bytes.chunks(10_007).nth(piece) {
                store.append(ticket, bytes).unwrap();
                more = true;
            }
        }
        if !more {
            break;
        }
    }
    for (ticket, name, bytes) in uploads {
        let entry = store.seal(&ticket).unwrap();
        assert_eq!((&entry.name, entry.sha256), (&name, sha(&bytes)));
        store.0.confirm(ticket);
    }
    store.settle();
    assert_eq!(store.list().len(), 40);
}

#[test]
fn a_list_longer_than_what_is_found_at_once_is_whole_and_in_order() {
    let dir = TempDir::new().unwrap();
    let names: Vec<_> = (0..2 * LISTED + 5)
        .map(|number| format!("f-{number:05}"))
        .collect();
    for name in &names {
        fs::write(dir.path().join(name), name).unwrap();
    }
    let mut store = Asked::at(dir.path());
    let ticket = store.claim();
    store.create(&ticket, Upload::Numbered).unwrap();
    assert!(store.names() == names);
    store.0.release(ticket);
}

#[test]
fn lists_beside_uploads_leave_the_count_right() {
    let dir = TempDir::new().unwrap();
    for number in 0..300 {
        fs::write(dir.path().join(format!("f-{number}")), b"x").unwrap();
    }
    let mut store = Asked::at(dir.path());
    for round in 0..40 {
        // Neither waits for the other: two workers do them at once.
        let (lists, writes) = (store.claim(), store.claim());
        let (mut first, mut created) = (Poll::Pending, Poll::Pending);
        store.wait(|store| {
            if first.is_pending() {
                first = store.next(&lists, None);
            }
            if created.is_pending() {
                created = store.create(&writes, Upload::Numbered);
            }
            if first.is_pending() || created.is_pending() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        });
        store.append(&writes, b"hello").unwrap();
        store.seal(&writes).unwrap();
        store.0.confirm(writes);
        store.0.release(lists);
        store.settle();
        let usage = store.0.usage();
        assert_eq!((usage.files, usage.bytes), (301 + round, 300 + 5 * (round + 1)));
    }
}

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
