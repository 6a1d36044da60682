//! One command of the files service as its client sees it: ask, read answers, come to an outcome.

use core::fmt::{self, Write};

use crate::bug::OrBug;
use crate::hex;
use crate::limits::{FILES_ANSWER_MAX, FILES_LINE_MAX};
use crate::line::{Line, LineReader};
use crate::name::Name;
use crate::outbox::Outbox;
use crate::session::Wants;
use crate::store::Entry;

/// What stands between the words of an answer: a set of one, since the search for a single `char` has a panic path.
pub(super) const BLANK: [char; 1] = [' '];

/// What R2 said behind `ERROR `: a code word and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(heapless::String<FILES_ANSWER_MAX>);

impl Refusal {
    /// The code word: `not-found`, `no-space`, …
    pub fn code(&self) -> &str {
        self.0.split_once(BLANK).map_or(self.0.as_str(), |(code, _)| code)
    }

    /// What it means, for a reader. May be empty.
    pub fn text(&self) -> &str {
        self.0.split_once(BLANK).map_or("", |(_, text)| text)
    }
}

/// Why a command did not succeed, by whose fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// R2 said no.
    Refused(Refusal),
    /// The connection ended before the answer was complete.
    Broken,
    /// What came is no answer of the files service, or not to what was asked.
    Violation,
    /// The file on this side failed; its owner knows how.
    Local,
    /// All bytes came, and they do not add up to the SHA-256 that R2 announced.
    Mismatch,
}

/// A file on this side failed. Who owns it keeps the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalFailure;

/// How a command ended; `None` while it has not.
pub type Outcome = Option<Result<(), Failure>>;

/// A line that R2 answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Send(u64),
    Stored(Entry),
    File(Entry),
    Deleted(Name),
    Listed(Entry),
    End,
    Error(Refusal),
}

/// What the other side tells of its work on the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    /// Nothing: it was not asked, or has answered.
    #[default]
    None,
    /// It was asked to tell; the answer to that is still to come.
    Asked,
    /// It is older than that: it says nothing while it works.
    Refused,
    /// It tells.
    Told,
    /// It has hashed so much of a file, in percent.
    Hashing(u8),
}

/// The command on its way out, the answer lines on their way in.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    outbox: Outbox<FILES_LINE_MAX>,
    line: LineReader<FILES_ANSWER_MAX>,
    progress: Progress,
    /// The line is complete, and was looked at.
    line_is_old: bool,
    outcome: Outcome,
}

impl Exchange {
    /// Places the command line, once.
    pub(super) fn ask(&mut self, command: fmt::Arguments<'_>) {
        self.outbox
            .write_fmt(command)
            .or_bug("FILES_LINE_MAX holds the longest command");
    }

    /// Places the command line, once, and asks R2 to say from time to time that it works on the answer.
    ///
    /// A server that is older than `PROGRESS` refuses that word and does what follows it all the same.
    pub(super) fn ask_patiently(&mut self, command: fmt::Arguments<'_>) {
        self.progress = Progress::Asked;
        self.ask(format_args!("PROGRESS\n{command}"));
    }

    pub(super) fn transmit(&mut self, tx: &mut [u8]) -> usize {
        self.outbox.drain_into(tx)
    }

    /// Takes bytes up to the end of a line. A complete one is returned, or ends the exchange if it is an error or
    /// nothing that R2 says; one about R2's progress is heard and forgotten. After the end every byte is taken and nothing returned.
    pub(super) fn receive(&mut self, rx: &[u8]) -> (usize, Option<Answer>) {
        if self.outcome.is_some() {
            return (rx.len(), None);
        }
        if self.line_is_old && !rx.is_empty() {
            self.line.clear();
            self.line_is_old = false;
        }
        let (taken, complete) = self.line.take(rx);
        // One that is too long is no answer, and need not end.
        if !complete && matches!(self.line.line(), Line::Whole(_)) {
            return (taken, None);
        }
        self.line_is_old = true;
        let line = self.line.line();
        if let Line::Whole(bytes) = line
            && bytes.starts_with(b"* ")
        {
            self.progress = percent(bytes).map_or(Progress::Told, Progress::Hashing);
            return (taken, None);
        }
        let was = self.progress;
        if was != Progress::Refused {
            self.progress = Progress::None;
        }
        match read(line) {
            Some(Answer::Error(why)) if was == Progress::Asked && why.code() == "bad-request" => {
                self.progress = Progress::Refused;
            }
            Some(Answer::Error(why)) => self.end(Err(Failure::Refused(why))),
            None => self.end(Err(Failure::Violation)),
            answer => return (taken, answer),
        }
        (taken, None)
    }

    /// How much of a file the other side has hashed, in percent; `None` while it does not say.
    pub(super) const fn hashing(&self) -> Option<u8> {
        match self.progress {
            Progress::Hashing(percent) => Some(percent),
            _ => None,
        }
    }

    /// Whether the other side may work on an answer for long without a word, as it does not tell of its progress.
    pub(super) const fn may_be_silent(&self) -> bool {
        matches!(self.progress, Progress::Refused)
    }

    /// What has come of the line that came last, as it came, for who wants to know what answered.
    pub(super) fn heard(&self) -> &[u8] {
        let (Line::Whole(line) | Line::TooLong(line)) = self.line.line();
        line
    }

    /// Keeps the first outcome.
    pub(super) fn end(&mut self, outcome: Result<(), Failure>) {
        self.outcome.get_or_insert(outcome);
    }

    pub(super) const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    pub(super) const fn wants(&self) -> Wants {
        match self.outcome {
            None => Wants::Nothing,
            Some(Err(Failure::Violation | Failure::Local)) => Wants::Abort,
            Some(_) => Wants::Close,
        }
    }
}

/// The percentage of a line that tells how far a hash is.
fn percent(line: &[u8]) -> Option<u8> {
    let percent = line.strip_prefix(b"* hashing ")?.strip_suffix(b" %")?;
    let percent = core::str::from_utf8(percent).ok()?.parse().ok()?;
    (percent <= 100).then_some(percent)
}

/// `None` for a line that R2 never says.
fn read(line: Line<'_>) -> Option<Answer> {
    let Line::Whole(bytes) = line else {
        return None;
    };
    let text = core::str::from_utf8(bytes).ok()?;
    if text == "END" {
        return Some(Answer::End);
    }
    // An entry first: a file may be called ERROR.
    if let Some(entry) = entry(text.split(BLANK)) {
        return Some(Answer::Listed(entry));
    }
    let (word, rest) = text.split_once(BLANK)?;
    match word {
        "SEND" => rest.parse().ok().map(Answer::Send),
        "STORED" => entry(rest.split(BLANK)).map(Answer::Stored),
        "FILE" => entry(rest.split(BLANK)).map(Answer::File),
        "DELETED" => Name::parse(rest).map(Answer::Deleted),
        "ERROR" => Some(Answer::Error(refusal(rest))),
        _ => None,
    }
}

/// Only printable ASCII reaches the reader's terminal.
pub(super) fn refusal(said: &str) -> Refusal {
    let printable = said
        .chars()
        .map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
    let mut kept = heapless::String::new();
    for c in printable {
        kept.push(c)
            .or_bug("it is no longer than the line that it came in");
    }
    Refusal(kept)
}

/// A file of its name, its length and its SHA-256, and nothing behind.
pub(super) fn entry<'t>(mut words: impl Iterator<Item = &'t str>) -> Option<Entry> {
    let entry = Entry {
        name: Name::parse(words.next()?)?,
        length: words.next()?.parse().ok()?,
        sha256: hex::parse(words.next()?)?,
    };
    words.next().is_none().then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hears(exchange: &mut Exchange, line: &str) -> (Option<u8>, bool) {
        let (taken, answer) = exchange.receive(line.as_bytes());
        assert_eq!((taken, answer), (line.len(), None), "{line}");
        (exchange.hashing(), exchange.may_be_silent())
    }

    #[test]
    fn a_server_that_tells_how_far_it_is_may_not_be_silent() {
        let mut exchange = Exchange::default();
        exchange.ask_patiently(format_args!("LIST\n"));
        for (line, hashing) in [
            ("* progress every 5 s\n", None),
            ("* hashing 0 %\n", Some(0)),
            ("* hashing 100 %\r\n", Some(100)),
            ("* waiting\n", None),
            ("* hashing 7 %\n", Some(7)),
            ("* hashing 101 %\n", None),
            ("* hashing\n", None),
            ("* hashing  %\n", None),
            ("* hashing -1 %\n", None),
            ("* hashing 12 %\n", Some(12)),
        ] {
            assert_eq!(hears(&mut exchange, line), (hashing, false), "{line}");
        }
        assert_eq!(exchange.receive(b"END\n").1, Some(Answer::End));
        assert_eq!(exchange.hashing(), None, "it has answered");
    }

    #[test]
    fn a_server_that_does_not_know_progress_may_be_silent_to_the_end() {
        let mut exchange = Exchange::default();
        exchange.ask_patiently(format_args!("LIST\n"));
        assert!(
            !exchange.may_be_silent(),
            "whoever it is, it has to answer at once"
        );
        let refused = "ERROR bad-request no such command\n";
        assert_eq!(hears(&mut exchange, refused), (None, true));
        let listed = std::format!("x 1 {:064}\n", 0);
        assert!(exchange.receive(listed.as_bytes()).1.is_some());
        assert!(exchange.may_be_silent(), "the next file may take as long");
        assert_eq!(hears(&mut exchange, refused), (None, true));
        let refusal = exchange.outcome().as_ref().unwrap();
        assert!(matches!(refusal, Err(Failure::Refused(_))), "once is enough");
    }
}
