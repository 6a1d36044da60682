//! [`Output`]: where the records go. Whatever happens there, it ends with a whole one.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use nix::fcntl::{FcntlArg, fcntl};
use r2_node::capture::{FILE_HEADER, RECORD_HEADER};

use super::queue::Queue;
use crate::stdio::{Place, follow, open_pipe};

/// What one call writes at most: between two calls it is seen whether the file still takes something.
const PIECE: usize = 256 * 1024;

/// Bytes that a pipe is asked to hold: several of the largest frames, and what Linux lets everybody have.
#[cfg(target_os = "linux")]
const PIPE: i32 = 1024 * 1024;

/// Where records are written.
pub(super) struct Output {
    file: File,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A file that can be cut.
    Regular,
    /// A pipe, which holds so many bytes.
    #[cfg(target_os = "linux")]
    Pipe(usize),
    Other,
}

/// What a path leads to.
pub(super) enum Opened {
    /// A file, which has its header.
    File(Output),
    /// A stream: its reader may be gone already, or pause.
    Stream(Output),
    /// A pipe that nobody reads yet: opening it waits for somebody.
    Unread(PathBuf),
}

impl Opened {
    /// Waits until it takes records behind the file header.
    pub(super) fn begin(self) -> io::Result<Output> {
        match self {
            Self::File(output) => Ok(output),
            Self::Stream(output) => output.with_header(),
            Self::Unread(path) => Output::of(OpenOptions::new().write(true).open(path)?)?.with_header(),
        }
    }
}

impl Output {
    /// Opens `path`, and writes the file header where that cannot wait for a reader. `-` is standard output. What was in a
    /// regular file is gone, where it was not open already.
    pub(super) fn open(path: &Path) -> io::Result<Opened> {
        let file = if let Place::Open(file) = follow(path)? {
            file
        } else if path.metadata().is_ok_and(|found| found.file_type().is_fifo()) {
            match open_pipe(path)? {
                Some(pipe) => pipe,
                None => return Ok(Opened::Unread(path.to_owned())),
            }
        } else {
            File::create(path)?
        };
        let found = file.metadata()?.file_type();
        let output = Self::of(file)?;
        if found.is_fifo() || found.is_socket() {
            Ok(Opened::Stream(output))
        } else {
            output.with_header().map(Opened::File)
        }
    }

    fn of(file: File) -> io::Result<Self> {
        if file.is_terminal() {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "it is a terminal, which shows no frames",
            ));
        }
        let kind = kind(&file)?;
        Ok(Self { file, kind })
    }

    fn with_header(mut self) -> io::Result<Self> {
        self.write_piece(&FILE_HEADER)?;
        Ok(self)
    }

    /// Writes whole records. After an error a regular file ends with the last that was written whole; the others are
    /// counted as lost.
    pub(super) fn write(&mut self, records: &[u8], queue: &Queue) -> io::Result<()> {
        let mut written = 0;
        while let Some(rest) = records.get(written..).filter(|rest| !rest.is_empty()) {
            let wrote = match self.room_in_pipe(rest) {
                Ok(Some(0)) if queue.is_given_up() => Err(ErrorKind::TimedOut.into()),
                Ok(Some(0)) => {
                    queue.wait_for_reader();
                    continue;
                }
                Ok(room) => self.write_piece(&rest[..room.unwrap_or(rest.len().min(PIECE))]),
                Err(error) => Err(error),
            };
            match wrote {
                Ok(count) => {
                    written += count;
                    queue.progressed();
                }
                // Whoever shares the pipe may have said that nobody waits there.
                Err(error) if error.kind() == ErrorKind::WouldBlock && !queue.is_given_up() => {
                    queue.wait_for_reader();
                }
                Err(error) => {
                    let whole = whole_records(records, written);
                    self.cut(written - whole);
                    queue.lose(&records[whole..]);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn write_piece(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.file.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// Takes the last bytes off a regular file, which are the front of a record.
    fn cut(&self, bytes: usize) {
        // Should that fail, the error that is told already is the reason.
        if self.kind == Kind::Regular
            && let Ok(found) = self.file.metadata()
        {
            let _ = self.file.set_len(found.len().saturating_sub(bytes as u64));
        }
    }

    /// How many bytes of whole records a pipe takes without waiting; `None` where it is no pipe, or can never hold the
    /// first of them and is empty.
    #[cfg(target_os = "linux")]
    fn room_in_pipe(&self, records: &[u8]) -> io::Result<Option<usize>> {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        /// The first page of a pipe and the last may be used in part.
        const PAGES: usize = 2 * 4096;
        let Kind::Pipe(size) = self.kind else {
            return Ok(None);
        };
        let mut state = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
        poll(&mut state, PollTimeout::ZERO)?;
        if state[0]
            .revents()
            .is_some_and(|is| is.contains(PollFlags::POLLERR))
        {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let waiting = usize::try_from(rustix::io::ioctl_fionread(&self.file)?).unwrap_or(usize::MAX);
        let most = size.saturating_sub(PAGES);
        let room = whole_records(records, most.saturating_sub(waiting).min(PIECE));
        if room == 0 && waiting == 0 && whole_records(records, most) == 0 {
            return Ok(None);
        }
        Ok(Some(room))
    }

    #[cfg(not(target_os = "linux"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "Linux alone tells")]
    fn room_in_pipe(&self, _: &[u8]) -> io::Result<Option<usize>> {
        Ok(None)
    }
}

fn kind(file: &File) -> io::Result<Kind> {
    let found = file.metadata()?.file_type();
    if found.is_file() {
        return Ok(Kind::Regular);
    }
    #[cfg(target_os = "linux")]
    if found.is_fifo() {
        // More than it has, where the system gives more.
        let _ = fcntl(file, FcntlArg::F_SETPIPE_SZ(PIPE));
        let size = fcntl(file, FcntlArg::F_GETPIPE_SZ)?;
        return Ok(Kind::Pipe(usize::try_from(size).unwrap_or(0)));
    }
    Ok(Kind::Other)
}

/// How many of the first `most` bytes are whole records.
fn whole_records(records: &[u8], most: usize) -> usize {
    record_ends(records)
        .take_while(|end| *end <= most)
        .last()
        .unwrap_or(0)
}

/// Where each record ends that is whole.
pub(super) fn record_ends(records: &[u8]) -> impl Iterator<Item = usize> {
    let mut end = 0;
    std::iter::from_fn(move || {
        let header = records.get(end..)?.first_chunk::<RECORD_HEADER>()?;
        let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        end += RECORD_HEADER + length as usize;
        (end <= records.len()).then_some(end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_records_end_before_the_first_that_does_not_fit() {
        let record = |length: u8| {
            let mut record = vec![0; RECORD_HEADER];
            record[8] = length;
            record.extend(vec![7; length.into()]);
            record
        };
        let records = [record(60), record(0), record(200)].concat();
        for (most, whole) in [
            (0, 0),
            (75, 0),
            (76, 76),
            (91, 76),
            (92, 92),
            (307, 92),
            (308, 308),
            (999, 308),
        ] {
            assert_eq!(whole_records(&records, most), whole, "of {most}");
        }
        assert_eq!(whole_records(&records[..300], 999), 92, "half of the last");
    }
}
