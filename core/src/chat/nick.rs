//! Names of people.

use core::fmt;
use core::ops::Deref;

use crate::limits::NICK_MAX;

/// A name that labels lines: 1–16 of `A-Z a-z 0-9 _ -`. It is shown as it was given and compared without case.
#[derive(Clone, Debug)]
pub struct Nick(heapless::String<NICK_MAX>);

impl Nick {
    /// Checks `text`; `None` where it is no name.
    pub fn parse(text: &str) -> Option<Self> {
        let clean = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if text.is_empty() || !clean {
            return None;
        }
        heapless::String::try_from(text).ok().map(Self)
    }
}

impl Deref for Nick {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Nick {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Nick {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_16_harmless_characters() {
        for good in ["R2", "KALI-2", "_", "abcdefghijklmnop"] {
            assert!(Nick::parse(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "R2:", "é", "abcdefghijklmnopq"] {
            assert!(Nick::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn names_are_compared_without_case() {
        assert_eq!(Nick::parse("Bob"), Nick::parse("bOB"));
    }
}
