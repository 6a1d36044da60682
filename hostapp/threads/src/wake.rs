//! How a thread wakes the loop that serves.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// A pipe with at most one byte in it: readable from [`wake`](Self::wake) until [`clear`](Self::clear).
pub struct Wake {
    reader: PipeReader,
    writer: PipeWriter,
    awake: AtomicBool,
}

impl Wake {
    /// A pipe with nothing in it.
    pub fn new() -> std::io::Result<Self> {
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
    pub fn wake(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            // The pipe is empty, so this neither fails nor waits.
            let _ = (&self.writer).write(&[1]);
        }
    }

    /// Makes it unreadable. Look for what is new after this, not before.
    pub fn clear(&self) {
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
