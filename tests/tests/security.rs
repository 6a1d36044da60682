//! SECURITY.md names the tests behind its promises, the gate those behind its repairs of smoltcp: they exist.

use std::fs;
use std::path::Path;

/// The text of every Rust file in `folder`, but for what was built.
fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                sources(&path, all);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(path).expect("a source file"));
        }
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the project's folder");
    let mut all = String::new();
    for folder in ["core", "node", "services", "sim", "hostapp", "tests"] {
        sources(&root.join(folder), &mut all);
    }
    let read = |path| fs::read_to_string(root.join(path)).expect("a file of the project");
    let pages = read("SECURITY.md") + &read("node/src/gate/mod.rs");
    let names: Vec<_> = pages
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.matches('_').count() > 2 && !code.contains(['/', ' ']))
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(all.contains(&format!("fn {name}(")), "there is no test {name}");
    }
}
