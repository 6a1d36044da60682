//! The folder below a store: names on the disk, what is being written, what is known about what rests.

mod announcements;
mod digests;
mod room;

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use r2_core::name::{Name, PARTIAL, UNCONFIRMED};
use r2_core::store::{Entry, StoreError};

use self::room::subtract;
use super::digests::Digests;
use super::fingerprint::Fingerprint;
use super::index::{self, INDEX, PIECE};
use super::locked_folder::{Gone, LockedFolder};
use super::medium::{open_regular, remove_if_there};
use super::names::Names;
use super::trouble::Trouble;
use super::unreadable::Unreadable;
use super::{Limits, Medium};

/// Names of a list that are found at once: 88 KiB for each ticket, and a folder of 10,000 files is read ten times.
pub(super) const LISTED: usize = 1024;

/// What all workers share.
pub(super) struct Folder {
    locked: LockedFolder,
    medium: Box<dyn Medium>,
    limits: Limits,
    names: Mutex<Names>,
    unreadable: Unreadable,
    trouble: Trouble,
    digests: Mutex<Digests>,
    /// A piece of the index on its way to the disk. Whoever holds it writes the index.
    piece: Mutex<Box<[u8]>>,
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Folder {
    /// The folder `path`, locked by `handle`; counts what rests in it.
    pub(super) fn scan(
        path: PathBuf,
        handle: File,
        medium: Box<dyn Medium>,
        limits: Limits,
    ) -> io::Result<Self> {
        let mut digests = Digests::new();
        match index::load(&path.join(INDEX), &mut digests) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                log::info!("the digests in {INDEX} are computed again: {error}");
            }
            _ => {}
        }
        let folder = Self {
            locked: LockedFolder::new(path, handle),
            medium,
            limits,
            names: Mutex::new(Names::of(limits.tickets.into())),
            unreadable: Unreadable::new(),
            trouble: Trouble::new(),
            digests: Mutex::new(digests),
            piece: Mutex::new(vec![1; PIECE].into_boxed_slice()),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        };
        folder.count()?;
        Ok(folder)
    }

    /// Where the file of that name on the disk is.
    pub(super) fn path(&self, on_disk: &Name) -> PathBuf {
        self.locked.path().join(on_disk.as_str())
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Makes every rename and removal so far durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.medium.sync(self.locked.handle())
    }

    /// Makes what was written to `file` durable.
    pub(super) fn sync_file(&self, file: &File) -> io::Result<()> {
        self.medium.sync(file)
    }

    /// Writes all of `bytes` at `offset`. Counts in `written` how many went, also when an error ends it.
    pub(super) fn write(
        &self,
        file: &File,
        mut bytes: &[u8],
        offset: u64,
        written: &mut u64,
    ) -> io::Result<()> {
        let mut at = offset;
        while !bytes.is_empty() {
            match self.medium.write(file, bytes, at) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    at += count as u64;
                    *written += count as u64;
                    bytes = &bytes[count..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes the next free number and creates its `.partial`.
    pub(super) fn create_numbered(&self) -> Result<(Name, File), StoreError> {
        self.check()?;
        let mut names = self.names();
        // A receipt that is under way keeps its number though the file was deleted.
        let reserved = names.uploading.iter().chain(&names.unconfirmed);
        let mut highest = reserved.filter_map(Name::number).max().unwrap_or(0);
        for entry in fs::read_dir(self.locked.path()).map_err(|error| self.failed(&error))? {
            let name = entry.map_err(|error| self.failed(&error))?.file_name();
            let number = name.to_str().and_then(Name::parse).and_then(|name| name.number());
            highest = highest.max(number.unwrap_or(0));
        }
        loop {
            highest = highest.checked_add(1).ok_or(StoreError::NoSpace)?;
            let name = Name::numbered(highest);
            match self.medium.create(&self.path(&name.with_ending(PARTIAL))) {
                Ok(file) => {
                    names.uploading.insert(name.clone());
                    self.files.fetch_add(1, Ordering::Relaxed);
                    return Ok((name, file));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }

    /// Whether the folder is still there.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.locked.check().map_err(|error| self.failed(&error))
    }

    /// Marks `name` as being uploaded; `Busy` when it is already.
    pub(super) fn begin(&self, name: &Name) -> Result<(), StoreError> {
        self.check()?;
        if self.names().uploading.insert(name.clone()) {
            Ok(())
        } else {
            Err(StoreError::Busy)
        }
    }

    /// The upload of `name` has ended, whichever way.
    pub(super) fn end(&self, name: &Name) {
        self.names().uploading.remove(name);
    }

    /// The numbered upload `name` is sealed: from now on it is known by its final name.
    pub(super) fn hold(&self, name: &Name) {
        let mut names = self.names();
        names.uploading.remove(name);
        names.unconfirmed.insert(name.clone());
    }

    /// The receipt of `name` is no longer under way.
    pub(super) fn let_go(&self, name: &Name) {
        self.names().unconfirmed.remove(name);
    }

    /// Gives the numbered upload `name`, whose receipt was under way, its final name on the disk too.
    pub(super) fn confirm(&self, name: &Name) -> io::Result<()> {
        let (from, to) = (self.path(&name.with_ending(UNCONFIRMED)), self.path(name));
        // A rename changes the file, though not what is in it.
        let known = open_regular(&from).ok().and_then(|file| {
            let fingerprint = Fingerprint::of(name, &file).ok()?;
            let sha256 = self.digest(&fingerprint)?;
            let (name, length) = (name.clone(), fingerprint.length());
            Some((file, Entry { name, length, sha256 }))
        });
        {
            // In one step for whoever looks the name up.
            let mut names = self.names();
            names.unconfirmed.remove(name);
            self.rename(&from, &to)?;
        }
        if let Some((file, entry)) = known {
            self.remember_upload(&file, &entry);
        }
        Ok(())
    }

    /// Opens what a peer calls `name`, and says what tells its content from another. That it cannot be read is told once.
    pub(super) fn open(&self, name: &Name) -> Result<(Fingerprint, File), StoreError> {
        self.check()?;
        let names = self.names();
        let on_disk = self.on_disk(&names, name)?;
        let opened = open_regular(&self.path(&on_disk)).and_then(|file| {
            let fingerprint = Fingerprint::of(&on_disk, &file)?;
            Ok((fingerprint, file))
        });
        opened.map_err(|error| match self.not_opened(name, &error) {
            StoreError::NotFound if names.uploading.contains(name) => StoreError::Busy,
            why => why,
        })
    }

    fn not_opened(&self, name: &Name, error: &io::Error) -> StoreError {
        let why = meaning(error);
        if why != StoreError::NotFound {
            self.cannot_read(name, error);
        }
        why
    }

    /// `name` cannot be read: that is told, and counted, until it can.
    pub(super) fn cannot_read(&self, name: &Name, why: impl Display) {
        self.unreadable.insert(name, why);
    }

    /// `name` was read.
    pub(super) fn can_read(&self, name: &Name) {
        self.unreadable.remove(name);
    }

    /// How many files cannot be read.
    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable.count()
    }

    /// Deletes what a peer calls `name`, durably.
    pub(super) fn delete(&self, name: &Name) -> Result<(), StoreError> {
        self.check()?;
        let names = self.names();
        if names.uploading.contains(name) {
            return Err(StoreError::Busy);
        }
        let on_disk = self.on_disk(&names, name)?;
        let path = self.path(&on_disk);
        let file = open_regular(&path).map_err(|error| self.not_opened(name, &error))?;
        self.remove(&path).map_err(|error| self.failed(&error))?;
        drop(names);
        if let Ok(fingerprint) = Fingerprint::of(&on_disk, &file) {
            self.digests().remove(&fingerprint.sum());
        }
        if on_disk.ending() == PARTIAL {
            self.remove_announcement(&on_disk.with_ending(""))
                .map_err(|error| self.failed(&error))?;
        }
        self.sync().map_err(|error| self.failed(&error))
    }

    /// What the disk calls `name`: a numbered upload may be found under its final name though it is unconfirmed.
    fn on_disk(&self, names: &Names, name: &Name) -> Result<Name, StoreError> {
        if name.ending() == PARTIAL && names.uploading.contains(&name.with_ending("")) {
            return Err(StoreError::Busy);
        }
        let unconfirmed = name.with_ending(UNCONFIRMED);
        let final_name_of_unconfirmed = name.ending().is_empty()
            && name.number().is_some()
            && (names.unconfirmed.contains(name)
                || (!self.path(name).exists() && self.path(&unconfirmed).exists()));
        Ok(if final_name_of_unconfirmed {
            unconfirmed
        } else {
            name.clone()
        })
    }

    /// Finds the first names behind `after` that a peer may see now, sorted, as many as `list` has room for. From the
    /// first of all on, counts the store anew where nothing is being written.
    pub(super) fn list(&self, after: Option<&Name>, list: &mut Vec<Name>) -> io::Result<()> {
        self.locked.check()?;
        let names = self.names();
        list.clear();
        for entry in fs::read_dir(self.locked.path())? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().and_then(Name::parse) else {
                continue;
            };
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            let stem = name.with_ending("");
            let arriving = name.ending() == PARTIAL && names.uploading.contains(&stem);
            if !is_file || arriving {
                continue;
            }
            let is_unconfirmed = name.ending() == UNCONFIRMED && names.unconfirmed.contains(&stem);
            let name = if is_unconfirmed { stem } else { name };
            if after.is_none_or(|after| name > *after)
                && let Err(at) = list.binary_search(&name)
                && at < list.capacity()
            {
                if list.len() == list.capacity() {
                    list.pop();
                }
                list.insert(at, name);
            }
        }
        if after.is_none() {
            let there = |name: &Name| fs::symlink_metadata(self.path(name)).is_ok();
            self.unreadable.retain(there);
        }
        // An upload begins and ends with its name among these, so none does while they are looked at.
        if names.uploading.is_empty() && names.unconfirmed.is_empty() && after.is_none() {
            self.count()?;
        }
        Ok(())
    }

    /// Creates the file at `path`, which must not be there.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.locked.check()?;
        let file = self.medium.create(path)?;
        self.files.fetch_add(1, Ordering::Relaxed);
        Ok(file)
    }

    /// Removes the file at `path`, if it is there.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.locked.check()?;
        let length = fs::symlink_metadata(path).map_or(0, |metadata| metadata.len());
        if remove_if_there(&*self.medium, path)? {
            subtract(&self.files, 1);
            self.shrink(length);
        }
        Ok(())
    }

    /// Renames, unless `to` is taken.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.locked.check()?;
        // Nobody comes between the two calls: R2 alone gives these names, and it has locked the folder.
        if fs::symlink_metadata(to).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.medium.rename(from, to)
    }

    /// Renames; what `to` named before is gone.
    pub(super) fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.locked.check()?;
        let old = fs::symlink_metadata(to);
        self.medium.rename(from, to)?;
        if let Ok(old) = old {
            subtract(&self.files, 1);
            self.shrink(old.len());
        }
        Ok(())
    }

    /// What a session is told about an error of the disk, which the operator is told about too, once while it lasts.
    pub(super) fn failed(&self, error: &io::Error) -> StoreError {
        let meaning = meaning(error);
        if meaning == StoreError::Io {
            self.complain(error, "what peers ask for is refused");
        }
        meaning
    }

    /// Tells the operator about an error of the disk and what it means, once while it lasts. That the folder is gone was
    /// told.
    pub(super) fn complain(&self, error: &io::Error, so: impl Display) {
        if !Gone::is(error) && self.trouble.begins(error) {
            log::warn!("the store's disk: {error}; {so}");
        }
    }

    /// Something was stored.
    pub(super) fn works(&self) {
        self.trouble.is_over();
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a session is told about an error of the disk.
pub(super) fn meaning(error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::NotFound => StoreError::NotFound,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::NoSpace,
        ErrorKind::FileTooLarge => StoreError::TooLarge,
        _ if Gone::is(error) => StoreError::Gone,
        _ => StoreError::Io,
    }
}
