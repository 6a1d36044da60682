//! The event loop: machines and wires have their turns until nothing moves, and then the clock jumps to the next event.

use std::error::Error;
use std::fmt;

use smoltcp::time::{Duration, Instant};

/// Turns at one moment that are called endless: many more than the frames that fit into all buffers.
const TURNS_AT_ONCE: usize = 100_000;

/// Moments in one run that are called endless.
const EVENTS: usize = 1_000_000;

/// The least that the clock moves: an event that is overdue and cannot happen does not hold it up.
const TICK: Duration = Duration::from_micros(1);

/// Machines and the wires between them, under one clock.
///
/// [`turn`](Self::turn) says what happens at a moment and [`next_event`](Self::next_event) when the next one is;
/// [`settle`](Self::settle) and [`run_until`](Self::run_until) drive both.
pub trait EventLoop {
    /// The clock.
    fn clock(&mut self) -> &mut Instant;

    /// Lets every wire and every machine do what it can do now. Returns whether anything has moved; if so, everybody has
    /// another turn at the same moment.
    fn turn(&mut self) -> bool;

    /// When the next event is; `None`: never. Asked for when nothing moves any more.
    fn next_event(&mut self) -> Option<Instant>;

    /// Lets everything happen that can happen now, and returns when the next thing will.
    fn settle(&mut self) -> Result<Option<Instant>, Endless> {
        for _ in 0..TURNS_AT_ONCE {
            if !self.turn() {
                return Ok(self.next_event());
            }
        }
        Err(Endless::Moment(*self.clock()))
    }

    /// Lets time pass until `done`, which is asked after each event, or until `end`. Returns whether it was done.
    fn run_until(&mut self, end: Instant, mut done: impl FnMut(&mut Self) -> bool) -> Result<bool, Endless>
    where
        Self: Sized,
    {
        for _ in 0..EVENTS {
            let next = self.settle()?;
            if done(self) {
                return Ok(true);
            }
            let now = *self.clock();
            if now >= end {
                return Ok(false);
            }
            *self.clock() = next.unwrap_or(end).max(now + TICK).min(end);
        }
        Err(Endless::Events(*self.clock()))
    }
}

/// The machines keep each other busy for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endless {
    /// At this moment.
    Moment(Instant),
    /// By this moment there were too many events.
    Events(Instant),
}

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moment(at) => write!(f, "R2 and its peers never come to rest at {at}"),
            Self::Events(at) => write!(f, "R2 and its peers have no end of events until {at}"),
        }
    }
}

impl Error for Endless {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that has something to do at each of these times, and then for ever if it is `busy`.
    struct Alarms {
        now: Instant,
        left: Vec<Instant>,
        rung: Vec<Instant>,
        busy: bool,
    }

    fn alarms(millis: &[i64]) -> Alarms {
        Alarms {
            now: Instant::ZERO,
            left: millis.iter().rev().map(|at| Instant::from_millis(*at)).collect(),
            rung: Vec::new(),
            busy: false,
        }
    }

    impl EventLoop for Alarms {
        fn clock(&mut self) -> &mut Instant {
            &mut self.now
        }

        fn turn(&mut self) -> bool {
            let rings = self.left.pop_if(|at| *at <= self.now).is_some();
            self.rung.extend(rings.then_some(self.now));
            rings || self.busy
        }

        fn next_event(&mut self) -> Option<Instant> {
            self.left.last().copied()
        }
    }

    #[test]
    fn the_clock_stands_at_each_event_and_at_the_end() {
        let mut alarms = alarms(&[0, 0, 7, 7, 1_000_000, 2_000_000]);
        let end = Instant::from_millis(1_500_000);
        assert_eq!(alarms.run_until(end, |_| false), Ok(false));
        assert_eq!(alarms.rung, [0, 0, 7, 7, 1_000_000].map(Instant::from_millis));
        assert_eq!(alarms.now, end);
    }

    #[test]
    fn what_is_done_at_an_event_ends_the_run_there() {
        let mut alarms = alarms(&[3, 5, 9]);
        let twice = |alarms: &mut Alarms| alarms.rung.len() == 2;
        assert_eq!(alarms.run_until(Instant::from_secs(1), twice), Ok(true));
        assert_eq!(alarms.now, Instant::from_millis(5));
    }

    #[test]
    fn a_machine_that_never_rests_is_an_error() {
        let mut alarms = alarms(&[]);
        alarms.busy = true;
        assert_eq!(alarms.settle(), Err(Endless::Moment(Instant::ZERO)));
    }
}
