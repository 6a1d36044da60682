//! What a board's image takes.

use std::path::Path;

use crate::lab::sizes;

/// By how many percent another compiler's image may differ from the snapshot: rustc 1.96 of Debian, which builds core
/// itself, makes them 4 % smaller than rustup's 1.95.
const OTHER_COMPILER_PERCENT: usize = 5;

/// By how many bytes the flash may differ with the same compiler: the path of the project's folder goes into the names
/// of functions, their order follows, and padding with it; 40 bytes were seen. RAM is exact.
const OTHER_FOLDER_BYTES: usize = 256;

/// A compiler, and what its image takes.
struct Sums {
    compiler: String,
    /// Flash, RAM with the stack, and the stack, in bytes.
    figures: Vec<(String, usize)>,
}

impl Sums {
    /// Reads what `firmware/sizes IMAGE sum` prints.
    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let compiler = lines.next().and_then(|line| line.strip_prefix("compiler "));
        let compiler = compiler
            .unwrap_or_else(|| panic!("no compiler in\n{text}"))
            .into();
        let figures = lines
            .map(|line| {
                let (name, bytes) = line.split_once(' ').expect("a name and bytes");
                (name.to_owned(), bytes.parse().expect("bytes"))
            })
            .collect();
        Self { compiler, figures }
    }

    fn of(image: &str) -> Self {
        Self::read(&sizes(image, &["sum"]))
    }

    fn figure(&self, name: &str) -> usize {
        let found = self.figures.iter().find(|(found, _)| found == name);
        found.unwrap_or_else(|| panic!("no figure {name}")).1
    }

    /// What is wrong with these sums where `expected` is the snapshot; empty: nothing.
    fn beyond(&self, expected: &Self) -> Vec<String> {
        let same = self.compiler == expected.compiler;
        let figures = expected.figures.iter().map(|(name, was)| {
            let allowed = match name.as_str() {
                _ if !same => was * OTHER_COMPILER_PERCENT / 100,
                "flash" => OTHER_FOLDER_BYTES,
                _ => 0,
            };
            (name, *was, self.figure(name), allowed)
        });
        figures
            .filter(|(_, was, is, allowed)| is.abs_diff(*was) > *allowed)
            .map(|(name, was, is, allowed)| {
                format!("{name}: {is} bytes, the snapshot has {was} (± {allowed})")
            })
            .collect()
    }
}

pub(crate) fn at_most_three_quarters_of_the_stack(board: &str, used: usize) {
    let reserved = Sums::of(board).figure("stack");
    assert!(used * 4 <= reserved * 3, "{used} of {reserved} bytes were in use");
}

/// All services in less than a third of the small board's flash.
const FLASH_OF_ALL: usize = 80 * 1024;
/// Three services in less than a quarter of it.
const FLASH_OF_THREE: usize = 64 * 1024;
/// With all services, 4 KiB of the small board's 64 KiB of RAM stay free.
const RAM_OF_ALL: usize = 60 * 1024;
/// With three services, 20 KiB of them do.
const RAM_OF_THREE: usize = 44 * 1024;

#[test]
fn the_small_board_fits_its_memory() {
    for (image, name, bound) in [
        ("lm3s6965evb", "flash", FLASH_OF_ALL),
        ("lm3s6965evb", "ram", RAM_OF_ALL),
        ("lm3s6965evb-three", "flash", FLASH_OF_THREE),
        ("lm3s6965evb-three", "ram", RAM_OF_THREE),
    ] {
        let taken = Sums::of(image).figure(name);
        assert!(
            taken <= bound,
            "{image}: {taken} bytes of {name}, {bound} are allowed"
        );
    }
}

/// Growth is seen in review: whoever changes a size changes its snapshot.
#[test]
fn images_are_as_large_as_their_snapshots() {
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("expected");
    for image in [
        "lm3s6965evb",
        "lm3s6965evb-three",
        "lm3s6965evb-template",
        "mps2-an385",
        "w5500-evb-pico",
    ] {
        let snapshot = std::fs::read_to_string(expected.join(image)).expect("a snapshot");
        let (is, was) = (Sums::of(image), Sums::read(&snapshot));
        let beyond = is.beyond(&was);
        assert!(
            beyond.is_empty(),
            "{image}: {}\nbuilt by rustc {}, the snapshot by rustc {}; if it shall be so, with the snapshot's compiler:\n\
             firmware/sizes {} sum >tests/expected/{image}",
            beyond.join(", "),
            is.compiler,
            was.compiler,
            r2_tests::board::image(image).display(),
        );
    }
}

#[test]
fn a_snapshot_is_close_for_its_compiler_and_near_for_another() {
    let snapshot = Sums::read("compiler 1\nflash 10000\nram 200\nstack 100");
    let beyond = |text| Sums::read(text).beyond(&snapshot).len();
    assert_eq!(beyond("compiler 1\nflash 10256\nram 200\nstack 100"), 0);
    assert_eq!(beyond("compiler 1\nflash 10257\nram 201\nstack 100"), 2);
    assert_eq!(beyond("compiler 2\nflash 9500\nram 210\nstack 100"), 0);
    assert_eq!(beyond("compiler 2\nflash 9499\nram 211\nstack 100"), 2);
}
