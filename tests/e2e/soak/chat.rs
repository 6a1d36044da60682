//! Two netcats in the chat.

use std::fmt::Write as _;

use crate::Soak;

const NC: &str = "exec nc.openbsd -N 192.168.69.1 5000";

const LINES: usize = 20;

/// One of them says lines under a name of its own; both see every one of them once, in order, rightly labelled.
pub(crate) fn lines(soak: &Soak, number: u64) -> u64 {
    let mut witness = soak.lab.start_kali(NC);
    witness.types(format!("/nick W{number}\n"));
    witness.sees(&format!(" is now W{number}\n"));
    let mut talker = soak.lab.start_kali(NC);
    let mut said = format!("/nick T{number}\n");
    let mut labelled = String::new();
    for line in 0..LINES {
        writeln!(said, "line {line} of round {number}").expect("a String");
        writeln!(labelled, "T{number}: line {line} of round {number}").expect("a String");
    }
    talker.types(&said);
    let own = talker.prints();
    witness.sees(&format!("T{number}: line {} of round {number}\n", LINES - 1));
    let others = witness.prints();
    for screen in [&own, &others] {
        let label = format!("T{number}: ");
        let heard: String = screen
            .split_inclusive('\n')
            .filter(|line| line.starts_with(&label))
            .collect();
        assert!(heard == labelled, "round {number}: {screen}");
    }
    (own.len() + others.len()) as u64
}
