//! Seeds that once broke a promise, kept in a file and lived first. A seed that breaks one is added to it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::LazyLock;

/// The version of the scenarios that seeds are drawn for. It grows whenever a seed comes to draw something else, and
/// what is new is left out for seeds of an older version: they go on living the run that broke the promise.
pub(super) const SCENARIOS: u32 = 3;

/// What a line of the file begins with; the rest of it says what was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) seed: u64,
    pub(super) scenarios: u32,
}

impl Kept {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        Some(Self {
            seed: words.next()?.parse().ok()?,
            scenarios: words.next()?.parse().ok()?,
        })
    }
}

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "sim", "kept_seeds.txt"]
        .iter()
        .collect()
}

/// All that are kept.
pub(super) fn seeds() -> &'static [Kept] {
    static SEEDS: LazyLock<Vec<Kept>> = LazyLock::new(|| {
        let text = fs::read_to_string(path()).expect("the file of kept seeds");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| Kept::read(line).unwrap_or_else(|| panic!("{line:?} keeps no seed")))
            .collect()
    });
    &SEEDS
}

/// The version of the scenarios in which `seed` is lived: that in which it was found, or the newest.
pub(super) fn scenarios_of(seed: u64) -> u32 {
    let kept = seeds().iter().find(|kept| kept.seed == seed);
    kept.map_or(SCENARIOS, |kept| kept.scenarios)
}

/// Adds `seed` to the file, with the first line of `wrong`.
pub(super) fn keep(seed: u64, wrong: &str) -> io::Result<()> {
    if seeds().iter().any(|kept| kept.seed == seed) {
        return Ok(());
    }
    let mut file = OpenOptions::new().append(true).open(path())?;
    writeln!(
        file,
        "{seed} {SCENARIOS} {}",
        wrong.lines().next().unwrap_or_default()
    )
}

#[test]
fn a_line_names_its_seed_and_the_scenarios_that_it_was_found_in() {
    let kept = Kept {
        seed: 1665,
        scenarios: 2,
    };
    assert_eq!(Kept::read("1665 2 R2 owes peer 3 something"), Some(kept));
    assert_eq!(Kept::read("1665"), None);
    assert!(seeds().contains(&kept), "{:?}", seeds());
    assert_eq!((scenarios_of(38_278), scenarios_of(0)), (1, SCENARIOS));
}
