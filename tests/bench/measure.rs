//! Rounds in which the sides of a ratio alternate, and what is made of their figures.

use std::fs;
use std::io::Write;
use std::time::Duration;

use r2_tests::program::Program;
use rustix::process::Pid;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

/// Who is measured, and how.
pub(crate) type Side<'a> = (&'a str, &'a mut dyn FnMut() -> f64);

/// Measures each side once a round, and prints every figure; a side's figures in the order of the rounds.
pub(crate) fn alternate<const N: usize>(
    rounds: usize,
    unit: &str,
    mut sides: [Side<'_>; N],
) -> [Vec<f64>; N] {
    let mut figures = [const { Vec::new() }; N];
    for round in 1..=rounds {
        print!("  {round}/{rounds} {unit}:");
        for ((name, measure), figures) in sides.iter_mut().zip(&mut figures) {
            let figure = measure();
            print!("  {name} {}", short(figure));
            let _ = std::io::stdout().flush();
            figures.push(figure);
        }
        println!();
    }
    figures
}

/// A figure with as many digits as it is worth.
pub(crate) fn short(figure: f64) -> String {
    if figure < 100.0 {
        format!("{figure:.2}")
    } else {
        format!("{figure:.0}")
    }
}

/// The median; the upper one of an even number.
pub(crate) fn median(figures: &[f64]) -> f64 {
    quantile(figures, 0.5)
}

/// The figure below which `part` of all figures lie.
pub(crate) fn quantile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position in a list of at most a million figures"
    )]
    let position = (sorted.len() as f64 * part) as usize;
    sorted[position.min(sorted.len() - 1)]
}

/// How many units a second `count` in `time` are.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// A rate of bytes in Gbit/s.
pub(crate) fn gigabits(bytes: u64, time: Duration) -> f64 {
    rate(bytes * 8, time) / 1e9
}

/// Keeps the client on the second processor while it lives, and servers on the first: whether the two happen to
/// share one makes more of a difference to a single answer than anything else.
pub(crate) struct Apart {
    before: CpuSet,
}

impl Apart {
    /// From now on this thread, and those that it starts, run on the second processor, and these servers on the first.
    pub(crate) fn from(servers: &[&Program]) -> Self {
        let before = sched_getaffinity(None).expect("the processors of this thread");
        keep_on(1, None);
        for server in servers {
            let tasks = format!("/proc/{}/task", server.pid().as_raw_nonzero());
            for task in fs::read_dir(tasks).expect("the server lives").flatten() {
                let task = task.file_name().to_str().and_then(|task| task.parse().ok());
                keep_on(0, task.and_then(Pid::from_raw));
            }
        }
        Self { before }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = sched_setaffinity(None, &self.before);
    }
}

/// Lets this thread, and a server with all of its own, go before every other on their processors while it lives: what
/// else the machine does, the load that a measurement makes included, is then nothing that an answer waits for.
pub(crate) struct First<'a> {
    server: &'a Program,
}

impl<'a> First<'a> {
    /// From now on.
    pub(crate) fn with(server: &'a Program) -> Self {
        let first = Self { server };
        first.schedule("--fifo", 1);
        first
    }

    /// Gives them another policy and priority.
    fn schedule(&self, policy: &str, priority: u8) {
        let (own, server) = (gettid().as_raw_nonzero(), self.server.pid().as_raw_nonzero());
        for which in [
            format!("--pid {priority} {own}"),
            format!("--all-tasks --pid {priority} {server}"),
        ] {
            assert_eq!(
                Program::start(&format!("exec chrt {policy} {which}")).prints(),
                ""
            );
        }
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        self.schedule("--other", 0);
    }
}

/// On a machine that does not have this processor everything stays as it is.
fn keep_on(processor: usize, thread: Option<Pid>) {
    let mut only = CpuSet::new();
    only.set(processor);
    let _ = sched_setaffinity(thread, &only);
}
