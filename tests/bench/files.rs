//! Shows 3 and 4: a file into drop and out of the files service, beside the netcat that would have done it.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use r2_tests::lab::Lab;
use r2_tests::tmpfs::Tmpfs;

use crate::client::{self, Pattern, read_line};
use crate::measure::{alternate, gigabits};
use crate::peers::Cable;
use crate::report::{Bound, Row};
use crate::sizes::Sizes;

/// What is not file in a tmpfs that holds two.
const SPARE: u64 = 64 << 20;

/// Show 3: to the receipt, hashed and stored; and until a netcat has written all and closed, which hashes nothing,
/// or lets another program do it.
pub(crate) fn store(sizes: &Sizes) -> Vec<Row> {
    let disk = Tmpfs::new(2 * sizes.file + SPARE);
    let lab = Lab::on(&disk.path().join("store"), "");
    let (cable, pattern) = (Cable::new(), Pattern::random());
    let sha256 = pattern.sha256(sizes.file);
    let path = disk.path().join("netcat");
    let (stored, hashed) = (
        format!("> {}", path.display()),
        format!("| tee {} | sha256sum", path.display()),
    );
    let [r2, plain, hashing] = alternate(
        sizes.rounds,
        "Gbit/s",
        [
            ("R2", &mut || {
                let (time, receipt) = client::upload(lab.connect(5020), &pattern, sizes.file);
                let name = stored_as(&receipt, sizes.file, &sha256);
                // It has its name when R2 knows that the receipt has arrived.
                lab.store.holds(&[name]);
                compare(&lab.store.file(name), &pattern, sizes.file);
                forget(&lab, name);
                gigabits(sizes.file, time)
            }),
            ("nc -l > file", &mut || {
                let (time, _, printed) = netcat(&cable, &stored, &path, &pattern, sizes.file);
                assert_eq!(printed, "");
                gigabits(sizes.file, time)
            }),
            ("nc -l | tee file | sha256sum", &mut || {
                let (_, time, printed) = netcat(&cable, &hashed, &path, &pattern, sizes.file);
                assert_eq!(printed, format!("{sha256}  -\n"));
                gigabits(sizes.file, time)
            }),
        ],
    );
    let what = "drop to a tmpfs, SHA-256 included";
    let row = |reference, theirs: &[f64]| {
        Row::ratio(3, what, reference, "Gbit/s", &r2, theirs).must(Bound::AtLeast(1.5))
    };
    vec![
        row("`nc -l > file` over veth", &plain),
        row("`nc -l`, `tee` and `sha256sum` over veth", &hashing),
    ]
}

/// Sends a file to a netcat with something behind it that stores it: how long until it has closed, how long until all
/// of it has ended, and what that printed.
fn netcat(
    cable: &Cable,
    behind: &str,
    path: &Path,
    pattern: &Pattern,
    bytes: u64,
) -> (Duration, Duration, String) {
    let line = format!("nc.openbsd -l 5020 < /dev/null {behind}");
    let mut netcat = cable.serve(&line);
    let server = cable.connect_to_new(&netcat, 5020);
    let start = Instant::now();
    let (time, answer) = client::upload(server, pattern, bytes);
    assert_eq!(answer, "");
    let printed = netcat.prints();
    let whole = start.elapsed();
    compare(path, pattern, bytes);
    fs::remove_file(path).expect("netcat's file");
    (time, whole, printed)
}

/// Show 4: the same file, from the same tmpfs.
pub(crate) fn fetch(sizes: &Sizes) -> Vec<Row> {
    let disk = Tmpfs::new(sizes.file + SPARE);
    let lab = Lab::on(&disk.path().join("store"), "");
    let (cable, pattern) = (Cable::new(), Pattern::random());
    let sha256 = pattern.sha256(sizes.file);
    let (_, receipt) = client::upload(lab.connect(5020), &pattern, sizes.file);
    let name = stored_as(&receipt, sizes.file, &sha256).to_owned();
    let answer = format!("FILE {name} {} {sha256}\n", sizes.file);
    lab.store.holds(&[&name]);
    let path = lab.store.file(&name);
    let [r2, netcat] = alternate(
        sizes.rounds,
        "Gbit/s",
        [
            ("R2", &mut || {
                let mut server = lab.connect(5030);
                ask(&mut server, &format!("GET {name}\n"));
                assert_eq!(read_line(&server), answer);
                gigabits(sizes.file, client::download(&server, &pattern, sizes.file))
            }),
            ("nc -N < file", &mut || {
                let netcat = cable.serve(&format!("exec nc.openbsd -N -l 5030 < {}", path.display()));
                let server = cable.connect_to_new(&netcat, 5030);
                gigabits(sizes.file, client::download(&server, &pattern, sizes.file))
            }),
        ],
    );
    let (what, reference) = ("GET from a tmpfs", "`nc -N < file` over veth");
    vec![Row::ratio(4, what, reference, "Gbit/s", &r2, &netcat).must(Bound::AtLeast(1.5))]
}

/// The name in a receipt that is right.
fn stored_as<'a>(receipt: &'a str, bytes: u64, sha256: &str) -> &'a str {
    let name = receipt.split(' ').nth(1).unwrap_or_default();
    assert_eq!(receipt, format!("stored {name} {bytes} bytes sha256 {sha256}\n"));
    name
}

/// Panics where a file is not what was sent.
fn compare(path: &Path, pattern: &Pattern, bytes: u64) {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(file.metadata().expect("an open file").len(), bytes);
    client::download(&file, pattern, bytes);
}

/// Makes room for the next round.
fn forget(lab: &Lab, name: &str) {
    let mut server = lab.connect(5030);
    ask(&mut server, &format!("DEL {name}\n"));
    assert_eq!(read_line(&server), format!("DELETED {name}\n"));
}

fn ask(server: &mut TcpStream, line: &str) {
    server.write_all(line.as_bytes()).expect("R2 reads");
}
