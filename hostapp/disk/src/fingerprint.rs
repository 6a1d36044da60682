//! Which content a name has.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use r2_core::name::Name;
use r2_core::store::Digest;
use sha2::{Digest as _, Sha256};

/// By how much the time of a change may be late: kernels stamp files with the time of their clock's last tick, and it
/// ticks a hundred times a second or more often.
const TICK: Duration = Duration::from_millis(20);

/// The same of a file system that keeps whole seconds, or every other one, as FAT does.
const COARSE_TICK: Duration = Duration::from_secs(2);

/// What tells one content of a name from another without reading it. Nobody can set the time of its last change, as
/// everybody can that of its last modification.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    stem: Name,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    pub(super) fn of(name: &Name, file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            stem: name.with_ending(""),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether it is still that of `file`.
    pub(super) fn is_of(&self, file: &File) -> bool {
        Self::of(&self.stem, file).is_ok_and(|now| now == *self)
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether any change from now on will show. One within the tick of the last change would not.
    pub(super) fn is_settled(&self) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let tick = if nanoseconds == 0 { COARSE_TICK } else { TICK };
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds)) else {
            return false;
        };
        // A time to come is one of another clock: nothing is known of its ticks.
        SystemTime::UNIX_EPOCH
            .checked_add(Duration::new(seconds, nanoseconds) + tick)
            .is_some_and(|settled| settled <= SystemTime::now())
    }

    /// Whether anything that is written from now on will show, as R2's own rename was the last change: it came a tick or more
    /// behind the last byte, and whatever is written after it is no earlier.
    pub(super) fn shows_writes(&self) -> bool {
        self.modified < self.changed
    }

    /// What stands for it in little memory: no two that differ have the same.
    pub(super) fn sum(&self) -> Digest {
        let mut sum = Sha256::new()
            .chain_update(self.inode.to_le_bytes())
            .chain_update(self.length.to_le_bytes());
        for (seconds, nanoseconds) in [self.modified, self.changed] {
            sum.update(seconds.to_le_bytes());
            sum.update(nanoseconds.to_le_bytes());
        }
        sum.chain_update(self.stem.as_str()).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed_at(time: SystemTime, keeps_nanoseconds: bool) -> Fingerprint {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let nanoseconds = if keeps_nanoseconds {
            since.subsec_nanos().max(1)
        } else {
            0
        };
        Fingerprint {
            stem: Name::parse("x").unwrap(),
            inode: 1,
            length: 1,
            modified: (0, 0),
            changed: (i64::try_from(since.as_secs()).unwrap(), nanoseconds.into()),
        }
    }

    #[test]
    fn what_changed_within_a_tick_of_its_clock_is_not_settled() {
        let now = SystemTime::now();
        let (soon, long_ago) = (Duration::from_secs(10), Duration::from_secs(4));
        for keeps_nanoseconds in [true, false] {
            assert!(!changed_at(now + soon, keeps_nanoseconds).is_settled());
            assert!(changed_at(now - long_ago, keeps_nanoseconds).is_settled());
        }
        // Less than its tick ago.
        let moment = SystemTime::now();
        let whole = changed_at(moment - Duration::from_millis(900), false);
        assert!(!whole.is_settled() || moment.elapsed().unwrap() > Duration::from_secs(1));
    }

    #[test]
    fn a_rename_in_a_later_tick_than_the_last_byte_shows_what_is_written_after_it() {
        let mut file = changed_at(SystemTime::now(), true);
        file.modified = file.changed;
        assert!(
            !file.shows_writes(),
            "what is written now may have the same times"
        );
        file.modified.1 -= 1;
        assert!(file.shows_writes() && !file.is_settled());
        file.modified = (file.changed.0 + 1, 0);
        assert!(!file.shows_writes(), "somebody has set it");
    }

    #[test]
    fn every_time_and_every_name_counts() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let first = changed_at(at, true);
        let mut others = [(); 5].map(|()| first.clone());
        others[0].stem = Name::parse("y").unwrap();
        others[1].inode = 2;
        others[2].length = 2;
        others[3].modified = (0, 1);
        others[4].changed.1 += 1;
        for other in others {
            assert!(other != first && other.sum() != first.sum());
        }
    }
}
