//! How fast R2 is, beside smoltcp's own benchmark and what runs on kernel sockets.
//!
//!     tests/ci.sh bench             measures everything, and fails where a ratio is out of its bound
//!     tests/ci.sh bench 1 5         measures some of it
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
mod files;
mod latency;
mod measure;
mod peers;
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

/// What the command line asks for.
struct Asked {
    sizes: Sizes,
    shows: Vec<&'static Show>,
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
        _ => {}
    }
    let asked = match asked(words) {
        Ok(asked) => asked,
        Err(word) => {
            eprintln!("bench: what is `{word}`? Say `smoke`, and the numbers of shows: all without");
            return ExitCode::from(2);
        }
    };
    let Asked { sizes, shows } = asked;
    let mut rows = Vec::new();
    for (number, what, measure) in shows {
        println!("show {number}: {what}");
        let measured = measure(&sizes);
        println!("\n{}", report::table(&measured, sizes.judge));
        rows.extend(measured);
    }
    let table = report::table(&rows, sizes.judge);
    println!("all:\n\n{table}");
    write("shows.csv", &report::csv(&rows));
    if sizes.judge && !rows.iter().all(Row::holds) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Reads the command line; the word that is none of ours.
fn asked(words: Vec<String>) -> Result<Asked, String> {
    let (mut sizes, mut shows) = (FULL, Vec::new());
    for word in words {
        match (&*word, SHOWS.iter().find(|show| show.0.to_string() == word)) {
            (_, Some(show)) => shows.push(show),
            ("smoke", _) => sizes = SMOKE,
            // Cargo's own.
            ("--bench", _) => {}
            _ => return Err(word),
        }
    }
    if shows.is_empty() {
        shows = SHOWS.iter().collect();
    }
    Ok(Asked { sizes, shows })
}

/// Writes a result to `target/bench`.
fn write(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    fs::create_dir_all(&folder).expect("target/bench");
    let path = folder.join(name);
    fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
