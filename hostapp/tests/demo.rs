//! `hostapp demo` as anybody sees it: in an empty folder, with an environment that helps with nothing.

use std::process::{Command, Stdio};

use tempfile::TempDir;

#[test]
fn the_demo_tells_the_lab_and_leaves_nothing() {
    let here = TempDir::new().unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_hostapp"))
        .arg("demo")
        .current_dir(here.path())
        .env_clear()
        .env("TMPDIR", here.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert_eq!((out.status.code(), text(out.stderr)), (Some(0), String::new()));
    insta::assert_snapshot!(text(out.stdout));
    assert!(here.path().read_dir().unwrap().next().is_none());
}
