//! The node's time.

use std::time::{Duration, Instant};

/// By how much R2 may be late before it is sure that it stood still: no work of its own takes that long.
const LATE: Duration = Duration::from_secs(1);

/// The time in which R2 could hear its peers. While it is stopped by a signal, or its machine is frozen, the clock
/// stands: nobody is silent because R2 is deaf.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    /// When it should be asked again at the latest; `None` while R2 sleeps without a bound.
    due: Option<Duration>,
    stood: Duration,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            due: None,
            stood: Duration::ZERO,
        }
    }

    /// R2 sleeps now, for as long as `most`.
    pub(super) fn sleeps(&mut self, most: Option<Duration>) {
        self.due = most.map(|most| self.started.elapsed() + most);
    }

    /// The time, and for how long the clock has stood since it was last asked.
    pub(super) fn now(&mut self) -> (Duration, Duration) {
        self.at(self.started.elapsed())
    }

    fn at(&mut self, elapsed: Duration) -> (Duration, Duration) {
        let late = self.due.map_or(Duration::ZERO, |due| elapsed.saturating_sub(due));
        let stood = if late > LATE { late } else { Duration::ZERO };
        self.stood += stood;
        self.due = Some(elapsed);
        (elapsed.saturating_sub(self.stood), stood)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stands_while_nobody_asks_it_though_somebody_should() {
        let at = Duration::from_secs;
        let mut clock = Clock::start();
        assert_eq!(clock.at(at(5)), (at(5), at(0)), "nobody had to ask before");
        assert_eq!(clock.at(at(6)), (at(6), at(0)), "a second may be work");
        assert_eq!(clock.at(at(106)), (at(6), at(100)));
        assert_eq!(clock.at(at(107)), (at(7), at(0)));
        clock.due = Some(at(137));
        assert_eq!(clock.at(at(138)), (at(38), at(0)), "it slept for 30 s");
        clock.due = Some(at(168));
        assert_eq!(clock.at(at(180)), (at(68), at(12)), "and was woken too late");
        clock.due = None;
        assert_eq!(clock.at(at(500)), (at(388), at(0)), "it had nothing to wait for");
    }
}
