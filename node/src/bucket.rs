//! A bucket of tokens that fills with time: how many answers may leave that nobody needs often.

use r2_core::time::{Duration, Instant};

use crate::limits::{BUCKET_FILLS_EVERY, BUCKET_HOLDS};

/// Holds [`BUCKET_HOLDS`] tokens at most, and gets one every [`BUCKET_FILLS_EVERY`]. It is full when it is made.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bucket {
    /// When it is full again.
    full_at: Instant,
}

impl Bucket {
    /// Takes a token; whether there was one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        const FROM_EMPTY: Duration = Duration::from_millis(BUCKET_FILLS_EVERY.as_millis() * BUCKET_HOLDS);
        let full_at = self.full_at.max(now) + BUCKET_FILLS_EVERY;
        let has_one = full_at.since(now) <= FROM_EMPTY;
        if has_one {
            self.full_at = full_at;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_what_it_holds_at_once_and_then_one_at_a_time() {
        let (mut bucket, start) = (Bucket::default(), Instant::from_millis(7));
        let taken = (0..100).filter(|_| bucket.take(start)).count();
        assert_eq!(taken as u64, BUCKET_HOLDS);
        let mut now = start;
        for _ in 0..5 {
            now = now + BUCKET_FILLS_EVERY;
            assert!(bucket.take(now));
            assert!(!bucket.take(now));
        }
        // However long it rests, it holds no more.
        now = now + Duration::from_secs(1_000_000);
        let taken = (0..100).filter(|_| bucket.take(now)).count();
        assert_eq!(taken as u64, BUCKET_HOLDS);
    }
}
