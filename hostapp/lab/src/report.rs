//! Every experiment of the lab, and its transcripts, as one page of HTML and as PDF.

use std::fs;
use std::io;
use std::path::Path;

use super::account::{Account, Part};
use super::{Measure, WireOptions, html, pdf};

const TITLE: &str = "R2 and KALI: the lab";

/// The place of the socket calls: behind the transcript, 4a and 4b.
const CALLS: usize = 3;

/// Measures everything on `wire` and writes the report and its captures into `folder`, with `transcript` as its parts 1
/// to 3; what to tell of it.
pub fn write(folder: &Path, wire: &WireOptions, transcript: String) -> io::Result<String> {
    fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    let on_a_wire: [(&str, &str, Measure); 5] = [
        ("4a", "ports.pcap", super::ports),
        ("4b, parts 2 and 3 on the wire", "journey.pcap", super::journey),
        ("4e", "rtt.pcap", super::rtt),
        ("4f", "nagle.pcap", super::nagle),
        ("4g", "delayed-ack.pcap", super::delayed_ack),
    ];
    let played = vec![Part::Printed(transcript)];
    let mut accounts = vec![Account::new("Parts 1 to 3: chat, secret code, file", played)];
    for (question, pcap, measure) in on_a_wire {
        let mut account = measure(wire, Some(&folder.join(pcap)))?.account;
        account.title = format!("{question}: {}", account.title);
        account.parts.push(Part::Text(format!(
            "The frame numbers are those of {pcap}, beside this report."
        )));
        accounts.push(account);
    }
    let mut calls = super::syscalls()?.account;
    calls.title = format!("4c and 4d: {}", calls.title);
    accounts.insert(CALLS, calls);
    let lead = format!(
        "Everything here was measured by this run of hostapp {} lab report, with the seed {}: each figure and each frame \
         number is its own. Parts 1 to 3 are a transcript; the answers to part 4 follow, each with what was measured \
         and why theory says so.",
        env!("CARGO_PKG_VERSION"),
        wire.seed
    );
    let (page, paper) = (folder.join("report.html"), folder.join("report.pdf"));
    fs::write(&page, html::page(TITLE, &lead, &accounts)).map_err(|error| cannot_write(&page, &error))?;
    fs::write(&paper, pdf::document(TITLE, &lead, &accounts))
        .map_err(|error| cannot_write(&paper, &error))?;
    Ok(format!("Wrote {} and {}", page.display(), paper.display()))
}

fn cannot_write(path: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!(
        "cannot write {}: {error}; choose another folder with --output",
        path.display()
    ))
}
