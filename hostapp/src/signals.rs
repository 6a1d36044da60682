//! SIGINT, SIGTERM and SIGHUP as something to poll for.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use r2_threads::spawn;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
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
    /// Takes SIGINT, SIGTERM and SIGHUP over from the system's default. Who has had SIGHUP ignored, as `nohup` does,
    /// wants to survive the terminal.
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
        // It comes as often as there are who notice that the terminal is gone, which is nobody's impatience.
        if !is_ignored(SIGHUP) {
            low_level::pipe::register(SIGHUP, teller)?;
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

/// Ends the process on a signal as the system does by default, after `last` has been done.
pub fn end_after(last: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let last = Arc::new(Mutex::new(Some(last)));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if signal == SIGHUP && is_ignored(SIGHUP) {
            continue;
        }
        let (mut told, teller) = UnixStream::pair()?;
        low_level::pipe::register(signal, teller)?;
        let last = last.clone();
        spawn("signals", move || {
            if told.read_exact(&mut [0]).is_ok() {
                if let Some(last) = last.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    last();
                }
                let _ = low_level::emulate_default_handler(signal);
            }
        })?;
    }
    Ok(())
}

/// Lets no terminal stop this process for what it does in the background: threads that are started from now on read
/// an error there instead, and write. Call it before the first.
pub fn go_on_in_background() -> io::Result<()> {
    let stops: SigSet = [Signal::SIGTTIN, Signal::SIGTTOU].into_iter().collect();
    stops.thread_block().map_err(io::Error::from)
}

/// Whether whoever started this process has had `signal` ignored; `false` where the system does not tell.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    ignored.is_some_and(|set| set >> (signal - 1) & 1 == 1)
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
