//! A file of this side, on its way to R2.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, IsTerminal, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;

use r2_core::client::exchange::LocalFailure;
use r2_core::client::send::Source;
use r2_core::store::Digest;
use sha2::{Digest as _, Sha256};

/// A file whose length and SHA-256 were taken when it was opened.
pub(super) struct LocalFile {
    file: File,
    length: u64,
    sha256: Digest,
    error: Option<io::Error>,
}

impl LocalFile {
    /// Opens `path`, `-` for standard input, and reads it once, to know its SHA-256. What has no length, as a pipe, goes
    /// into a temporary file first; `waits` is called before its end is waited for. A device may have no end.
    pub(super) fn open(path: &Path, waits: impl FnOnce()) -> io::Result<Self> {
        let (mut file, found) = open(path, waits)?;
        let has_length = found.is_file() && found.len() > 0 && path != Path::new("-");
        let (file, length, hasher) = if has_length {
            // What is written behind its end meanwhile is not waited for.
            let (length, hasher) = hash(&mut (&mut file).take(found.len()))?;
            (file, length, hasher)
        } else {
            spool(file)?
        };
        Ok(Self {
            file,
            length,
            sha256: hasher.finalize().into(),
            error: None,
        })
    }

    /// What went wrong while it was read.
    pub(super) fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }
}

/// Opens `path`, `-` for standard input, where it is a file or a stream that ends. Before that is opened, `waits` is called:
/// there may be nobody yet who writes into it.
pub(in crate::client) fn open(path: &Path, waits: impl FnOnce()) -> io::Result<(File, Metadata)> {
    let is_input = path == Path::new("-");
    let input = || io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let found = if is_input {
        input()?.metadata()?
    } else {
        path.metadata()?
    };
    if let Some(why) = never_sent(&found, is_input) {
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    if !found.is_file() {
        waits();
    }
    let file = if is_input { input()? } else { File::open(path)? };
    Ok((file, found))
}

/// Why what was found is no file and no stream that ends.
fn never_sent(found: &Metadata, input: bool) -> Option<&'static str> {
    let kind = found.file_type();
    if kind.is_dir() {
        Some("it is a folder")
    } else if kind.is_socket() && !input {
        Some("it is a socket")
    } else if kind.is_block_device() || kind.is_char_device() && !(input && io::stdin().is_terminal()) {
        Some("it is a device, which may have no end")
    } else {
        None
    }
}

/// Copies a stream into a temporary file without a name: its length, and its hash.
fn spool(mut stream: File) -> io::Result<(File, u64, Sha256)> {
    let mut file = tempfile::tempfile()?;
    let mut copied = Copied {
        from: &mut stream,
        to: &mut file,
    };
    let (length, hasher) = hash(&mut copied)?;
    file.rewind()?;
    Ok((file, length, hasher))
}

/// A stream of which everything that is read is kept.
struct Copied<'a> {
    from: &'a mut File,
    to: &'a mut File,
}

impl Read for Copied<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.to
            .write_all(&into[..read])
            .map_err(|error| io::Error::other(format!("its copy in a temporary file: {error}")))?;
        Ok(read)
    }
}

/// Hashes what is left of `file`; how long that was.
pub(super) fn hash(file: &mut impl Read) -> io::Result<(u64, Sha256)> {
    let mut hasher = Sha256::new();
    let mut length = 0;
    let mut bytes = vec![0; 256 * 1024];
    loop {
        match file.read(&mut bytes) {
            Ok(0) => return Ok((length, hasher)),
            Ok(read) => {
                hasher.update(&bytes[..read]);
                length += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Source for LocalFile {
    fn length(&self) -> u64 {
        self.length
    }

    fn sha256(&self) -> Digest {
        self.sha256
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, LocalFailure> {
        loop {
            match self.file.read_at(into, offset) {
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error = Some(error);
                    return Err(LocalFailure);
                }
            }
        }
    }
}
