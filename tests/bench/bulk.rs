//! Shows 1 and 2: how fast bytes go into discard, and come out of chargen.

use r2_tests::lab::{Lab, R2};
use r2_tests::namespace::{FAR, Namespace};
use r2_tests::program::{PATIENCE, Program};

use crate::client::{self, Pattern};
use crate::measure::{alternate, gigabits};
use crate::peers::{Cable, smoltcp_benchmark};
use crate::report::{Bound, Row};
use crate::sizes::Sizes;

/// The port of iperf 2.
const IPERF: u16 = 5001;

/// Show 1: the kernel sends, R2 throws away.
pub(crate) fn upload(sizes: &Sizes) -> Vec<Row> {
    let (lab, cable, pattern) = (Lab::new(), Cable::new(), Pattern::random());
    let server = cable.socketserver();
    let iperf_server = cable.serve(&format!("exec iperf -s -p {IPERF}"));
    drop(cable.connect_to_new(&iperf_server, IPERF));
    let [r2, writer, socketserver, iperf_to_r2, iperf] = alternate(
        sizes.rounds,
        "Gbit/s",
        [
            ("R2", &mut || discard_rate(&lab, &pattern, sizes.bulk)),
            ("smoltcp's writer", &mut || smoltcp_benchmark("writer")),
            ("socketserver", &mut || {
                let before = lines(&server);
                let (time, answer) = client::upload(cable.connect(9), &pattern, sizes.bulk);
                assert_eq!(answer, "");
                server
                    .stdout
                    .wait(PATIENCE, |text, _| text.lines().count() > before);
                let text = server.stdout.text();
                assert_eq!(text.lines().last(), Some(&*sizes.bulk.to_string()));
                gigabits(sizes.bulk, time)
            }),
            ("iperf to R2", &mut || {
                iperf_rate(&lab.namespace, R2, 9, sizes.bulk)
            }),
            ("iperf to iperf", &mut || {
                iperf_rate(&cable.near, FAR, IPERF, sizes.bulk)
            }),
        ],
    );
    let what = "upload into discard";
    vec![
        Row::ratio(1, what, "smoltcp's benchmark `writer`", "Gbit/s", &r2, &writer).must(Bound::AtLeast(2.5)),
        Row::ratio(1, what, "socketserver over veth", "Gbit/s", &r2, &socketserver).must(Bound::AtLeast(1.0)),
        Row::ratio(
            1,
            "iperf 2 into discard",
            "iperf 2 into iperf 2 over veth",
            "Gbit/s",
            &iperf_to_r2,
            &iperf,
        ),
    ]
}

/// Show 2: R2 makes bytes, the kernel receives.
pub(crate) fn download(sizes: &Sizes) -> Vec<Row> {
    let (lab, cable, pattern) = (Lab::new(), Cable::new(), Pattern::chargen());
    let _server = cable.socketserver();
    let [r2, reader, socketserver] = alternate(
        sizes.rounds,
        "Gbit/s",
        [
            ("R2", &mut || chargen_rate(&lab, &pattern, sizes.bulk)),
            ("smoltcp's reader", &mut || smoltcp_benchmark("reader")),
            ("socketserver", &mut || {
                let time = client::download(&cable.connect(19), &pattern, sizes.bulk);
                gigabits(sizes.bulk, time)
            }),
        ],
    );
    let what = "download from chargen";
    vec![
        Row::ratio(2, what, "smoltcp's benchmark `reader`", "Gbit/s", &r2, &reader).must(Bound::AtLeast(6.0)),
        Row::ratio(2, what, "socketserver over veth", "Gbit/s", &r2, &socketserver).must(Bound::AtLeast(2.0)),
    ]
}

/// Sends so many bytes to discard, until R2 has closed too and counted them all. In Gbit/s.
pub(crate) fn discard_rate(lab: &Lab, pattern: &Pattern, bytes: u64) -> f64 {
    let taken = || lab.status()["discard_bytes_in"].parse::<u64>().expect("a number");
    let before = taken();
    let (time, answer) = client::upload(lab.connect(9), pattern, bytes);
    assert_eq!(answer, "");
    assert_eq!(taken() - before, bytes, "R2 has not taken what was sent");
    gigabits(bytes, time)
}

/// Receives so many bytes from chargen. In Gbit/s.
pub(crate) fn chargen_rate(lab: &Lab, pattern: &Pattern, bytes: u64) -> f64 {
    gigabits(bytes, client::download(&lab.connect(19), pattern, bytes))
}

/// What iperf 2 says of so many bytes that it sends. In Gbit/s.
fn iperf_rate(near: &Namespace, server: &str, port: u16, bytes: u64) -> f64 {
    let line = format!("iperf -c {server} -p {port} -n {bytes} -l 1000000 -y C");
    let printed = near.start(&line).prints();
    // Its last word is bits a second.
    let rate = printed
        .trim()
        .rsplit(',')
        .next()
        .and_then(|word| word.parse().ok());
    let rate: f64 = rate.unwrap_or_else(|| panic!("no rate in {printed:?}"));
    rate / 1e9
}

fn lines(program: &Program) -> usize {
    program.stdout.text().lines().count()
}
