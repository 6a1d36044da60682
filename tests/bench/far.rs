//! Over wires with delay and loss, beside a kernel on the same wire with CUBIC and with BBR.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use r2_tests::far::{Far, LINUX, Weather};
use r2_tests::lab::R2;
use r2_tests::program::Program;

use crate::client::{self, Pattern};
use crate::measure::{alternate, gigabits, median};

/// How often each side is measured on each wire.
const ROUNDS: usize = 3;

/// How much is downloaded, in bytes.
const DOWNLOAD: u64 = 4_000_000;

/// The controllers that the kernel is measured with; ports of the one are those of the other and so many more.
const CONTROLLERS: [(&str, u16); 2] = [("cubic", 0), ("bbr", 1_000)];

/// Round trip in microseconds, and how many of 100,000 frames are lost each way.
const WIRES: [(u64, u32); 6] = [
    (500, 0),
    (500, 1_000),
    (20_000, 0),
    (20_000, 500),
    (20_000, 2_000),
    (100_000, 1_000),
];

/// Downloads over each wire, and prints a table.
pub(crate) fn downloads() {
    let pattern = Pattern::chargen();
    let mut table =
        String::from("| round trip, loss | R2 | Linux CUBIC | Linux BBR | R2 / CUBIC | R2 / BBR |\n");
    table.push_str("|---|---|---|---|---|---|\n");
    for (round_trip, loss) in WIRES {
        let round_trip = Duration::from_micros(round_trip);
        let far = Far::new(Weather::clear(round_trip).losing(loss), 1);
        let _servers = CONTROLLERS.map(|(controller, behind)| socketserver(&far, controller, behind));
        let from = |address: &str, port: u16| {
            let stream = connect(&far, address, port);
            1000.0 * gigabits(DOWNLOAD, client::download(stream, &pattern, DOWNLOAD))
        };
        let name = format!("{round_trip:?}, {} %", f64::from(loss) / 1000.0);
        println!("{name}:");
        let figures = alternate(
            ROUNDS,
            "Mbit/s",
            [
                ("R2", &mut || from(R2, 19)),
                ("CUBIC", &mut || from(LINUX, 19)),
                ("BBR", &mut || from(LINUX, 1019)),
            ],
        );
        let [r2, cubic, bbr] = figures.each_ref().map(|figures| median(figures));
        writeln!(
            table,
            "| {name} | {r2:.1} | {cubic:.1} | {bbr:.1} | {:.2} | {:.2} |",
            r2 / cubic,
            r2 / bbr
        )
        .expect("a string takes everything");
    }
    println!("\nDownload of {DOWNLOAD} bytes, Mbit/s, medians of {ROUNDS}:\n\n{table}");
}

fn connect(far: &Far, address: &str, port: u16) -> TcpStream {
    far.kali
        .connect(&format!("{address}:{port}"))
        .unwrap_or_else(|error| panic!("connecting to {address}:{port}: {error}"))
}

/// Starts Python's socketserver beside R2, with that congestion control.
fn socketserver(far: &Far, controller: &str, behind: u16) -> Program {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/server.py");
    let line = format!(
        "exec /usr/bin/python3 {} {LINUX} {controller} {behind}",
        script.display()
    );
    let server = far.lab.namespace.start(&line);
    server.sees("ready\n");
    server
}
