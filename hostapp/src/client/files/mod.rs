//! `hostapp send`, `get`, `ls`, `rm`.

mod sink;
pub(super) mod source;

use std::io::{self, Write};
use std::net::SocketAddr;
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
use r2_links::stdio::is_standard_output;
use serde_json::{Value, json};

use self::sink::Target;
use self::source::LocalFile;
use super::drive::{Client, Next, none};
use super::report::{Progress, Report};
use super::{Trouble, no_answer};
use crate::cli::upload_name;
use crate::host::Host;

const PORT: u16 = 5030;

/// How long a name may be busy: what a sender that was just killed has left with its kernel still arrives.
const BUSY_PATIENCE: Duration = Duration::from_secs(3);

/// Between two questions whether it still is.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Sends `file`, from where an earlier attempt was broken off. Where its name is busy, it asks again for 3 s.
pub(super) fn send(host: &Host, file: &Path, name: Option<Name>, report: Report) -> Result<(), Trouble> {
    let shown = file.display();
    let name = match name {
        Some(name) => name,
        None => own_name(file)?,
    };
    let waits = || report.tell(format_args!("{shown} has no length: it is read to its end first"));
    let mut source = LocalFile::open(file, waits)
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
        let mut client = Client::connect(host, PORT, session)?;
        let progress = report.progress(name.as_str(), source.length());
        client.drive(&mut source, none, |send| {
            progress.hashing(send.hashing());
            progress.reached(send.progress());
            next(send.outcome(), send.may_be_silent())
        })?;
        drop(progress);
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
    let session = client.session();
    let broken = session.is_wanted().then_some(GOES_ON);
    judge(
        session.outcome(),
        (client.server(), session.heard()),
        broken,
        || match source.error() {
            Some(error) => format!("{shown}: {error}; R2 keeps what it has for the next attempt"),
            None => format!("{shown} became shorter while it was sent; send it again"),
        },
    )?;
    let (bytes, sha256) = (source.length(), Hex(&source.sha256()).to_string());
    report.result(
        format_args!("Sent {shown}: {bytes} bytes, sha256 {sha256}, stored as {name}"),
        &json!({ "file": shown.to_string(), "name": name.as_str(), "bytes": bytes, "sha256": sha256 }),
    )
}

/// What a command waits for that has come to `outcome`, or to none yet.
fn next(outcome: &Outcome, may_be_silent: bool) -> Next {
    match outcome {
        Some(_) => Next::Done,
        None if may_be_silent => Next::Anytime,
        None => Next::Soon,
    }
}

/// The name under which `file` is stored where the user gives none.
fn own_name(file: &Path) -> Result<Name, Trouble> {
    if file == Path::new("-") {
        return Err(Trouble::usage(
            "standard input has no name: give it one with --as NAME",
        ));
    }
    file.file_name()
        .and_then(|name| name.to_str())
        .ok_or("that cannot be its name")
        .and_then(upload_name)
        .map_err(|why| Trouble::usage(format!("{}: {why}; name it with --as NAME", file.display())))
}

/// Gets the file `name` into `output`, from where an earlier attempt was broken off. Another file that is there stays, but for
/// `force`.
pub(super) fn get(
    host: &Host,
    name: &Name,
    output: Option<PathBuf>,
    force: bool,
    report: Report,
) -> Result<(), Trouble> {
    let output = output.unwrap_or_else(|| PathBuf::from(name.as_str()));
    if is_standard_output(&output) && report.json {
        return Err(Trouble::usage(
            "--json goes to standard output: put the file elsewhere with -o",
        ));
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
    let waits = || report.tell(format_args!("waiting until somebody reads {}", output.display()));
    let mut part = match Target::open(&output, force, waits).map_err(local)? {
        Target::Part(part) => part,
        Target::Through(mut through) => {
            return match fetch(host, name, &mut through, report)? {
                Fetched::Whole(file) => tell(&file, through.place(), report),
                Fetched::Stale(_) => Err(Trouble::failed(format!(
                    "what was written to {} does not add up to the SHA-256 that R2 told: get it again",
                    through.place()
                ))),
            };
        }
    };
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

fn fetch<S: Sink + LocalEnd>(
    host: &Host,
    name: &Name,
    sink: &mut S,
    report: Report,
) -> Result<Fetched, Trouble> {
    let held = sink.held();
    let mut client = Client::connect(host, PORT, Get::new(name.clone()))?;
    let progress = report.progress(name.as_str(), 0);
    client.drive(sink, none, |get| {
        progress.hashing(get.hashing());
        if let Some(file) = get.file() {
            progress.of(file.length);
            progress.reached(get.progress());
        }
        next(get.outcome(), get.may_be_silent())
    })?;
    drop(progress);
    let session = client.session();
    let outcome = session.outcome();
    let broken = session.file().map(|_| sink.after_a_break());
    let judged = judge(outcome, (client.server(), session.heard()), broken, || {
        sink.problem()
    });
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
trait LocalEnd {
    fn problem(&self) -> String;

    /// What to do when the connection broke.
    fn after_a_break(&self) -> &'static str;

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
pub(super) fn list(host: &Host, report: Report) -> Result<(), Trouble> {
    let progress = report.hashing("the list");
    let mut lines = Lines {
        progress: &progress,
        as_json: report.json,
        some: false,
        error: None,
    };
    let mut client = Client::connect(host, PORT, List::new())?;
    client.drive(&mut lines, none, |list| {
        progress.hashing(list.hashing());
        next(list.outcome(), list.may_be_silent())
    })?;
    let lost =
        |error: &io::Error| format!("standard output: {error}; ask again where there is room for the list");
    let session = client.session();
    let broken = lines.some.then_some("the list is not complete: ask again");
    judge(
        session.outcome(),
        (client.server(), session.heard()),
        broken,
        || lines.error.as_ref().map(lost).unwrap_or_default(),
    )
}

/// Prints each file as soon as R2 tells it: the next one may have to be hashed first.
struct Lines<'p> {
    progress: &'p Progress,
    as_json: bool,
    /// At least one has come.
    some: bool,
    error: Option<io::Error>,
}

impl Listing for Lines<'_> {
    fn entry(&mut self, file: &Entry) -> Result<(), LocalFailure> {
        self.some = true;
        // Standard output is flushed at the end of every line.
        let written = self.progress.hidden_while(|| {
            let mut out = io::stdout();
            if self.as_json {
                writeln!(out, "{}", in_json(file))
            } else {
                writeln!(out, "{} {} {}", file.name, file.length, Hex(&file.sha256))
            }
        });
        written.map_err(|error| {
            self.error = Some(error);
            LocalFailure
        })
    }
}

/// Deletes the file `name`.
pub(super) fn remove(host: &Host, name: &Name, report: Report) -> Result<(), Trouble> {
    let mut client = Client::connect(host, PORT, Remove::new(name.clone()))?;
    client.drive(&mut (), none, |remove| next(remove.outcome(), false))?;
    let session = client.session();
    judge(
        session.outcome(),
        (client.server(), session.heard()),
        None,
        String::new,
    )?;
    report.result(format_args!("Deleted {name}"), &json!({ "name": name.as_str() }))
}

/// What to do when a transfer broke that R2 had begun, and of which it, or this side, keeps what has come.
const GOES_ON: &str = "try again, it goes on where it was";

/// Whether the line is what R2 says while it works on an answer: it is there, and has not begun to answer.
fn is_at_work(line: &[u8]) -> bool {
    let words: [&[u8]; 3] = [b"* progress ", b"* hashing ", b"* waiting"];
    words.into_iter().any(|word| line.starts_with(word))
}

/// What an outcome of a talk with `server`, of which this was `heard` last, is to the user. When the connection `broke`
/// after R2 had begun to answer, that says what to do; before, nobody knows whether it is R2 at all.
fn judge(
    outcome: &Outcome,
    (server, heard): (SocketAddr, &[u8]),
    broke: Option<&str>,
    local: impl FnOnce() -> String,
) -> Result<(), Trouble> {
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
        Some(Err(Failure::Violation)) => return Err(no_answer(server, heard, "files")),
        Some(Err(Failure::Local)) => local(),
        Some(Err(Failure::Mismatch)) => {
            "the bytes that came do not add up to the SHA-256 that R2 told: nothing was kept, get it again"
                .to_owned()
        }
        Some(Err(Failure::Broken)) | None => match broke.or(is_at_work(heard).then_some("try again")) {
            Some(advice) => format!("the connection broke before the end: {advice}"),
            None => return Err(no_answer(server, heard, "files")),
        },
    };
    Err(Trouble::failed(line))
}
