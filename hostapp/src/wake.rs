//! How the loop that serves sleeps, and how a thread wakes it.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFd;

/// A pipe with at most one byte in it: readable from [`wake`](Self::wake) until [`clear`](Self::clear).
pub(crate) struct Wake {
    reader: PipeReader,
    writer: PipeWriter,
    awake: AtomicBool,
}

impl Wake {
    pub(crate) fn new() -> std::io::Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        for end in [reader.as_fd(), writer.as_fd()] {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self {
            reader,
            writer,
            awake: AtomicBool::new(false),
        })
    }

    /// Makes it readable. What the sleeper is to see must be there before.
    pub(crate) fn wake(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            // The pipe is empty, so this neither fails nor waits.
            let _ = (&self.writer).write(&[1]);
        }
    }

    /// Makes it unreadable. Look for what is new after this, not before.
    pub(crate) fn clear(&self) {
        // A byte is in the pipe only while `awake` is set, and `awake` falls only when that byte was read.
        if self.awake.load(Ordering::Acquire) && matches!((&self.reader).read(&mut [0; 8]), Ok(1..)) {
            self.awake.store(false, Ordering::Release);
        }
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

/// Sleeps until one of `fds` is ready, for at most `timeout`; `None` for as long as it takes. How many are ready.
#[cfg(target_os = "linux")]
pub(crate) fn wait_for(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> nix::Result<i32> {
    use nix::sys::time::TimeSpec;
    nix::poll::ppoll(fds, timeout.map(TimeSpec::from_duration), None)
}

/// The same in whole milliseconds, rounded up: a turn too early would be for nothing.
#[cfg(not(target_os = "linux"))]
pub(crate) fn wait_for(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> nix::Result<i32> {
    use nix::poll::PollTimeout;
    let millis = |timeout: Duration| {
        PollTimeout::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
    };
    nix::poll::poll(fds, timeout.map_or(PollTimeout::NONE, millis))
}
