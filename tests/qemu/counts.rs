//! The instructions of each board for a KiB received: the same at every run, and those that are committed.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in a folder of the project")
}

/// The table that `firmware/count` prints, behind the compiler that its figures are of.
fn count() -> String {
    let run = Command::new(root().join("firmware/count"))
        .output()
        .expect("firmware/count starts");
    let log = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{log}");
    String::from_utf8(run.stdout).expect("text")
}

#[test]
fn instructions_are_the_same_to_the_last_digit() {
    let (first, second) = (count(), count());
    assert_eq!(first, second, "two runs differ");
    let file = root().join("tests/expected/instructions");
    let expected = fs::read_to_string(&file).expect("the committed table");
    if first.lines().next() == expected.lines().next() {
        let advice = "if that is meant: firmware/count >tests/expected/instructions, and the README's table";
        assert_eq!(first, expected, "{advice}");
    } else {
        // Not captured: whoever runs this must see that nothing was compared.
        writeln!(
            io::stderr(),
            "other compilers make other code, so these figures:\n{first}are not compared with the committed ones:\n{expected}"
        )
        .expect("standard error");
    }
}

#[test]
fn the_readme_has_the_committed_figures() {
    let expected =
        fs::read_to_string(root().join("tests/expected/instructions")).expect("the committed table");
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let plain = readme.replace(',', "");
    let rows: Vec<_> = expected.lines().skip(2).collect();
    assert_eq!(rows.len(), 4, "a row for each service that takes uploads");
    for row in rows {
        let row = row.split_whitespace().collect::<Vec<_>>().join(" | ");
        assert!(
            plain.contains(&format!("| {row} |\n")),
            "the README lacks | {row} |"
        );
    }
}
