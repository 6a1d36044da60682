//! Show 6: how many new connections a second, each with a question and its answer.

use r2_tests::lab::Lab;
use r2_tests::namespace::{FAR, Namespace};

use crate::client;
use crate::measure::{Apart, alternate};
use crate::peers::Cable;
use crate::report::{Bound, Row};
use crate::sizes::Sizes;

/// How many connections are under way at once: enough that the server never waits for the client's next.
const AT_ONCE: usize = 16;

pub(crate) fn a_second(sizes: &Sizes) -> Vec<Row> {
    let (lab, cable) = (Lab::new(), Cable::new());
    let server = cable.socketserver();
    let _apart = Apart::from(&[&lab.r2, &server]);
    let (mut busy_with_r2, mut busy_with_the_other) = (vec![], vec![]);
    let [r2, other] = alternate(
        sizes.rounds,
        "connections/s",
        [
            ("R2", &mut || {
                let (rate, busy) = rate(&lab.namespace, r2_tests::lab::R2, sizes.connections);
                busy_with_r2.push(busy);
                rate
            }),
            ("ThreadingTCPServer", &mut || {
                let (rate, busy) = rate(&cable.near, FAR, sizes.connections);
                busy_with_the_other.push(busy);
                rate
            }),
        ],
    );
    let reference = "ThreadingTCPServer over veth";
    vec![
        Row::ratio(
            6,
            "new connections to secret",
            reference,
            "connections/s",
            &r2,
            &other,
        )
        .must(Bound::AtLeast(2.0)),
        Row::ratio(
            6,
            "the client's share of its processor meanwhile",
            reference,
            "%",
            &busy_with_r2,
            &busy_with_the_other,
        ),
    ]
}

/// Connections a second, and how much of one processor the client used for them, in percent.
pub(crate) fn rate(near: &Namespace, server: &str, connections: usize) -> (f64, f64) {
    near.inside(|| client::connections(&format!("{server}:5010"), AT_ONCE, connections / AT_ONCE))
}
