//! Show 5: how long one waits for an answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use r2_tests::lab::Lab;

use crate::client::{self, Pattern};
use crate::measure::{Apart, First, alternate, quantile};
use crate::peers::Cable;
use crate::report::{Bound, Row};
use crate::sizes::Sizes;

const ECHO: u16 = 7;
const SECRET: u16 = 5010;

/// One byte to and fro, and the slowest answers of the secret service while a bulk transfer has its way.
pub(crate) fn answers(sizes: &Sizes) -> Vec<Row> {
    let mut rows = ping_pong(sizes);
    rows.push(beside_an_upload(sizes));
    rows
}

fn ping_pong(sizes: &Sizes) -> Vec<Row> {
    let (lab, first, second) = (Lab::new(), Cable::new(), Cable::new());
    let epoll = first.epoll_echo(ECHO);
    let socat = second.serve(&format!("exec socat TCP-LISTEN:{ECHO},reuseaddr,nodelay PIPE"));
    let mut to_r2 = lab.connect(ECHO);
    let mut to_epoll = first.connect_to_new(&epoll, ECHO);
    let mut to_socat = second.connect_to_new(&socat, ECHO);
    let _apart = Apart::from(&[&lab.r2, &epoll, &socat]);
    let [r2, epoll, socat] = alternate(
        sizes.rounds,
        "requests/s",
        [
            ("R2", &mut || client::echo_rate(&mut to_r2, sizes.requests)),
            ("epoll", &mut || client::echo_rate(&mut to_epoll, sizes.requests)),
            ("socat", &mut || client::echo_rate(&mut to_socat, sizes.requests)),
        ],
    );
    let (what, unit) = ("one byte to echo and back", "requests/s");
    vec![
        Row::ratio(5, what, "epoll server over veth", unit, &r2, &epoll).must(Bound::AtLeast(1.0)),
        Row::ratio(5, what, "socat over veth", unit, &r2, &socat).must(Bound::AtLeast(1.0)),
    ]
}

fn beside_an_upload(sizes: &Sizes) -> Row {
    let (lab, pattern) = (Lab::new(), Pattern::random());
    let mut server = lab.connect(SECRET);
    let _apart = Apart::from(&[&lab.r2]);
    let mut p99 = || {
        let _first = First::with(&lab.r2);
        let times = client::answer_times(&mut server, sizes.requests / 4);
        quantile(&times, 0.99)
    };
    let p99 = std::cell::RefCell::new(&mut p99);
    let [busy, idle] = alternate(
        sizes.rounds,
        "µs",
        [
            ("during an upload", &mut || {
                let enough = AtomicBool::new(false);
                let sink = lab.connect(9);
                thread::scope(|scope| {
                    scope.spawn(|| client::upload_until(&sink, &pattern, &enough));
                    let figure = p99.borrow_mut()();
                    enough.store(true, Ordering::Relaxed);
                    figure
                })
            }),
            ("idle", &mut || p99.borrow_mut()()),
        ],
    );
    Row::ratio(
        5,
        "p99 of a secret-code answer during an upload",
        "the same when idle",
        "µs",
        &busy,
        &idle,
    )
    .must(Bound::AtMost(5.0))
}
