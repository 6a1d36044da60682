//! `hostapp send`, `get`, `ls`, `rm`.

mod sink;
mod source;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use r2_core::client::exchange::{Failure, LocalFailure, Outcome};
use r2_core::client::get::{Get, Sink};
use r2_core::client::list::{List, Listing};
use r2_core::client::remove::Remove;
use r2_core::client::send::{Send, Source};
use r2_core::hex::Hex;
use r2_core::name::Name;
use r2_core::store::Entry;

use self::sink::{PartFile, StandardOutput};
use self::source::LocalFile;
use super::Trouble;
use super::drive::{Client, none};
use crate::cli::{Host, upload_name};

const PORT: u16 = 5030;

/// Sends `file`, from where an earlier attempt was broken off.
pub(super) fn send(host: Host, file: &Path, name: Option<Name>) -> Result<(), Trouble> {
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
        .map_err(|error| Trouble::usage(format!("{shown}: {error}; nothing was sent")))?;
    let mut client = Client::connect(host.service(PORT), Send::new(name.clone()))?;
    client.drive(&mut source, none, |send| send.outcome().is_some())?;
    judge(client.session().outcome(), || match source.error() {
        Some(error) => format!("{shown}: {error}; R2 keeps what it has for the next attempt"),
        None => format!("{shown} became shorter while it was sent; send it again"),
    })?;
    eprintln!(
        "Sent {shown}: {} bytes, sha256 {}, stored as {name}",
        source.length(),
        Hex(&source.sha256())
    );
    Ok(())
}

/// Gets the file `name` into `output`, from where an earlier attempt was broken off.
pub(super) fn get(host: Host, name: &Name, output: Option<PathBuf>) -> Result<(), Trouble> {
    let output = output.unwrap_or_else(|| PathBuf::from(name.as_str()));
    if output.as_os_str() == "-" {
        let mut out = StandardOutput::new();
        let got = fetch(host, name, &mut out);
        return got.and_then(|file| match file {
            Fetched::Whole(file) => told(&file, "standard output"),
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
    let file = match fetch(host, name, &mut part)? {
        Fetched::Whole(file) => file,
        // What was here is no part of what is there now: once more, from the beginning.
        Fetched::Stale(_) => {
            part.clear().map_err(local)?;
            match fetch(host, name, &mut part)? {
                Fetched::Whole(file) => file,
                Fetched::Stale(trouble) => return Err(trouble),
            }
        }
    };
    part.keep().map_err(local)?;
    told(&file, &output.display().to_string())
}

enum Fetched {
    Whole(Entry),
    /// Perhaps for no other reason than what was held before.
    Stale(Trouble),
}

fn fetch<S: Sink + Local>(host: Host, name: &Name, sink: &mut S) -> Result<Fetched, Trouble> {
    let held = sink.held();
    let mut client = Client::connect(host.service(PORT), Get::new(name.clone()))?;
    client.drive(sink, none, |get| get.outcome().is_some())?;
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

fn told(file: &Entry, place: &str) -> Result<(), Trouble> {
    eprintln!(
        "Got {}: {} bytes, sha256 {}, in {place}",
        file.name,
        file.length,
        Hex(&file.sha256)
    );
    Ok(())
}

/// Prints `name length sha256` for every file.
pub(super) fn list(host: Host) -> Result<(), Trouble> {
    let mut lines = Lines(io::BufWriter::new(io::stdout()), None);
    let mut client = Client::connect(host.service(PORT), List::new())?;
    client.drive(&mut lines, none, |list| list.outcome().is_some())?;
    let flushed = lines.0.flush();
    judge(client.session().outcome(), || match &lines.1 {
        Some(error) => format!("standard output: {error}"),
        None => "standard output failed".to_owned(),
    })?;
    flushed.map_err(|error| Trouble::failed(format!("standard output: {error}")))
}

struct Lines(io::BufWriter<io::Stdout>, Option<io::Error>);

impl Listing for Lines {
    fn entry(&mut self, file: &Entry) -> Result<(), LocalFailure> {
        writeln!(self.0, "{} {} {}", file.name, file.length, Hex(&file.sha256)).map_err(|error| {
            self.1 = Some(error);
            LocalFailure
        })
    }
}

/// Deletes the file `name`.
pub(super) fn remove(host: Host, name: &Name) -> Result<(), Trouble> {
    let mut client = Client::connect(host.service(PORT), Remove::new(name.clone()))?;
    client.drive(&mut (), none, |remove| remove.outcome().is_some())?;
    judge(client.session().outcome(), String::new)?;
    eprintln!("Deleted {name}");
    Ok(())
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
                _ => "",
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
