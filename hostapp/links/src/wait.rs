//! How the loop that serves sleeps.

use std::time::Duration;

use nix::poll::PollFd;

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
