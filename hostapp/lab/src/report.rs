//! The lab's submission: parts 1 to 3, every experiment and the code, as one page of HTML and as PDF.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::account::Part;
use super::played::{self, Played};
use super::{Measure, WireOptions, code, html, pdf};

const TITLE: &str = "R2 and KALI: the lab";

/// The place of the socket calls: behind parts 1 to 3, 4a and 4b.
const CALLS: usize = 3;
/// That of 4b among what is measured on a wire: the code is shown there.
const JOURNEY: &str = "journey.pcap";

/// Measures everything on `wire` and writes the report and its captures into `folder`, with what was `played` as its
/// parts 1 to 3; what to tell of it.
pub fn write(folder: &Path, wire: &WireOptions, author: Option<&str>, played: &Played) -> io::Result<String> {
    fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    let on_a_wire: [(&str, &str, Measure); 5] = [
        ("4a", "ports.pcap", super::ports),
        ("4b, parts 2 and 3 on the wire", JOURNEY, super::journey),
        ("4e", "rtt.pcap", super::rtt),
        ("4f", "nagle.pcap", super::nagle),
        ("4g", "delayed-ack.pcap", super::delayed_ack),
    ];
    let mut accounts = vec![played::tell(played)];
    for (question, pcap, measure) in on_a_wire {
        let mut account = measure(wire, Some(&folder.join(pcap)))?.account;
        account.title = format!("{question}: {}", account.title);
        account.parts.push(Part::Text(format!(
            "The frame numbers are those of {pcap}, beside this report."
        )));
        if pcap == JOURNEY {
            account.parts.extend(code::parts());
        }
        accounts.push(account);
    }
    let mut calls = super::syscalls()?.account;
    calls.title = format!("4c and 4d: {}", calls.title);
    accounts.insert(CALLS, calls);
    let lead = format!(
        "{}{}, on {}. All figures and frame numbers come from this run of hostapp {} lab report, with the seed {}. Parts 1 to 3 \
         come first; the answers to part 4 follow, each with what was measured and why theory says so.",
        author.map_or(String::new(), |author| format!("{author}, ")),
        date(SystemTime::now()),
        machine(),
        env!("CARGO_PKG_VERSION"),
        wire.seed
    );
    let (page, paper) = (folder.join("report.html"), folder.join("report.pdf"));
    fs::write(&page, html::page(TITLE, &lead, &accounts)).map_err(|error| cannot_write(&page, &error))?;
    fs::write(&paper, pdf::document(TITLE, &lead, &accounts))
        .map_err(|error| cannot_write(&paper, &error))?;
    Ok(format!("Wrote {} and {}", page.display(), paper.display()))
}

/// The day in UTC, such as 2026-11-28.
fn date(now: SystemTime) -> String {
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let (mut day, mut year, mut month) = (since.as_secs() / 86_400, 1970, 0);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        month += 1;
        if day < length {
            break;
        }
        day -= length;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

/// The name of this machine and its kernel, as far as it tells.
fn machine() -> String {
    let [host, kernel, release] = ["hostname", "ostype", "osrelease"].map(|name| {
        let text = fs::read_to_string(Path::new("/proc/sys/kernel").join(name));
        text.map_or(String::new(), |text| text.trim().to_owned())
    });
    if host.is_empty() {
        return format!("a machine with {}", std::env::consts::OS);
    }
    format!("{host} ({kernel} {release})")
}

fn cannot_write(path: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!(
        "cannot write {}: {error}; choose another folder with --output",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_that_of_the_calendar() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_735_603_199, "2024-12-30"),
            (1_735_689_599, "2024-12-31"),
            (1_735_689_600, "2025-01-01"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), day);
        }
    }
}
