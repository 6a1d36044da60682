//! `hostapp drop`.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use r2_core::client::drop::{Raw, Stream};
use r2_core::client::exchange::{Failure, LocalFailure};
use r2_core::hex::Hex;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::drive::{Client, Next, none};
use super::files::source::open;
use super::report::{Report, print};
use super::{Trouble, answered, endless};
use crate::host::Host;

const PORT: u16 = 5020;

/// Sends the bytes of `path`, `-` for standard input, as they come, half-closes, and prints the receipt. Who sends none, and
/// closes in order, has the bytes all the same.
pub(super) fn run(host: &Host, path: &Path, report: Report) -> Result<(), Trouble> {
    let shown = path.display();
    let waits = || {
        if path != Path::new("-") {
            report.tell(format_args!("waiting until somebody writes into {shown}"));
        }
    };
    let (file, found) = open(path, waits)
        .map_err(|error| Trouble::usage(format!("{shown}: {error}; name a file that can be read")))?;
    let mut stream = Hashed {
        file,
        hasher: Sha256::new(),
        error: None,
    };
    let mut client = Client::connect(host, PORT, Raw::new())?;
    let progress = report.progress(&shown.to_string(), found.len());
    client.drive(&mut stream, none, |raw| {
        progress.of(found.len().max(raw.sent()));
        progress.reached(raw.sent());
        match raw.outcome() {
            Some(_) => Next::Done,
            None => Next::Soon,
        }
    })?;
    drop(progress);
    let (server, raw) = (client.server(), client.session());
    let (bytes, sha256) = (raw.sent(), stream.hasher.finalize().into());
    let hash = Hex(&sha256);
    let in_json =
        |name| json!({ "file": shown.to_string(), "name": name, "bytes": bytes, "sha256": hash.to_string() });
    let line = match raw.outcome() {
        Some(Ok(Some(receipt))) => {
            let (name, length, stored) = (&receipt.name, receipt.length, Hex(&receipt.sha256));
            if !report.json {
                print(format_args!("stored {name} {length} bytes sha256 {stored}\n"))?;
            }
            if (length, receipt.sha256) == (bytes, sha256) {
                return report.result(
                    format_args!("Sent {shown}: {bytes} bytes, sha256 {hash}, stored as {name}"),
                    &in_json(Some(name.as_str())),
                );
            }
            format!(
                "the receipt differs: {bytes} bytes were sent, sha256 {hash}; \
                 {length} were stored as {name}, sha256 {stored}; send it again"
            )
        }
        Some(Ok(None)) => {
            let what = match answered(raw.heard()) {
                Some(answer) => format!("answered {answer}, which is no receipt"),
                None => "sent no receipt".to_owned(),
            };
            return report.result(
                format_args!(
                    "Sent {shown}: {bytes} bytes, sha256 {hash}; {server} {what}, so compare what is there"
                ),
                &in_json(None),
            );
        }
        Some(Err(Failure::Refused(why))) => format!(
            "R2 stored nothing as {}: {}; see hostapp ls, and what R2 says of its store",
            why.code(),
            why.text()
        ),
        Some(Err(Failure::Violation)) => return Err(endless(server, "raw uploads")),
        Some(Err(Failure::Local)) => {
            let why = stream.error.as_ref().map(ToString::to_string);
            format!(
                "{shown}: {}; what was sent is a part of it",
                why.unwrap_or_default()
            )
        }
        Some(Err(Failure::Broken | Failure::Mismatch)) | None => {
            return Err(client.broken("it ended before everything was sent, or its receipt came"));
        }
    };
    Err(Trouble::failed(line))
}

/// A file or a stream, and the SHA-256 of what was read of it.
struct Hashed {
    file: File,
    hasher: Sha256,
    error: Option<io::Error>,
}

impl Stream for Hashed {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, LocalFailure> {
        loop {
            match self.file.read(into) {
                Ok(read) => {
                    self.hasher.update(&into[..read]);
                    return Ok(read);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error = Some(error);
                    return Err(LocalFailure);
                }
            }
        }
    }
}
