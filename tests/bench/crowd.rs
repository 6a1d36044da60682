//! Show 7: what ten thousand idle connections cost everybody else.

use std::cell::RefCell;
use std::net::TcpStream;

use r2_tests::lab::{Lab, R2};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::bulk::{chargen_rate, discard_rate};
use crate::client::{self, Pattern};
use crate::connections;
use crate::measure::{Apart, alternate};
use crate::report::{Bound, Row};
use crate::sizes::Sizes;

/// Descriptors that are not idle connections.
const OTHER_DESCRIPTORS: u64 = 200;

const ECHO: u16 = 7;
const SECRET: u16 = 5010;

/// An R2 with its crowd, and one more connection to echo.
struct Beside {
    lab: Lab,
    echo: RefCell<TcpStream>,
    _idle: Vec<TcpStream>,
}

impl Beside {
    fn idle_connections(count: usize) -> Self {
        let lab = Lab::with("--sessions 10000");
        // Half of them on each of two services, so that there is a slot for one more on both.
        let idle = lab.namespace.inside(|| {
            let connect = |number| {
                let port = if number % 2 == 0 { SECRET } else { ECHO };
                TcpStream::connect((R2, port)).expect("one more connection")
            };
            (0..count).map(connect).collect()
        });
        let echo = RefCell::new(lab.connect(ECHO));
        Self {
            lab,
            echo,
            _idle: idle,
        }
    }
}

/// The same four figures beside the crowd and beside one.
pub(crate) fn beside(sizes: &Sizes) -> Vec<Row> {
    allow_descriptors(sizes.idle as u64 + OTHER_DESCRIPTORS);
    let (crowd, one) = (Beside::idle_connections(sizes.idle), Beside::idle_connections(1));
    let (random, chargen) = (Pattern::random(), Pattern::chargen());
    let _apart = Apart::from(&[&crowd.lab.r2, &one.lab.r2]);
    let compare = |what, unit, measure: &dyn Fn(&Beside) -> f64| {
        let [with, without] = alternate(
            sizes.rounds,
            unit,
            [
                ("beside the crowd", &mut || measure(&crowd)),
                ("beside one", &mut || measure(&one)),
            ],
        );
        Row::ratio(7, what, "the same beside one", unit, &with, &without).must(Bound::AtLeast(0.9))
    };
    vec![
        compare("upload, 10,000 idle", "Gbit/s", &|beside| {
            discard_rate(&beside.lab, &random, sizes.bulk)
        }),
        compare("download, 10,000 idle", "Gbit/s", &|beside| {
            chargen_rate(&beside.lab, &chargen, sizes.bulk)
        }),
        compare(
            "one byte to echo and back, 10,000 idle",
            "requests/s",
            &|beside| client::echo_rate(&mut beside.echo.borrow_mut(), sizes.requests),
        ),
        compare("new connections, 10,000 idle", "connections/s", &|beside| {
            connections::rate(&beside.lab.namespace, R2, sizes.connections).0
        }),
    ]
}

/// Allows this process so many descriptors. Panics where it may not have them.
fn allow_descriptors(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= count);
    if enough(limit.current) {
        return;
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(count));
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, wanted)
        .unwrap_or_else(|error| panic!("{count} descriptors are needed (ulimit -n): {error}"));
}
