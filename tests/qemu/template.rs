//! The image that newcomers copy.

use r2_tests::board::Board;
use r2_tests::namespace::Namespace;
use tempfile::TempDir;

#[test]
fn the_template_tells_each_visitor_its_number() {
    let (namespace, folder) = (Namespace::new(), TempDir::new().expect("a temporary folder"));
    let nic = "tap,ifname=tap0,script=no,downscript=no";
    let board = Board::run("lm3s6965evb-template", &namespace, folder.path(), nic);
    board.complains("ready at ");
    // More than it has connections.
    for number in 1..=5 {
        let told = namespace
            .start("nc.openbsd -N 192.168.69.1 6000 </dev/null")
            .prints();
        assert_eq!(told, format!("you are visitor {number}\n"));
    }
}
