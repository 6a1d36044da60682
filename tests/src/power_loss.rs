//! A disk under the host's store that fails on request, and that can lose its power at every operation.
//!
//! The files are real ones, in a folder of the test's own. Beside them stands what a disk would still have if its
//! power went now: of a file what was synced, and anything or nothing of what was written since; of a folder what was
//! synced, and any of the names that were given and taken since, each for itself. POSIX promises no more.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use r2_disk::Medium;

/// What a disk writes as a whole or not at all, in bytes.
const SECTOR: usize = 512;

/// What the store does to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creating a file.
    Create,
    /// Writing to one.
    Write,
    /// Syncing a file.
    SyncFile,
    /// Syncing the folder.
    SyncFolder,
    /// Renaming.
    Rename,
    /// Removing.
    Remove,
}

/// How much of what was not synced the disk still has when its power comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// All of it.
    Kept,
    /// Nothing.
    Lost,
    /// Anything, drawn with this seed.
    Torn(u64),
}

/// The disk. Clones share it.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

struct State {
    folder: PathBuf,
    operations: Vec<Operation>,
    crash_after: Option<usize>,
    off: bool,
    fails: Option<(Operation, i32)>,
    syncs_are_lies: bool,
    contents: Vec<Content>,
    /// Which content a live inode holds.
    inodes: HashMap<u64, usize>,
    /// The names that survive.
    synced: BTreeMap<OsString, usize>,
    /// The names as they are now.
    now: BTreeMap<OsString, usize>,
    changes: Vec<Change>,
}

#[derive(Default)]
struct Content {
    synced: Vec<u8>,
    writes: Vec<(usize, Vec<u8>)>,
}

enum Change {
    Given(OsString, usize),
    Renamed(OsString, OsString, usize),
    Taken(OsString),
}

impl Disk {
    /// A disk with what is in `folder`, all of it synced.
    pub fn over(folder: &Path) -> Self {
        let folder = folder.canonicalize().expect("a folder");
        let mut state = State {
            folder,
            operations: Vec::new(),
            crash_after: None,
            off: false,
            fails: None,
            syncs_are_lies: false,
            contents: Vec::new(),
            inodes: HashMap::new(),
            synced: BTreeMap::new(),
            now: BTreeMap::new(),
            changes: Vec::new(),
        };
        for entry in fs::read_dir(&state.folder).expect("a folder").flatten() {
            let synced = fs::read(entry.path()).expect("a file");
            let index = state.contents.len();
            state.contents.push(Content {
                synced,
                writes: Vec::new(),
            });
            state
                .inodes
                .insert(entry.metadata().expect("a file").ino(), index);
            state.synced.insert(entry.file_name(), index);
        }
        state.now = state.synced.clone();
        Self(Arc::new(Mutex::new(state)))
    }

    /// The power goes in the operation that follows `operations` more: it has happened or not, and all later ones fail.
    pub fn crash_after(&self, operations: usize) {
        let mut state = self.state();
        state.crash_after = Some(state.operations.len() + operations);
    }

    /// From now on every such operation fails with this error of the system's; none does with `None`.
    pub fn fail(&self, operation: Option<(Operation, i32)>) {
        self.state().fails = operation;
    }

    /// From now on a sync says that it is done and does nothing: a bug, planted.
    pub fn lie_about_syncs(&self) {
        self.state().syncs_are_lies = true;
    }

    /// Whether the power has gone.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// What the store has done to it.
    pub fn operations(&self) -> Vec<Operation> {
        self.state().operations.clone()
    }

    /// Puts into the empty folder `into` what is left if the power goes now.
    pub fn survives(&self, unsynced: Unsynced, into: &Path) {
        let state = self.state();
        let mut dice = Dice::new(unsynced);
        let mut names = state.synced.clone();
        for change in &state.changes {
            if !dice.keeps() {
                continue;
            }
            match change {
                Change::Given(name, content) => {
                    names.insert(name.clone(), *content);
                }
                Change::Renamed(from, to, content) => {
                    if names.get(from) == Some(content) {
                        names.remove(from);
                    }
                    names.insert(to.clone(), *content);
                }
                Change::Taken(name) => {
                    names.remove(name);
                }
            }
        }
        for (name, content) in names {
            let bytes = state.contents[content].survives(&mut dice);
            fs::write(into.join(name), bytes).expect("room for the test's files");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no thread of the store panics")
    }

    /// Does an operation: `act` on the folder, `note` in the books.
    fn operate<T>(
        &self,
        operation: Operation,
        act: impl FnOnce() -> io::Result<T>,
        note: impl FnOnce(&mut State, &T),
    ) -> io::Result<T> {
        let mut state = self.state();
        if state.off {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let crashes = state.crash_after == Some(state.operations.len());
        state.operations.push(operation);
        if let Some((failing, error)) = state.fails
            && failing == operation
        {
            return Err(io::Error::from_raw_os_error(error));
        }
        state.off = crashes;
        let done = act()?;
        let is_sync = matches!(operation, Operation::SyncFile | Operation::SyncFolder);
        // Of the last operation nobody knows whether it has happened; a sync that was not done is none.
        if !(is_sync && (crashes || state.syncs_are_lies)) {
            note(&mut state, &done);
        }
        if crashes {
            return Err(ErrorKind::BrokenPipe.into());
        }
        Ok(done)
    }
}

impl State {
    fn name(path: &Path) -> OsString {
        path.file_name().expect("a file in the folder").to_owned()
    }

    fn content_of(&mut self, file: &File) -> &mut Content {
        let inode = file.metadata().expect("an open file").ino();
        &mut self.contents[self.inodes[&inode]]
    }
}

impl Content {
    /// What is left of it.
    fn survives(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for (offset, written) in &self.writes {
            // The file may have grown though its bytes never came.
            let end = offset + written.len();
            if dice.keeps() && bytes.len() < end {
                bytes.resize(end, 0);
            }
            for (index, sector) in written.chunks(SECTOR).enumerate() {
                let at = offset + index * SECTOR;
                if let Some(room) = bytes.get_mut(at..at + sector.len())
                    && dice.keeps()
                {
                    room.copy_from_slice(sector);
                }
            }
        }
        bytes
    }
}

/// Decides what is kept.
struct Dice(Unsynced, fastrand::Rng);

impl Dice {
    fn new(unsynced: Unsynced) -> Self {
        let seed = if let Unsynced::Torn(seed) = unsynced {
            seed
        } else {
            0
        };
        Self(unsynced, fastrand::Rng::with_seed(seed))
    }

    fn keeps(&mut self) -> bool {
        match self.0 {
            Unsynced::Kept => true,
            Unsynced::Lost => false,
            Unsynced::Torn(_) => self.1.bool(),
        }
    }
}

/// The file system as it is.
struct Plain;

impl Medium for Plain {}

impl Medium for Disk {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.operate(
            Operation::Create,
            || Plain.create(path),
            |state, file| {
                let (name, content) = (State::name(path), state.contents.len());
                state.contents.push(Content::default());
                let inode = file.metadata().expect("an open file").ino();
                state.inodes.insert(inode, content);
                state.now.insert(name.clone(), content);
                state.changes.push(Change::Given(name, content));
            },
        )
    }

    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.operate(
            Operation::Write,
            || Plain.write(file, bytes, offset),
            |state, written| {
                let offset = usize::try_from(offset).expect("a small file");
                state
                    .content_of(file)
                    .writes
                    .push((offset, bytes[..*written].to_vec()));
            },
        )
    }

    /// The folder below is the test's own and needs no sync; it is the books that count.
    fn sync(&self, file: &File) -> io::Result<()> {
        if file.metadata()?.is_dir() {
            self.operate(
                Operation::SyncFolder,
                || Ok(()),
                |state, ()| {
                    state.synced = state.now.clone();
                    state.changes.clear();
                },
            )
        } else {
            self.operate(
                Operation::SyncFile,
                || Ok(()),
                |state, ()| {
                    let content = state.content_of(file);
                    content.synced = content.survives(&mut Dice::new(Unsynced::Kept));
                    content.writes.clear();
                },
            )
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(
            Operation::Rename,
            || Plain.rename(from, to),
            |state, ()| {
                let (from, to) = (State::name(from), State::name(to));
                let content = state.now.remove(&from).expect("what was renamed");
                state.now.insert(to.clone(), content);
                state.changes.push(Change::Renamed(from, to, content));
            },
        )
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(
            Operation::Remove,
            || Plain.remove(path),
            |state, ()| {
                let name = State::name(path);
                state.now.remove(&name);
                state.changes.push(Change::Taken(name));
            },
        )
    }
}
