//! [`Trouble`]: what the operator is told of the disk, however often peers run into it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines in [`AN_HOUR`]: more than an operator needs, and nothing to a log, should a peer know two uploads of which one is
/// stored and the other is not.
const LINES: u8 = 8;

const AN_HOUR: Duration = Duration::from_hours(1);

/// An error of the disk is told when it begins, and not again before something was stored or another error came.
pub(super) struct Trouble(Mutex<Told>);

struct Told {
    /// The error that lasts.
    error: Option<(io::ErrorKind, Option<i32>)>,
    lines: u8,
    since: Instant,
}

impl Trouble {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Told {
            error: None,
            lines: 0,
            since: Instant::now(),
        }))
    }

    /// The disk has failed so. Returns whether the operator is to be told.
    pub(super) fn begins(&self, error: &io::Error) -> bool {
        let mut told = self.told();
        let this = Some((error.kind(), error.raw_os_error()));
        if told.error == this {
            return false;
        }
        told.error = this;
        if told.since.elapsed() >= AN_HOUR {
            (told.lines, told.since) = (0, Instant::now());
        }
        let tells = told.lines < LINES;
        told.lines += u8::from(tells);
        tells
    }

    /// Something was stored.
    pub(super) fn is_over(&self) {
        self.told().error = None;
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_once_until_something_is_stored_and_a_few_times_an_hour() {
        let trouble = Trouble::new();
        let [read_only, is_folder] = [nix::libc::EROFS, nix::libc::EISDIR].map(io::Error::from_raw_os_error);
        assert_eq!([(); 3].map(|()| trouble.begins(&read_only)), [true, false, false]);
        assert!(trouble.begins(&is_folder), "another one");
        trouble.is_over();
        assert!(trouble.begins(&is_folder), "again");
        let mut lines = 3;
        for _ in 0..1000 {
            lines += u8::from(trouble.begins(&read_only)) + u8::from(trouble.begins(&is_folder));
            trouble.is_over();
        }
        assert_eq!(lines, LINES);
    }
}
