//! `hostapp send`, `get`, `ls`, `rm`.

mod sink;
mod source;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use r2_core::client::exchange::{Failure, LocalFailure, Outcome};
use r2_core::client::get::{Get, Sink};
use r2_core::client::list::{List, Listing};
use r2_core::client::remove::Remove;
use r2_core::client::send::{Send, Source};
use r2_core::hex::Hex;
use r2_core::name::Name;
use r2_core::store::Entry;
use serde_json::{Value, json};

use self::sink::{PartFile, StandardOutput};
use self::source::LocalFile;
use super::Trouble;
use super::drive::{Client, none};
use super::report::Report;
use crate::cli::{Host, upload_name};

const PORT: u16 = 5030;

/// How long a name may be busy: what a sender that was just killed has left with its kernel still arrives.
const BUSY_PATIENCE: Duration = Duration::from_secs(3);

/// Between two questions whether it still is.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Sends `file`, from where an earlier attempt was broken off. Where its name is busy, it asks again for 3 s.
pub(super) fn send(host: Host, file: &Path, name: Option<Name>, report: Report) -> Result<(), Trouble> {
    let shown = file.display();
    let name = match name {
        Some(name) => name,
        None => file
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or("that cannot be its name")
            .and_then(upload_name)
            .map_err(|why| Trouble::usage(format!("{shown}: {why}; name it with --as NAME")))?,
    };
    let mut source = LocalFile::open(file)
        .map_err(|error| Trouble::usage(format!("{shown}: {error}; name a file that can be read")))?;
    let started = Instant::now();
    // An R2 older than the word `resume` refuses it.
    let mut knows_resume = true;
    let client = loop {
        let session = if knows_resume {
            Send::new(name.clone())
        } else {
            Send::without_resume(name.clone())
        };
        let mut client = Client::connect(host.service(PORT), session)?;
        let progress = report.progress(name.as_str(), source.length());
        client.drive(&mut source, none, |send| {
            progress.reached(send.progress());
            send.outcome().is_some()
        })?;
        match client.session().outcome() {
            Some(Err(Failure::Refused(why))) if why.code() == "busy" && started.elapsed() < BUSY_PATIENCE => {
                thread::sleep(BUSY_PAUSE);
            }
            Some(Err(Failure::Refused(why))) if why.code() == "bad-request" && knows_resume => {
                knows_resume = false;
            }
            _ => break client,
        }
    };
    judge(client.session().outcome(), || match source.error() {
        Some(error) => format!("{shown}: {error}; R2 keeps what it has for the next attempt"),
        None => format!("{shown} became shorter while it was sent; send it again"),
    })?;
    let (bytes, sha256) = (source.length(), Hex(&source.sha256()).to_string());
    report.result(
        format_args!("Sent {shown}: {bytes} bytes, sha256 {sha256}, stored as {name}"),
        &json!({ "file": shown.to_string(), "name": name.as_str(), "bytes": bytes, "sha256": sha256 }),
    )
}

/// Gets the file `name` into `output`, from where an earlier attempt was broken off.
pub(super) fn get(host: Host, name: &Name, output: Option<PathBuf>, report: Report) -> Result<(), Trouble> {
    let output = output.unwrap_or_else(|| PathBuf::from(name.as_str()));
    if output.as_os_str() == "-" {
        if report.json {
            return Err(Trouble::usage(
                "--json goes to standard output: put the file elsewhere with -o",
            ));
        }
        let mut out = StandardOutput::new();
        let got = fetch(host, name, &mut out, report);
        return got.and_then(|file| match file {
            Fetched::Whole(file) => tell(&file, "standard output", report),
            Fetched::Stale(trouble) => Err(trouble),
        });
    }
    let output = if output.is_dir() {
        output.join(name.as_str())
    } else {
        output
    };
    let local = |error: io::Error| {
        Trouble::failed(format!(
            "{}: {error}; name another place with -o",
            output.display()
        ))
    };
    let mut part = PartFile::open(&output).map_err(local)?;
    let file = match fetch(host, name, &mut part, report)? {
        Fetched::Whole(file) => file,
        // What was here is no part of what is there now: once more, from the beginning.
        Fetched::Stale(_) => {
            part.clear().map_err(local)?;
            match fetch(host, name, &mut part, report)? {
                Fetched::Whole(file) => file,
                Fetched::Stale(trouble) => return Err(trouble),
            }
        }
    };
    part.keep().map_err(local)?;
    tell(&file, &output.display().to_string(), report)
}

enum Fetched {
    Whole(Entry),
    /// Perhaps for no other reason than what was held before.
    Stale(Trouble),
}

fn fetch<S: Sink + Local>(host: Host, name: &Name, sink: &mut S, report: Report) -> Result<Fetched, Trouble> {
    let held = sink.held();
    let mut client = Client::connect(host.service(PORT), Get::new(name.clone()))?;
    let progress = report.progress(name.as_str(), 0);
    client.drive(sink, none, |get| {
        if let Some(file) = get.file() {
            progress.of(file.length);
            progress.reached(get.progress());
        }
        get.outcome().is_some()
    })?;
    drop(progress);
    let outcome = client.session().outcome();
    let judged = judge(outcome, || sink.problem());
    match (judged, outcome, client.session().file()) {
        (Ok(()), _, Some(file)) => Ok(Fetched::Whole(file.clone())),
        (Ok(()), _, None) => Err(client.broken("no file came")),
        (Err(trouble), Some(Err(Failure::Mismatch)), _) => {
            // Whatever these bytes are, nothing can be made of them.
            sink.forget();
            Ok(Fetched::Stale(trouble))
        }
        (Err(trouble), Some(Err(Failure::Refused(why))), _) if held > 0 && why.code() == "bad-request" => {
            Ok(Fetched::Stale(trouble))
        }
        (Err(trouble), _, _) => Err(trouble),
    }
}

/// Where bytes go on this side, and what went wrong there.
trait Local {
    fn problem(&self) -> String;

    fn forget(&mut self) {}
}

fn tell(file: &Entry, place: &str, report: Report) -> Result<(), Trouble> {
    let (name, bytes, sha256) = (&file.name, file.length, Hex(&file.sha256));
    let mut json = in_json(file);
    json["file"] = place.into();
    report.result(
        format_args!("Got {name}: {bytes} bytes, sha256 {sha256}, in {place}"),
        &json,
    )
}

fn in_json(file: &Entry) -> Value {
    json!({ "name": file.name.as_str(), "bytes": file.length, "sha256": Hex(&file.sha256).to_string() })
}

/// Prints `name length sha256` for every file, or the same as JSON.
pub(super) fn list(host: Host, as_json: bool) -> Result<(), Trouble> {
    let mut lines = Lines {
        out: io::BufWriter::new(io::stdout()),
        as_json,
        error: None,
    };
    let mut client = Client::connect(host.service(PORT), List::new())?;
    client.drive(&mut lines, none, |list| list.outcome().is_some())?;
    let flushed = lines.out.flush();
    let lost =
        |error: &io::Error| format!("standard output: {error}; ask again where there is room for the list");
    judge(client.session().outcome(), || {
        lines.error.as_ref().map(lost).unwrap_or_default()
    })?;
    flushed.map_err(|error| Trouble::failed(lost(&error)))
}

struct Lines {
    out: io::BufWriter<io::Stdout>,
    as_json: bool,
    error: Option<io::Error>,
}

impl Listing for Lines {
    fn entry(&mut self, file: &Entry) -> Result<(), LocalFailure> {
        let written = if self.as_json {
            writeln!(self.out, "{}", in_json(file))
        } else {
            writeln!(self.out, "{} {} {}", file.name, file.length, Hex(&file.sha256))
        };
        written.map_err(|error| {
            self.error = Some(error);
            LocalFailure
        })
    }
}

/// Deletes the file `name`.
pub(super) fn remove(host: Host, name: &Name, report: Report) -> Result<(), Trouble> {
    let mut client = Client::connect(host.service(PORT), Remove::new(name.clone()))?;
    client.drive(&mut (), none, |remove| remove.outcome().is_some())?;
    judge(client.session().outcome(), String::new)?;
    report.result(format_args!("Deleted {name}"), &json!({ "name": name.as_str() }))
}

/// What an outcome is to the user.
fn judge(outcome: &Outcome, local: impl FnOnce() -> String) -> Result<(), Trouble> {
    let line = match outcome {
        Some(Ok(())) => return Ok(()),
        Some(Err(Failure::Refused(why))) => {
            let hint = match why.code() {
                "not-found" => "; hostapp ls shows what there is",
                "no-space" => "; delete something with hostapp rm",
                "busy" => "; try again when that is done",
                "mismatch" => "; send it again",
                "too-large" => "; serve with a larger --max-file",
                "bad-name" => "; use another name",
                "io" => "; see what R2 says of its disk, then try again",
                _ => "; is that R2 as old or as new as this program?",
            };
            let text = if why.text().is_empty() {
                why.code()
            } else {
                why.text()
            };
            format!("R2 refused: {text}{hint}")
        }
        Some(Err(Failure::Violation)) => "this is no answer of R2's: is that its files service?".to_owned(),
        Some(Err(Failure::Local)) => local(),
        Some(Err(Failure::Mismatch)) => {
            "the bytes that came do not add up to the SHA-256 that R2 told: nothing was kept, get it again"
                .to_owned()
        }
        Some(Err(Failure::Broken)) | None => {
            "the connection broke before the end: try again, it goes on where it was".to_owned()
        }
    };
    Err(Trouble::failed(line))
}
