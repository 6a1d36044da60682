//! The node's time.

use std::time::{Duration, Instant};

/// By how much R2 may be late and still count all of it: no work of its own takes longer.
const LATE: Duration = Duration::from_secs(1);

/// The time in which R2 could hear its peers. While it is stopped by a signal, or its machine is frozen, the clock
/// stands, but for [`LATE`]: nobody is silent because R2 is deaf.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// When it should be looked at again at the latest; `None` while R2 sleeps without a bound.
    due: Option<Duration>,
    /// For how long it has stood, and how much of that was told.
    stood: Duration,
    told: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            due: None,
            stood: Duration::ZERO,
            told: Duration::ZERO,
        }
    }

    /// R2 sleeps now, for as long as `most`.
    pub(crate) fn sleeps(&mut self, most: Option<Duration>) {
        let elapsed = self.started.elapsed();
        self.look(elapsed);
        self.due = most.map(|most| elapsed + most);
    }

    /// The time, and for how long the clock has stood since this was asked last.
    pub(crate) fn now(&mut self) -> (Duration, Duration) {
        let elapsed = self.started.elapsed();
        self.look(elapsed);
        let untold = self.stood.saturating_sub(self.told);
        self.told = self.stood;
        (elapsed.saturating_sub(self.stood), untold)
    }

    fn look(&mut self, elapsed: Duration) {
        let late = self.due.map_or(Duration::ZERO, |due| elapsed.saturating_sub(due));
        self.stood += late.saturating_sub(LATE);
        self.due = Some(elapsed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets so many seconds pass on the machine's clock.
    fn pass(clock: &mut Clock, seconds: u64) {
        clock.started = clock
            .started
            .checked_sub(Duration::from_secs(seconds))
            .expect("a time");
    }

    /// What the clock says so many seconds later.
    fn later(clock: &mut Clock, seconds: u64) -> (u64, u64) {
        pass(clock, seconds);
        let (now, stood) = clock.now();
        (now.as_secs(), (stood + LATE / 2).as_secs())
    }

    #[test]
    fn the_clock_stands_while_r2_is_stopped() {
        let mut clock = Clock::start();
        assert_eq!(later(&mut clock, 5), (5, 0), "nobody had to ask before");
        assert_eq!(later(&mut clock, 1), (6, 0), "a second may be work");
        assert_eq!(later(&mut clock, 100), (7, 99));
        pass(&mut clock, 50);
        clock.sleeps(Some(Duration::from_secs(30)));
        assert_eq!(later(&mut clock, 31), (39, 49), "stopped before it slept");
        clock.sleeps(Some(Duration::from_secs(30)));
        assert_eq!(later(&mut clock, 42), (70, 11), "woken too late");
        clock.sleeps(None);
        assert_eq!(later(&mut clock, 300), (370, 0), "it had nothing to wait for");
    }
}
