//! The conversations of `tests/splits`, played on a Cortex-M.

use std::time::Duration;

use r2_tests::board::Board;
use r2_tests::namespace::Namespace;
use tempfile::TempDir;

/// They take a minute: every size of input and output, on a processor that QEMU translates.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn the_conversations_go_as_on_the_host() {
    let (namespace, folder) = (Namespace::new(), TempDir::new().expect("a temporary folder"));
    let nic = "tap,ifname=tap0,script=no,downscript=no";
    let mut board = Board::run("mps2-an385-on-target", &namespace, folder.path(), nic).patiently(PATIENCE);
    let ended = board.wait();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(" conversations went as on the host"),
        "{}",
        ended.stderr
    );
}
