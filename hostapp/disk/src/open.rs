//! Opening the folder of a store: refusals are one line that says what to do.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::folder::Folder;
use super::index::NEW_INDEX;
use super::medium::remove_if_there;
use super::{Limits, Medium};
use r2_core::name::{Name, PARTIAL};

/// Why a folder cannot be a store. Its text is one line.
#[derive(Debug)]
pub struct OpenError {
    folder: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Create(io::Error),
    NotAFolder,
    Read(io::Error),
    Write(io::Error),
    Held,
    Lock(io::Error),
    Thread(io::Error),
}

impl OpenError {
    pub(super) fn thread(error: io::Error) -> Self {
        Self {
            folder: PathBuf::new(),
            problem: Problem::Thread(error),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        match &self.problem {
            Problem::Create(error) => {
                write!(
                    f,
                    "the store {folder} cannot be created: {error}; {}",
                    remedy(error)
                )
            }
            Problem::NotAFolder => write!(f, "the store {folder} is no folder; name another with --store"),
            Problem::Read(error) => {
                write!(f, "the store {folder} cannot be read: {error}; {}", remedy(error))
            }
            Problem::Write(error) => {
                write!(
                    f,
                    "the store {folder} cannot be written: {error}; {}",
                    remedy(error)
                )
            }
            Problem::Held => {
                write!(
                    f,
                    "another server holds the store {folder}; stop it or name another with --store"
                )
            }
            Problem::Lock(error) => write!(
                f,
                "the store {folder} cannot be locked: {error}; name one on a local disk with --store"
            ),
            Problem::Thread(error) => write!(f, "the store's threads cannot be started: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// What to do where a folder cannot be used.
fn remedy(error: &io::Error) -> &'static str {
    if error.kind() == ErrorKind::PermissionDenied && geteuid().is_root() {
        "R2 gives root's privileges up: serve as the user whose folder it is, or name one of root's with --store"
    } else {
        "name another with --store"
    }
}

/// Locks `folder`, tries whether it can be written, and counts what is in it.
pub(super) fn open(medium: Box<dyn Medium>, folder: &Path, limits: Limits) -> Result<Folder, OpenError> {
    let refuse = |problem| OpenError {
        folder: folder.to_owned(),
        problem,
    };
    fs::create_dir_all(folder).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => refuse(Problem::NotAFolder),
        _ => refuse(Problem::Create(error)),
    })?;
    // Absolute, so that it stays the same folder whatever becomes of the working directory.
    let path = folder
        .canonicalize()
        .map_err(|error| refuse(Problem::Read(error)))?;
    let handle = File::open(&path).map_err(|error| refuse(Problem::Read(error)))?;
    handle.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => refuse(Problem::Held),
        TryLockError::Error(error) => refuse(Problem::Lock(error)),
    })?;
    try_to_write(&*medium, &path).map_err(|error| refuse(Problem::Write(error)))?;
    remove_orphans(&*medium, &path).map_err(|error| refuse(Problem::Write(error)))?;
    Folder::scan(path, handle, medium, limits).map_err(|error| refuse(Problem::Read(error)))
}

fn try_to_write(medium: &dyn Medium, path: &Path) -> io::Result<()> {
    // Hidden, and free to be replaced: nobody else is in this folder.
    let probe = path.join(".write-test");
    remove_if_there(medium, &probe)?;
    medium.create(&probe)?;
    medium.remove(&probe)
}

/// Removes what was written down about uploads of which nothing is left, and an index that did not become whole.
fn remove_orphans(medium: &dyn Medium, path: &Path) -> io::Result<()> {
    remove_if_there(medium, &path.join(NEW_INDEX))?;
    for entry in fs::read_dir(path)? {
        let file_name = entry?.file_name();
        let name = file_name
            .to_str()
            .and_then(|text| text.strip_prefix('.')?.strip_suffix(".resume"))
            .and_then(Name::parse);
        if let Some(name) = name
            && !path.join(name.with_ending(PARTIAL).as_str()).exists()
        {
            remove_if_there(medium, &path.join(file_name))?;
        }
    }
    Ok(())
}
