//! The simulator: R2 with all its services, and peers, a stranger, wires, a disk and a flash chip that do what no hand
//! can, drawn from a seed.
//!
//! One seed, one run: `R2_SEED=7 cargo test --package r2-tests --test sim` lives that one again, and
//! `R2_SEEDS=10000` lives as many, from 0 on. `R2_DIGESTS=FILE` writes down what each carried: two files differ where a
//! change of the code has changed what R2 does. Seeds that once broke a promise are in `kept_seeds.txt`.

mod chat;
mod check;
mod datagrams;
mod kept;
mod memory;
mod net;
mod peer;
mod planted;
mod rest;
mod run;
mod scenario;
mod settled;
mod shelf;
mod stranger;
mod throughput;
mod twist;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use planted::Bug;
use run::run;

/// How many seeds are lived where nobody says how many: a second.
const SEEDS: u64 = 200;

/// How many of the seeds that break a promise are told and kept.
const FEW: usize = 5;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")),
    )
}

/// What is wrong with the run of `seed`, if anything is.
fn wrong(seed: u64, bug: Option<Bug>) -> Option<String> {
    digest_and_wrong(seed, bug).1
}

/// The digest of the run of `seed`, 0 after a panic; and what is wrong with it, if anything is.
fn digest_and_wrong(seed: u64, bug: Option<Bug>) -> (u64, Option<String>) {
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let outcome = run(seed, bug);
        (outcome.digest, outcome.wrong)
    }));
    let (digest, wrong) = lived.unwrap_or_else(|_| (0, vec!["a panic".into()]));
    (digest, told(seed, &wrong))
}

fn told(seed: u64, wrong: &[String]) -> Option<String> {
    (!wrong.is_empty()).then(|| {
        format!(
            "seed {seed}: {}\nlive it again: R2_SEED={seed} cargo test --package r2-tests --test sim",
            wrong.join("\n")
        )
    })
}

#[test]
fn no_seed_breaks_a_promise() {
    if let Some(seed) = number("R2_SEED") {
        assert_eq!(wrong(seed, None), None);
        return;
    }
    let mut kept = kept::seeds().iter();
    assert_eq!(kept.find_map(|kept| wrong(kept.seed, None)), None);
    let seeds = number("R2_SEEDS").unwrap_or(SEEDS);
    let (next, found) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let digests = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let (digest, wrong) = digest_and_wrong(seed, None);
                    digests.lock().expect("no panic in between").insert(seed, digest);
                    let wrong = wrong.map(|wrong| (seed, wrong));
                    found.lock().expect("no panic in between").extend(wrong);
                }
            });
        }
    });
    if let Ok(file) = env::var("R2_DIGESTS") {
        let digests = digests.into_inner().expect("no panic in between");
        let lines: Vec<_> = digests
            .iter()
            .map(|(seed, digest)| format!("{seed} {digest:016x}\n"))
            .collect();
        fs::write(file, lines.concat()).expect("a file for the digests");
    }
    let found = found.into_inner().expect("no panic in between");
    let few: Vec<_> = found
        .iter()
        .take(FEW)
        .map(|(seed, wrong)| {
            kept::keep(*seed, wrong).expect("the file of kept seeds takes a line");
            wrong.as_str()
        })
        .collect();
    assert!(
        few.is_empty(),
        "{} of {seeds} seeds, the first few, which tests/sim/kept_seeds.txt now keeps:\n{}",
        found.len(),
        few.join("\n\n")
    );
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..20 {
        let [first, again] = [0, 1].map(|_| run(seed, None));
        assert_eq!(first.digest, again.digest, "seed {seed}");
        assert_eq!(first.wrong, again.wrong, "seed {seed}");
    }
}

/// Whether a bug shows in the seeds from `first` on, soon enough.
fn is_found(bug: Bug, first: u64) -> bool {
    const SOON: u64 = 2_000;
    (first..first + SOON).any(|seed| wrong(seed, Some(bug)).is_some() && wrong(seed, None).is_none())
}

#[test]
fn a_planted_bug_is_found_each_time() {
    for bug in [Bug::GuardOff, Bug::SyncSkipped, Bug::LabelUnchecked] {
        for time in 0..5 {
            assert!(is_found(bug, time * 10_000), "{bug:?} is not found, time {time}");
        }
    }
}
