//! Names of files: checked once, at the border, so that no store ever sees a path.

use core::fmt::{self, Write};

use crate::bug::OrBug;
use crate::limits::{NAME_MAX, NAME_WITH_ENDING_MAX};

/// The ending of an upload whose end was not seen.
pub const PARTIAL: &str = ".partial";
/// The ending of an upload whose receipt was not seen to arrive.
pub const UNCONFIRMED: &str = ".unconfirmed";
/// What the name of a numbered upload begins with.
pub const NUMBERED: &str = "drop-";

/// The name of a file: 1–64 of `A-Z a-z 0-9 . _ -`, not beginning with `.`, and perhaps [`PARTIAL`] or
/// [`UNCONFIRMED`] behind it. Names compare in the order of their bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(heapless::String<NAME_WITH_ENDING_MAX>);

impl Name {
    /// Checks `text`; `None` where it is no name.
    pub fn parse(text: &str) -> Option<Self> {
        let (stem, _) = split_ending(text);
        let fits = (1..=NAME_MAX).contains(&stem.len());
        let clean = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if !fits || !clean || text.starts_with('.') {
            return None;
        }
        heapless::String::try_from(text).ok().map(Self)
    }

    /// The name of the numbered upload `number`: `drop-` and at least four digits.
    pub fn numbered(number: u32) -> Self {
        let mut name = heapless::String::new();
        write!(name, "{NUMBERED}{number:04}").or_bug("the prefix and the ten digits of a u32 are 15 bytes");
        Self(name)
    }

    /// This name with an ending behind it, in place of the ending that it had.
    pub fn with_ending(&self, ending: &str) -> Self {
        let mut name = heapless::String::new();
        write!(name, "{}{ending}", self.stem()).or_bug(
            "a stem has at most NAME_MAX bytes, and both endings were counted in NAME_WITH_ENDING_MAX",
        );
        Self(name)
    }

    /// The name without [`PARTIAL`] or [`UNCONFIRMED`].
    pub fn stem(&self) -> &str {
        split_ending(&self.0).0
    }

    /// [`PARTIAL`], [`UNCONFIRMED`] or nothing.
    pub fn ending(&self) -> &str {
        split_ending(&self.0).1
    }

    /// The number of a numbered upload, whatever its ending; `None` for other names.
    pub fn number(&self) -> Option<u32> {
        let digits = self.stem().strip_prefix(NUMBERED)?;
        if digits.bytes().all(|b| b.is_ascii_digit()) {
            digits.parse().ok()
        } else {
            None
        }
    }

    /// Whether R2 gives this name itself, so that no peer may: `drop-*`, `*.partial`, `*.unconfirmed`.
    pub fn is_reserved(&self) -> bool {
        is_reserved(&self.0)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// [`Name::is_reserved`] of a name as text.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with(NUMBERED) || !split_ending(name).1.is_empty()
}

fn split_ending(text: &str) -> (&str, &str) {
    for ending in [PARTIAL, UNCONFIRMED] {
        if let Some(stem) = text.strip_suffix(ending)
            && !stem.is_empty()
        {
            return (stem, ending);
        }
    }
    (text, "")
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_no_names() {
        for text in [
            "",
            ".",
            "..",
            ".x",
            "a/b",
            "../a",
            "a\\b",
            "a b",
            "a\0",
            "ä",
            "a\n",
            "/etc/passwd",
        ] {
            assert_eq!(Name::parse(text), None, "{text:?}");
        }
        assert!(Name::parse(core::str::from_utf8(&[b'a'; 64]).unwrap()).is_some());
        assert!(Name::parse(core::str::from_utf8(&[b'a'; 65]).unwrap()).is_none());
    }

    #[test]
    fn endings_and_numbers_are_told_apart() {
        let name = Name::parse("drop-0041.unconfirmed").unwrap();
        assert_eq!(
            (name.stem(), name.ending(), name.number()),
            ("drop-0041", UNCONFIRMED, Some(41))
        );
        assert_eq!(name.with_ending(PARTIAL).as_str(), "drop-0041.partial");
        assert_eq!(Name::numbered(10_000).as_str(), "drop-10000");
        assert_eq!(Name::parse("drop-x").unwrap().number(), None);
        assert!(Name::parse("drop-x").unwrap().is_reserved());
        assert!(Name::parse("a.partial").unwrap().is_reserved());
        assert!(!Name::parse("partial").unwrap().is_reserved());
    }

    #[test]
    fn the_longest_name_takes_an_ending() {
        let name = Name::parse(core::str::from_utf8(&[b'a'; NAME_MAX]).unwrap()).unwrap();
        assert_eq!(
            Name::parse(name.with_ending(UNCONFIRMED).as_str()),
            Some(name.with_ending(UNCONFIRMED))
        );
    }
}
