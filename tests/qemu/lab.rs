//! A board, and KALI at the other end of its cable.

use std::path::PathBuf;
use std::process::Command;

use r2_tests::board::{Board, firmware};
use r2_tests::namespace::Namespace;
use r2_tests::program::Program;
use tempfile::TempDir;

/// A board that serves, in a network of its own.
pub(crate) struct Lab {
    pub(crate) board: Board,
    namespace: Namespace,
    /// Where QEMU runs, and KALI keeps her files.
    folder: TempDir,
}

impl Lab {
    /// Boots the image of `board` and waits until it is ready.
    pub(crate) fn boot(board: &str) -> Self {
        let namespace = Namespace::new();
        let folder = TempDir::with_prefix("r2-board-").expect("a temporary folder");
        let board = Board::start(board, &namespace, folder.path());
        Self {
            board,
            namespace,
            folder,
        }
    }

    /// Starts a command line of KALI's, in the test's folder.
    pub(crate) fn start_kali(&self, line: &str) -> Program {
        self.namespace
            .start(&format!("cd {}; {line}", self.folder.path().display()))
    }

    /// Runs a command line of KALI's to its end and returns what it printed. Panics where it fails.
    pub(crate) fn kali(&self, line: &str) -> String {
        self.start_kali(line).prints()
    }

    /// A file of KALI's.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A number of the status page.
    pub(crate) fn status(&self, key: &str) -> usize {
        let page = self.kali("nc.openbsd 192.168.69.1 5040 </dev/null");
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no number {key} in\n{page}"))
    }
}

/// What `firmware/sizes` prints of an image, with these words behind it.
pub(crate) fn sizes(image: &str, words: &[&str]) -> String {
    let output = Command::new(firmware().join("sizes"))
        .arg(r2_tests::board::image(image))
        .args(words)
        .output()
        .expect("firmware/sizes runs");
    String::from_utf8(output.stdout).expect("text")
}
