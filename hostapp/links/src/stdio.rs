//! Where output goes: files that are open already, by each of their names, links, and named pipes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// As many links as Linux follows.
const LINKS: usize = 40;

/// What a path leads to.
pub enum Place {
    /// A file that this program has open: it is written on where it stands, and nothing of it goes away.
    Open(File),
    /// What the path names when its last component is no link any more, whether it is there or not.
    Path(PathBuf),
}

/// Follows `path`, `-` for standard output, from link to link. `/dev/stderr`, `/dev/fd/5` and their like lead to a file that
/// is open, as does a link to one of them.
pub fn follow(path: &Path) -> io::Result<Place> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        if let Some(number) = descriptor(&path) {
            return open_again(number, &path).map(Place::Open);
        }
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
            Err(_) => return Ok(Place::Path(path)),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is a link to itself",
    ))
}

/// Whether `path` is a name of standard output: what goes there is not to be renamed, reopened or mixed with chat.
pub fn is_standard_output(path: &Path) -> bool {
    descriptor(path) == Some(1)
}

/// The number of the open file that `path` is a name of.
fn descriptor(path: &Path) -> Option<u32> {
    if path == Path::new("-") {
        return Some(1);
    }
    let name = path.file_name()?.to_str()?;
    match path.parent()?.to_str()? {
        "/dev" => ["stdin", "stdout", "stderr"]
            .into_iter()
            .zip(0..)
            .find_map(|(known, number)| (name == known).then_some(number)),
        "/dev/fd" | "/proc/self/fd" | "/proc/thread-self/fd" => name.parse().ok(),
        _ => None,
    }
}

/// The file `number`, called `path`, once more. The first three share their place in the file with whoever writes there too;
/// the others are written at their end.
fn open_again(number: u32, path: &Path) -> io::Result<File> {
    let shared = match number {
        0 => io::stdin().as_fd().try_clone_to_owned(),
        1 => io::stdout().as_fd().try_clone_to_owned(),
        2 => io::stderr().as_fd().try_clone_to_owned(),
        _ => return OpenOptions::new().append(true).open(path),
    };
    shared.map(File::from)
}

/// Opens a named pipe for writing; `None` where nobody reads it yet, since that would have to be waited for.
pub fn open_pipe(path: &Path) -> io::Result<Option<File>> {
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path);
    match opened {
        Ok(pipe) => {
            fcntl(&pipe, FcntlArg::F_SETFL(OFlag::empty()))?;
            Ok(Some(pipe))
        }
        Err(error) if error.raw_os_error() == Some(nix::libc::ENXIO) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn number(path: &str) -> Option<u32> {
        descriptor(Path::new(path))
    }

    #[test]
    fn an_open_file_is_known_by_each_of_its_names() {
        for (path, expected) in [
            ("-", Some(1)),
            ("/dev/stdin", Some(0)),
            ("/dev/stdout", Some(1)),
            ("/dev/stderr", Some(2)),
            ("/dev/fd/2", Some(2)),
            ("/proc/self/fd/17", Some(17)),
            ("/proc/thread-self/fd/3", Some(3)),
            ("/dev/null", None),
            ("/dev/fd", None),
            ("/dev/fd/x", None),
            ("/dev/fd/-1", None),
            ("stdout", None),
            ("fd/1", None),
            ("/proc/1/fd/1", None),
            ("", None),
            ("/", None),
        ] {
            assert_eq!(number(path), expected, "{path}");
        }
    }

    #[test]
    fn a_link_leads_to_an_open_file_or_to_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (link, to) in [
            ("a", "/dev/stderr"),
            ("b", "a"),
            ("c", "new"),
            ("d", "c"),
            ("e", "e"),
        ] {
            symlink(to, at(link)).unwrap();
        }
        assert!(matches!(follow(&at("b")).unwrap(), Place::Open(_)));
        assert!(matches!(follow(&at("d")).unwrap(), Place::Path(path) if path == at("new")));
        assert!(follow(&at("e")).is_err());
        assert!(follow(Path::new("/dev/fd/4000000000")).is_err());
    }
}
