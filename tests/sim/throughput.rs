//! How fast an upload is by R2's window and the wire's loss, in a clock that nothing disturbs.

use std::fmt::Write as _;

use fastrand::Rng;
use r2_node::Size;
use r2_sim::simulation::plan_of;
use smoltcp::time::{Duration, Instant};

use super::net::Weather;
use super::peer::{Peer, Step};
use super::run::live;
use super::scenario::{HELD, Role, Scenario};
use super::shelf::Shelf;

/// Per mille.
const LOSS: [u32; 5] = [0, 1, 10, 50, 100];

const BUFFERS: [usize; 5] = [1_024, 2_048, 6_144, 16_384, 65_536];

const UPLOAD: usize = 100_000;

/// Uploads of each cell: one alone would show its luck.
const UPLOADS: u64 = 5;

/// Kilobytes a second, over wires of 5 ms in each direction.
fn throughput(buffer: usize, lost: u32) -> u64 {
    let mut millis = 0;
    for seed in 0..UPLOADS {
        let size = Size {
            connections: 1,
            receive: buffer,
            transmit: 4_096,
        };
        let script = vec![Step::Send(vec![7; UPLOAD]), Step::Fin, Step::ToEnd];
        let scenario = Scenario {
            plan: plan_of(size, HELD),
            shelf: Shelf::Ram,
            weather: Weather {
                delay: Duration::from_millis(5),
                lost,
                ..Weather::default()
            },
            stalls: Vec::new(),
            greedy: false,
            twisted: false,
            narrow: vec![None],
            roles: vec![Role::Discard],
            peers: vec![Peer::new(0, 9, 64 * 1024, Instant::ZERO, script)],
            typed: Vec::new(),
            thrown: Vec::new(),
            asked: Vec::new(),
        };
        let outcome = live(scenario, Rng::with_seed(seed), None);
        assert_eq!(outcome.wrong, [""; 0], "{buffer} bytes, {lost} of 1,000 lost");
        millis += outcome.done.total_millis().unsigned_abs();
    }
    UPLOADS * UPLOAD as u64 / millis
}

#[test]
fn an_upload_is_as_fast_as_window_and_loss_allow() {
    let mut table = String::from("kB/s by bytes of window (across) and frames lost of 1,000 (down)\n     ");
    for buffer in BUFFERS {
        write!(table, "{buffer:>8}").expect("a string takes everything");
    }
    for lost in LOSS {
        write!(table, "\n{lost:>5}").expect("a string takes everything");
        for buffer in BUFFERS {
            write!(table, "{:>8}", throughput(buffer, lost)).expect("a string takes everything");
        }
    }
    insta::assert_snapshot!(table, @r"
    kB/s by bytes of window (across) and frames lost of 1,000 (down)
             1024    2048    6144   16384   65536
        0     100     158     500    1111    2500
        1     100     158     500    1111    2500
       10      29      44     480    1020     406
       50       4       8      25      57      59
      100       2       5      18      34      37
    ");
}
