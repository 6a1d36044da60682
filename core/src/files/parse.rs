//! A command line of the files protocol.

use crate::hex;
use crate::line::Line;
use crate::name::{self, Name};
use crate::store::Digest;

/// What a peer asks for. Names are as [`Name::parse`] takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'l> {
    /// `PUT <name> <length> [<sha256> [resume]]`
    Put {
        /// The final name, not a reserved one.
        name: &'l str,
        /// Length in bytes.
        length: u64,
        /// What they must add up to.
        sha256: Option<Digest>,
        /// Whether the peer waits for `SEND`, sends from there on, and then says nothing more.
        resumes: bool,
    },
    /// `GET <name> [<offset>]`
    Get {
        /// Which file.
        name: &'l str,
        /// From which byte on.
        offset: u64,
    },
    /// `LIST`
    List,
    /// `DEL <name>`
    Delete {
        /// Which file.
        name: &'l str,
    },
    /// `PROGRESS`
    Progress,
    /// `HELP`
    Help,
}

/// Why a line is no request. Always the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLine {
    /// It is longer than any request.
    TooLong,
    /// It begins with no command.
    NoCommand,
    /// It ends before the name.
    NoName,
    /// Its name is none.
    Name,
    /// Its name is one that R2 gives.
    Reserved,
    /// It ends before the length.
    NoLength,
    /// Its number is none.
    Number,
    /// Its length is beyond every file's.
    Length,
    /// Its offset is beyond every file's, or no number.
    Offset,
    /// Its SHA-256 is none.
    Sha256,
    /// It goes on behind the request.
    Word,
}

impl BadLine {
    /// `bad-name`, `bad-request` or `too-large`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Name | Self::Reserved => "bad-name",
            Self::Length => "too-large",
            _ => "bad-request",
        }
    }

    /// What is wrong, for a reader.
    pub const fn text(self) -> &'static str {
        match self {
            Self::TooLong => "the line is too long",
            Self::NoCommand => {
                "a command is PUT <name> <length> [<sha256>], GET <name> [<offset>], LIST or DEL <name>"
            }
            Self::NoName => "a name is missing",
            Self::Name => "a name is 1-64 of A-Z a-z 0-9 . _ - and does not begin with .",
            Self::Reserved => "drop-*, *.partial and *.unconfirmed are names that R2 gives",
            Self::NoLength => "PUT needs a length",
            Self::Number => "a number is written in decimal digits",
            Self::Length => "a length is less than 2^64",
            Self::Offset => "an offset is a decimal number, at most the file's length",
            Self::Sha256 => "a SHA-256 has 64 hex digits",
            Self::Word => "there is a word too many",
        }
    }
}

const PUT: &str = "PUT";

/// What a command begins with.
const VERBS: [&str; 6] = [PUT, "GET", "LIST", "DEL", "PROGRESS", "HELP"];

/// The longest of them, in bytes.
pub(super) const VERB_MAX: usize = "PROGRESS".len();

/// Reads a command line. Words are separated by blanks; verbs are upper case.
pub fn parse(line: Line<'_>) -> Result<Request<'_>, BadLine> {
    match line {
        // Its front need not be text: the line may have been cut inside a character.
        Line::TooLong(_) => Err(BadLine::TooLong),
        Line::Whole(bytes) => request(core::str::from_utf8(bytes).map_err(|_| BadLine::NoCommand)?),
    }
}

/// Whether bytes that begin with `front`, of [`VERB_MAX`] or all, begin like a command, or like an empty line.
pub(super) fn may_be_a_command(front: &[u8]) -> bool {
    let is_verb = |verb: &&str| front.starts_with(verb.as_bytes()) || verb.as_bytes().starts_with(front);
    front.first().is_some_and(u8::is_ascii_whitespace) || VERBS.iter().any(is_verb)
}

/// Whether a client meant `PUT`, also where it wrote it wrongly: bytes of a file may follow.
pub fn is_put(line: Line<'_>) -> bool {
    let (Line::Whole(bytes) | Line::TooLong(bytes)) = line;
    let front = bytes.trim_ascii_start().get(..PUT.len()).unwrap_or_default();
    front.eq_ignore_ascii_case(PUT.as_bytes())
}

fn request(text: &str) -> Result<Request<'_>, BadLine> {
    let mut words = text.split_ascii_whitespace();
    let request = match words.next() {
        Some(PUT) => Request::Put {
            name: put_name(words.next())?,
            length: number(words.next().ok_or(BadLine::NoLength)?)?,
            sha256: words.next().map(digest).transpose()?,
            resumes: words.next().map(resume).transpose()?.is_some(),
        },
        Some("GET") => Request::Get {
            name: name(words.next())?,
            offset: words.next().map_or(Ok(0), offset)?,
        },
        Some("LIST") => Request::List,
        Some("DEL") => Request::Delete {
            name: name(words.next())?,
        },
        Some("PROGRESS") => Request::Progress,
        Some("HELP") => Request::Help,
        _ => return Err(BadLine::NoCommand),
    };
    match words.next() {
        None => Ok(request),
        Some(_) => Err(BadLine::Word),
    }
}

fn name(word: Option<&str>) -> Result<&str, BadLine> {
    let word = word.ok_or(BadLine::NoName)?;
    if Name::parse(word).is_none() {
        return Err(BadLine::Name);
    }
    Ok(word)
}

fn put_name(word: Option<&str>) -> Result<&str, BadLine> {
    let word = name(word)?;
    if name::is_reserved(word) {
        return Err(BadLine::Reserved);
    }
    Ok(word)
}

fn number(word: &str) -> Result<u64, BadLine> {
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        word.parse().map_err(|_| BadLine::Length)
    } else {
        Err(BadLine::Number)
    }
}

/// An offset that no file reaches is wrong for every file.
fn offset(word: &str) -> Result<u64, BadLine> {
    number(word).map_err(|_| BadLine::Offset)
}

fn digest(word: &str) -> Result<Digest, BadLine> {
    hex::parse(word).ok_or(BadLine::Sha256)
}

fn resume(word: &str) -> Result<(), BadLine> {
    if word == "resume" {
        Ok(())
    } else {
        Err(BadLine::Word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &[u8]) -> &'static str {
        parse(Line::Whole(line)).unwrap_err().code()
    }

    #[test]
    fn every_verb_is_read() {
        let name = "a.b";
        let put = |length, sha256| Request::Put {
            name,
            length,
            sha256,
            resumes: false,
        };
        assert_eq!(parse(Line::Whole(b"PUT a.b 5")), Ok(put(5, None)));
        assert_eq!(
            parse(Line::Whole(b"PUT a.b 18446744073709551615")),
            Ok(put(u64::MAX, None))
        );
        let sha = "AB".repeat(32);
        let line = std::format!("PUT a.b 0 {sha}");
        assert_eq!(parse(Line::Whole(line.as_bytes())), Ok(put(0, Some([0xab; 32]))));
        let resumed = std::format!("{line} resume");
        assert!(matches!(
            parse(Line::Whole(resumed.as_bytes())),
            Ok(Request::Put { resumes: true, .. })
        ));
        let get = |offset| Request::Get { name, offset };
        assert_eq!(parse(Line::Whole(b"GET a.b")), Ok(get(0)));
        assert_eq!(parse(Line::Whole(b"GET a.b 7")), Ok(get(7)));
        assert_eq!(parse(Line::Whole(b"LIST")), Ok(Request::List));
        assert_eq!(parse(Line::Whole(b"DEL a.b")), Ok(Request::Delete { name }));
        assert_eq!(parse(Line::Whole(b"HELP")), Ok(Request::Help));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for line in [
            "",
            "list",
            "LIST x",
            "help",
            "HELP PUT",
            "GET",
            "GET a b",
            "GET a +1",
            "GET a 1 2",
            "GET a 18446744073709551616",
            "DEL",
            "DEL a b",
            "PUT a",
            "PUT a x",
            "PUT a 1 00",
            "PUT a 1 resume",
            "PUT a 1 abababababababababababababababababababababababababababababababab Resume",
            "\u{e4}",
        ] {
            assert_eq!(code(line.as_bytes()), "bad-request", "{line}");
        }
        for line in [
            "PUT ../a 5",
            "GET .a",
            "DEL a/b",
            "PUT drop-0001 5",
            "PUT a.partial 1",
            "PUT a.unconfirmed 1",
        ] {
            assert_eq!(code(line.as_bytes()), "bad-name", "{line}");
        }
        assert_eq!(code(b"PUT a 18446744073709551616"), "too-large");
        assert_eq!(code(b"\xff\xfe"), "bad-request");
    }

    #[test]
    fn behind_a_put_that_is_wrong_bytes_may_follow() {
        for line in [
            Line::Whole(b"PUT a"),
            Line::Whole(b"put a 5"),
            Line::TooLong(b"PUT aaaa"),
            Line::Whole(b" PUT"),
        ] {
            assert!(parse(line).is_err() && is_put(line), "{line:?}");
        }
        for line in [Line::Whole(b"GET"), Line::Whole(b""), Line::TooLong(b"xxxx")] {
            assert!(parse(line).is_err() && !is_put(line), "{line:?}");
        }
    }
}
