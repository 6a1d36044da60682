//! SIGINT and SIGTERM as something to poll for.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// The exit status of a process that was told twice to end: that of a shell for SIGINT.
const ENDED_AT_ONCE: i32 = 130;

/// The wish to end, once it came: readable from then on. A second signal ends the process at once.
pub struct Signals {
    told: UnixStream,
}

impl Signals {
    /// Takes SIGINT and SIGTERM over from the system's default.
    pub fn listen() -> io::Result<Self> {
        let (told, teller) = UnixStream::pair()?;
        told.set_nonblocking(true)?;
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset, and sets it.
            flag::register_conditional_shutdown(signal, ENDED_AT_ONCE, again.clone())?;
            flag::register(signal, again.clone())?;
            low_level::pipe::register(signal, teller.try_clone()?)?;
        }
        Ok(Self { told })
    }

    /// Whether a signal has come since this was asked last.
    pub fn take(&mut self) -> bool {
        matches!(self.told.read(&mut [0; 8]), Ok(1..))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    #[test]
    fn a_signal_is_there_to_poll_for_and_is_told_once() {
        let mut signals = Signals::listen().unwrap();
        assert!(!signals.take());
        low_level::raise(SIGTERM).unwrap();
        let readable = poll(
            &mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)],
            PollTimeout::from(10_000u16),
        );
        assert_eq!(readable, Ok(1));
        assert!(signals.take());
        assert!(!signals.take());
    }
}
