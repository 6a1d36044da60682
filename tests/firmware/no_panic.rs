//! Nothing of R2 can panic on a board: the core is proved at link time, and what is left in the node is listed.
//!
//! The images are those of `firmware/no-panic`. They are linked here and read, never run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::read::elf::{ElfFile32, ProgramHeader};
use object::{Endianness, Object, ObjectSegment};

const TARGET: &str = "thumbv7m-none-eabi";

/// What to do about a panic that is found.
const ADVICE: &str = "use `get` or iterators for `[]`, `saturating_`, `checked_` or `wrapping_` for arithmetic, and \
                      `?` or `unwrap_or_default` for `unwrap`";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in a folder of the project")
}

/// Links an image of `firmware/no-panic` and says where it is, or what the compiler and linker said.
fn link(image: &str, profile: &str, features: &str) -> Result<PathBuf, String> {
    let folder = root().join("firmware/no-panic");
    let built = Command::new(root().join("firmware/cargo"))
        .current_dir(root())
        .args(["build", "--locked", "--target", TARGET, "--bin", image])
        .args(["--profile", profile, "--features", features])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(folder.join("target"))
        .output()
        .expect("firmware/cargo starts");
    if built.status.success() {
        Ok(folder.join("target").join(TARGET).join(profile).join(image))
    } else {
        Err(String::from_utf8_lossy(&built.stderr).into_owned())
    }
}

/// A place in a source file from which the image can panic.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Location {
    file: String,
    line: u32,
    column: u32,
}

impl Location {
    /// The file as `CRATE/src/…` when a library has it, the standard library's included; `None` for ours.
    fn library(&self) -> Option<String> {
        if let Some((_, file)) = self.file.split_once("/library/") {
            return Some(format!("library/{file}"));
        }
        let (_, file) = self.file.split_once("/registry/src/")?;
        let (_, file) = file.split_once('/')?;
        let (package, file) = file.split_once('/')?;
        let (name, _version) = package.rsplit_once('-')?;
        Some(format!("{name}/{file}"))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Every panic location in the image.
///
/// The panic handler hands its location to a `black_box`, so none is optimised away: each stands in the image as the
/// compiler lays out `core::panic::Location`, four aligned words: the file name's address and length, line, column.
fn locations(image: &Path) -> BTreeSet<Location> {
    let bytes = std::fs::read(image).expect("the image was linked");
    let elf = ElfFile32::<Endianness>::parse(&*bytes).expect("the image is an ELF file");
    let endian = elf.endian();
    let segments: Vec<(u64, &[u8])> = elf
        .segments()
        .filter(|segment| segment.elf_program_header().p_filesz(endian) > 0)
        .map(|segment| {
            (
                segment.address(),
                segment.data().expect("a segment is in the file"),
            )
        })
        .collect();
    let text_at = |address: u32, length: usize| {
        segments.iter().find_map(|(start, data)| {
            let offset = usize::try_from(u64::from(address).checked_sub(*start)?).ok()?;
            std::str::from_utf8(data.get(offset..)?.get(..length)?).ok()
        })
    };
    let mut found = BTreeSet::new();
    for (start, data) in &segments {
        let aligned = usize::try_from(start.wrapping_neg() % 4).expect("less than 4");
        for words in data.get(aligned..).unwrap_or_default().windows(16).step_by(4) {
            let word = |at: usize| u32::from_le_bytes(words[at..at + 4].try_into().expect("4 bytes"));
            let (address, length, line, column) = (word(0), word(4), word(8), word(12));
            let file = text_at(address, length as usize).map(|text| text.trim_end_matches('\0'));
            if let Some(file) =
                file.filter(|file| file.as_bytes().ends_with(b".rs") && line > 0 && column > 0)
            {
                found.insert(Location {
                    file: file.to_owned(),
                    line,
                    column,
                });
            }
        }
    }
    found
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items = items.into_iter().map(|item| item.to_string());
    iter::once(String::new())
        .chain(items)
        .collect::<Vec<_>>()
        .join("\n  ")
}

/// Nothing of ours can panic, and of the libraries' files only those that `tests/expected/no-panic/NAME` names.
fn only_expected_panics(image: &str, name: &str) {
    let image = link(image, "checked", "node").unwrap_or_else(|said| panic!("{said}"));
    let found = locations(&image);
    let (libraries, ours): (Vec<_>, Vec<_>) = found.iter().partition(|location| location.library().is_some());
    assert!(ours.is_empty(), "these can panic; {ADVICE}:{}", list(ours));

    let path = root().join("tests/expected/no-panic").join(name);
    let expected = std::fs::read_to_string(&path).expect("the list is committed");
    let expected: BTreeSet<&str> = expected.lines().collect();
    let mut by_file = BTreeMap::<String, Vec<&Location>>::new();
    for location in libraries {
        by_file
            .entry(location.library().unwrap_or_default())
            .or_default()
            .push(location);
    }
    assert!(
        !by_file.is_empty(),
        "no location is found at all: their layout has changed"
    );
    let new = by_file
        .iter()
        .filter(|(file, _)| !expected.contains(file.as_str()));
    let new: Vec<_> = new
        .flat_map(|(file, at)| iter::once(file.clone()).chain(at.iter().map(ToString::to_string)))
        .collect();
    assert!(
        new.is_empty(),
        "{} does not name these, which can panic:{}",
        path.display(),
        list(new)
    );
}

#[test]
fn the_core_links_where_no_panic_can_go_anywhere() {
    if let Err(said) = link("core-image", "release", "") {
        assert!(said.contains("r2_core_can_panic"), "{said}");
        let image = link("core-image", "release", "locations").unwrap_or_else(|said| panic!("{said}"));
        panic!("the core can panic; {ADVICE}:{}", list(locations(&image)));
    }
}

#[test]
fn a_core_that_can_panic_does_not_link() {
    let said = link("core-image", "release", "canary").expect_err("the canary indexes a slice");
    assert!(said.contains("undefined symbol: r2_core_can_panic"), "{said}");
}

#[test]
fn with_overflow_checks_nothing_of_the_core_can_panic_but_an_addition_of_heapless() {
    only_expected_panics("core-image", "core");
}

#[test]
fn nothing_of_the_node_can_panic_but_what_is_listed_of_smoltcp() {
    only_expected_panics("node-image", "node");
}
