//! SIGINT and SIGTERM as something to poll for.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use r2_threads::spawn;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// The exit status of a process that was told twice to end: that of a shell for SIGINT.
const ENDED_AT_ONCE: i32 = 130;

/// Signals that come this soon after the first are the same wish: `timeout` sends each twice, to the process and to
/// its group.
const SAME_WISH: Duration = Duration::from_millis(500);

/// The wish to end, once it came: readable from then on. A second signal, half a second later or more, ends the
/// process at once.
pub struct Signals {
    told: UnixStream,
}

impl Signals {
    /// Takes SIGINT and SIGTERM over from the system's default.
    pub fn listen() -> io::Result<Self> {
        Self::until(Arc::new(AtomicBool::new(false)))
    }

    /// Listens until `impatient` is set, half a second after the first signal: the next one ends the process.
    fn until(impatient: Arc<AtomicBool>) -> io::Result<Self> {
        let (told, teller) = UnixStream::pair()?;
        told.set_nonblocking(true)?;
        let (mut first, first_teller) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, ENDED_AT_ONCE, impatient.clone())?;
            low_level::pipe::register(signal, first_teller.try_clone()?)?;
            low_level::pipe::register(signal, teller.try_clone()?)?;
        }
        // On a thread of its own: whatever the server hangs in when it ends, a second signal ends it.
        spawn("signals", move || {
            if first.read_exact(&mut [0]).is_ok() {
                thread::sleep(SAME_WISH);
                impatient.store(true, Ordering::Relaxed);
            }
        })?;
        Ok(Self { told })
    }

    /// Whether a signal has come since this was asked last.
    pub fn take(&mut self) -> bool {
        matches!(self.told.read(&mut [0; 8]), Ok(1..))
    }
}

/// Ends the process on SIGTERM as the system does by default, after `last` has been done.
pub fn end_on_sigterm(last: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (mut told, teller) = UnixStream::pair()?;
    low_level::pipe::register(SIGTERM, teller)?;
    spawn("signals", move || {
        if told.read_exact(&mut [0]).is_ok() {
            last();
            let _ = low_level::emulate_default_handler(SIGTERM);
        }
    })?;
    Ok(())
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
    fn a_signal_sent_twice_is_there_to_poll_for_and_is_told_once() {
        let impatient = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::until(impatient.clone()).unwrap();
        assert!(!signals.take());
        low_level::raise(SIGTERM).unwrap();
        low_level::raise(SIGTERM).unwrap();
        let readable = poll(
            &mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)],
            PollTimeout::from(10_000u16),
        );
        assert_eq!(readable, Ok(1));
        assert!(signals.take());
        assert!(!signals.take());
        while !impatient.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }
}
