//! Time as the core sees it: milliseconds that the driver passes in. The core never reads a clock.

use core::ops::{Add, Sub};

/// A moment, in milliseconds since the driver's clock began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Duration(u64);

impl Instant {
    /// The moment `ms` milliseconds after the clock began.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the clock began.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time since `earlier`; zero if `earlier` is later than `self`.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Duration {
    /// `ms` milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// `s` seconds.
    pub const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(1000))
    }

    /// This length in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Stops at the end of time instead of wrapping.
    // On a board, where it is called in so many places, it is one function.
    #[cfg_attr(target_os = "none", inline(never))]
    fn add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// Stops at the beginning of the clock instead of wrapping.
    fn sub(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(length.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stops_at_its_ends() {
        let (at, length) = (Instant::from_millis, Duration::from_millis);
        assert_eq!(at(3) + length(4), at(7));
        assert_eq!(at(u64::MAX) + length(1), at(u64::MAX));
        assert_eq!(at(7) - length(4), at(3));
        assert_eq!(at(3) - length(4), at(0));
        assert_eq!(at(7).since(at(3)), length(4));
        assert_eq!(at(3).since(at(7)), length(0));
        assert_eq!(Duration::from_secs(2), length(2000));
        assert_eq!((at(7).as_millis(), length(7).as_millis()), (7, 7));
    }
}
