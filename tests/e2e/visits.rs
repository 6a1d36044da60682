//! The example of a service of one's own, built from the node alone: `node/examples/visits.rs` on a TAP.

use std::env;

use r2_tests::namespace::Namespace;

/// More visitors than connections, many times over.
const VISITORS: usize = 200;

#[test]
fn two_hundred_netcats_at_once_are_all_visitors_of_eight_connections() {
    let namespace = Namespace::new();
    let here = env::current_exe().expect("this test is a program");
    let built = here.ancestors().nth(2).expect("it is in target/debug/deps");
    let example = built.join("examples/visits");
    assert!(
        example.exists(),
        "cargo build --example visits: {}",
        example.display()
    );
    let _server = namespace.start(&format!("exec {} tap0", example.display()));
    // The first waits for the server: until it serves, nobody answers for its address.
    let first = "until nc.openbsd -w 1 192.168.69.1 6000 < /dev/null; do :; done";
    assert_eq!(namespace.start(first).prints(), "you are visitor 1\n");
    let all =
        format!("for each in $(seq {VISITORS}); do nc.openbsd 192.168.69.1 6000 < /dev/null & done; wait");
    let printed = namespace.start(&all).prints();
    let mut numbers: Vec<usize> = printed
        .lines()
        .map(|line| {
            line.strip_prefix("you are visitor ")
                .expect("a whole line")
                .parse()
                .expect("a number")
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (2..=VISITORS + 1).collect::<Vec<_>>());
}
