//! A file of R2's, on its way to this side.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use r2_core::client::exchange::LocalFailure;
use r2_core::client::get::Sink;
use r2_core::store::{Digest, Entry};
use r2_links::stdio::{Place, follow, is_standard_output, open_pipe};
use sha2::{Digest as _, Sha256};

use super::source::hash;
use super::{GOES_ON, LocalEnd};

/// Where a file of R2's goes.
pub(super) enum Target {
    /// A regular file, or none yet, beside which there is room for what comes.
    Part(PartFile),
    /// What is written at once: standard output, a pipe, a device, a file in a folder that takes no other.
    Through(Through),
}

impl Target {
    /// Opens `output`, which is no folder. A link leads to what it names, as for `curl -o`. Where it is a pipe that
    /// nobody reads yet, `waits` is called before the reader is waited for.
    /// Without `force` no file that is there, and is another, is replaced.
    pub(super) fn open(output: &Path, force: bool, waits: impl FnOnce()) -> io::Result<Self> {
        let place = match follow(output)? {
            Place::Open(file) => {
                let name = if is_standard_output(output) {
                    "standard output".to_owned()
                } else {
                    output.display().to_string()
                };
                return Through::file(file, name).map(Self::Through);
            }
            Place::Path(place) => place,
        };
        match fs::metadata(output) {
            Ok(found) if found.is_file() && !is_same(&found, &place) => Self::over(output, &found, force),
            Ok(found) if found.is_file() => match PartFile::open(&place, force) {
                Err(error) if takes_no_other(&error) => match Self::over(output, &found, force) {
                    Err(other) if other.kind() != ErrorKind::AlreadyExists => Err(error),
                    written => written,
                },
                opened => opened.map(Self::Part),
            },
            Ok(found) if found.file_type().is_socket() => Err(other("it is a socket")),
            Ok(found) if found.file_type().is_fifo() => {
                if let Some(pipe) = open_pipe(output)? {
                    return Through::file(pipe, output.display().to_string()).map(Self::Through);
                }
                waits();
                Self::through(output)
            }
            Ok(_) => Self::through(output),
            Err(_) => PartFile::open(&place, force).map(Self::Part),
        }
    }

    /// Writes over a regular file, in its place.
    fn over(output: &Path, found: &fs::Metadata, force: bool) -> io::Result<Self> {
        if found.len() > 0 && !force {
            return Err(io::Error::new(
                ErrorKind::AlreadyExists,
                "it is here already, and --force writes over it",
            ));
        }
        Self::through(output)
    }

    fn through(output: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).truncate(true).open(output)?;
        Through::file(file, output.display().to_string()).map(Self::Through)
    }
}

/// Whether the file is found under the name `path`; a link in /proc to an open file may lead to one without a name.
fn is_same(file: &fs::Metadata, path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|named| (named.dev(), named.ino()) == (file.dev(), file.ino()))
}

/// Whether a file could not be made because of the folder that it was to be in.
fn takes_no_other(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotFound
    )
}

fn other(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}

/// `FILE.part`: what came so far. It becomes `FILE` only when it is whole and durable.
pub(super) struct PartFile {
    target: PathBuf,
    part: PathBuf,
    file: File,
    held: u64,
    hasher: Sha256,
    force: bool,
    /// Another file is there already.
    is_in_the_way: bool,
    error: Option<io::Error>,
}

impl PartFile {
    /// Opens the part of `target` that an earlier attempt left, or a new one.
    fn open(target: &Path, force: bool) -> io::Result<Self> {
        let mut part = OsString::from(target);
        part.push(".part");
        let part = PathBuf::from(part);
        // Whatever else has that name is not ours to write, and a pipe would never end.
        if fs::symlink_metadata(&part).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                format!("{} is no regular file: move it away", part.display()),
            ));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(&part)?;
        if file.try_lock().is_err() {
            return Err(io::Error::new(
                ErrorKind::ResourceBusy,
                "another get is writing it",
            ));
        }
        let (held, hasher) = hash(&mut file)?;
        Ok(Self {
            target: target.to_owned(),
            part,
            file,
            held,
            hasher,
            force,
            is_in_the_way: false,
            error: None,
        })
    }

    /// Whether there is a file with something in it, and not this one.
    fn has_another(&self, wanted: &Entry) -> io::Result<bool> {
        let mut there = match File::open(&self.target) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        let length = there.metadata()?.len();
        if length == 0 || length != wanted.length {
            return Ok(length > 0);
        }
        let (_, hasher) = hash(&mut there)?;
        Ok(Digest::from(hasher.finalize()) != wanted.sha256)
    }

    /// Forgets what is here.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.held = 0;
        self.hasher = Sha256::new();
        Ok(())
    }

    /// Makes it durable under its own name. The old file of that name is there until then.
    pub(super) fn keep(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        match fs::rename(&self.part, &self.target) {
            Ok(()) => {
                let folder = match self.target.parent() {
                    Some(folder) if !folder.as_os_str().is_empty() => folder,
                    _ => Path::new("."),
                };
                File::open(folder)?.sync_all()
            }
            // A mount point, or somebody else's in a folder like /tmp: the name stays, what it names is written.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ResourceBusy | ErrorKind::CrossesDevices
                ) =>
            {
                self.copy().map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }

    fn copy(&mut self) -> io::Result<()> {
        let mut target = OpenOptions::new().write(true).truncate(true).open(&self.target)?;
        io::copy(&mut File::open(&self.part)?, &mut target)?;
        target.sync_all()?;
        fs::remove_file(&self.part)
    }
}

impl Sink for PartFile {
    fn held(&self) -> u64 {
        self.held
    }

    fn announced(&mut self, file: &Entry) -> Result<(), LocalFailure> {
        if self.force {
            return Ok(());
        }
        match self.has_another(file) {
            Ok(false) => return Ok(()),
            Ok(true) => self.is_in_the_way = true,
            Err(error) => self.error = Some(error),
        }
        Err(LocalFailure)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), LocalFailure> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.hasher.update(bytes);
                self.held += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.error = Some(error);
                Err(LocalFailure)
            }
        }
    }

    fn sha256(&mut self) -> Result<Digest, LocalFailure> {
        Ok(self.hasher.clone().finalize().into())
    }
}

impl LocalEnd for PartFile {
    fn problem(&self) -> String {
        if self.is_in_the_way {
            return format!(
                "{} is here already, and is another file: --force replaces it, -o puts this one elsewhere",
                self.target.display()
            );
        }
        let why = self.error.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{}: {why}; make room and get it again", self.part.display())
    }

    fn after_a_break(&self) -> &'static str {
        GOES_ON
    }

    /// Nothing is kept of bytes that do not add up. Should this fail, the next attempt finds it out again.
    fn forget(&mut self) {
        let _ = self.clear();
    }
}

/// An empty part is no use to the next attempt.
impl Drop for PartFile {
    fn drop(&mut self) {
        if self.held == 0 && self.file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// What is written as it comes: nothing rests there of an earlier attempt.
pub(super) struct Through {
    out: File,
    /// It can be made durable.
    is_regular: bool,
    place: String,
    hasher: Sha256,
    error: Option<io::Error>,
}

impl Through {
    fn file(out: File, place: String) -> io::Result<Self> {
        Ok(Self {
            is_regular: out.metadata()?.is_file(),
            out,
            place,
            hasher: Sha256::new(),
            error: None,
        })
    }

    /// What it is called.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    fn written(&mut self, written: io::Result<()>) -> Result<(), LocalFailure> {
        written.map_err(|error| {
            self.error = Some(error);
            LocalFailure
        })
    }
}

impl Sink for Through {
    fn held(&self) -> u64 {
        0
    }

    fn announced(&mut self, _: &Entry) -> Result<(), LocalFailure> {
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), LocalFailure> {
        self.hasher.update(bytes);
        let written = self.out.write_all(bytes);
        self.written(written)
    }

    fn sha256(&mut self) -> Result<Digest, LocalFailure> {
        if self.is_regular {
            let synced = self.out.sync_all();
            self.written(synced)?;
        }
        Ok(self.hasher.clone().finalize().into())
    }
}

impl LocalEnd for Through {
    fn problem(&self) -> String {
        let why = self.error.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{}: {why}; name another place with -o", self.place)
    }

    fn after_a_break(&self) -> &'static str {
        "what was written is a part of it: get it again"
    }
}
