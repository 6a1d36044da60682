//! How fast R2 is, beside smoltcp's own benchmark and what runs on kernel sockets.
//!
//!     tests/ci.sh bench             measures everything, and fails where a ratio is out of its bound
//!     tests/ci.sh bench 1 5         measures some of it
//!     tests/ci.sh bench far         measures downloads over wires with delay and loss, and judges nothing
//!     tests/ci.sh bench publish     measures everything, and puts table and picture into the README
//!     tests/ci.sh bench_smoke       runs the same with small sizes
//!
//! The sides of a ratio alternate in one run, and their medians are compared: the machine may be shared. The client
//! is the same code for all of them (but smoltcp's benchmark brings its own, which makes the same calls), and no
//! figure counts whose bytes were wrong.

mod bulk;
mod client;
mod connections;
mod counts;
mod crowd;
mod echo;
mod far;
mod files;
mod latency;
mod measure;
mod peers;
mod plot;
mod readme;
mod replay;
mod report;
mod sizes;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use report::Row;
use sizes::{FULL, SMOKE, Sizes};

/// A show: its number, what it shows, and how.
type Show = (u8, &'static str, fn(&Sizes) -> Vec<Row>);

const SHOWS: &[Show] = &[
    (1, "upload into discard", bulk::upload),
    (2, "download from chargen", bulk::download),
    (3, "a file into drop", files::store),
    (4, "a file out of the files service", files::fetch),
    (5, "time to an answer", latency::answers),
    (6, "new connections", connections::a_second),
    (7, "ten thousand idle connections", crowd::beside),
    (8, "what is asked of kernel and processor", counts::counted),
];

/// How the figures came about.
const NOTE: &str = "Medians; the sides of a ratio alternate in one run. The client is the same program for both, \
writes and reads a megabyte at a time and compares every byte that it receives; smoltcp's benchmark brings its own, \
which makes the same calls and compares nothing. For shows 5, 6 and 7 every server is kept on the first processor and \
the client on the second; else the kernel decides. In show 6 the client's share of its processor tells who was the \
limit: at 100 % the client, and R2 would do more.";

/// What the command line asks for.
struct Asked {
    sizes: Sizes,
    shows: Vec<&'static Show>,
    /// Whether the figures are for the README.
    publish: bool,
}

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    // What this program starts of itself: a server to compare R2 with, and R2's node for callgrind.
    match &*words.iter().map(|word| &**word).collect::<Vec<_>>() {
        ["echo-server", address] => {
            let ended = echo::serve(address);
            eprintln!("echo: {ended:?}");
            return ExitCode::FAILURE;
        }
        ["replay", direction, frames, bytes] => {
            replay::run(direction, frames, bytes.parse().expect("a number"));
            return ExitCode::SUCCESS;
        }
        ["far", ..] => {
            far::downloads();
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let asked = match asked(words) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("bench: {why}");
            return ExitCode::from(2);
        }
    };
    let Asked {
        sizes,
        shows,
        publish,
    } = asked;
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = if publish {
        home.join("bench")
    } else {
        home.with_file_name("target").join("bench")
    };
    fs::create_dir_all(&folder).expect("a folder for the figures");
    let mut rows = Vec::new();
    for (number, what, measure) in shows {
        println!("show {number}: {what}");
        let measured = measure(&sizes);
        println!("\n{}", report::table(&measured, sizes.judge));
        rows.extend(measured);
    }
    println!("all:\n\n{}\n{NOTE}\n", report::table(&rows, sizes.judge));
    let csv = folder.join("shows.csv");
    fs::write(&csv, report::csv(&rows)).unwrap_or_else(|error| panic!("{}: {error}", csv.display()));
    let svg = folder.join("shows.svg");
    plot::draw(&rows, &svg).unwrap_or_else(|error| panic!("{}: {error}", svg.display()));
    println!("every round: {}\nas a picture: {}", csv.display(), svg.display());
    if publish {
        let readme = home.with_file_name("README.md");
        readme::publish(&rows, &readme).unwrap_or_else(|error| panic!("{}: {error}", readme.display()));
        println!("as a table: {}", readme.display());
    }
    if !rows.iter().all(|row| row.holds() || !row.is_judged(sizes.judge)) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Reads the command line, or says what is wrong with it.
fn asked(words: Vec<String>) -> Result<Asked, String> {
    let (mut sizes, mut shows, mut publish) = (FULL, Vec::new(), false);
    for word in words {
        match (&*word, SHOWS.iter().find(|show| show.0.to_string() == word)) {
            (_, Some(show)) => shows.push(show),
            ("smoke", _) => sizes = SMOKE,
            ("publish", _) => publish = true,
            // Cargo's own.
            ("--bench", _) => {}
            _ => {
                return Err(format!(
                    "what is `{word}`? Say `smoke` or `publish`, or the numbers of shows"
                ));
            }
        }
    }
    if publish && !(shows.is_empty() && sizes.judge) {
        return Err("`publish` measures every show at full size: say it alone".to_owned());
    }
    if shows.is_empty() {
        shows = SHOWS.iter().collect();
    }
    Ok(Asked {
        sizes,
        shows,
        publish,
    })
}
