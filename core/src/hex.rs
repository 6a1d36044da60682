//! A SHA-256 as text: 64 hex digits.

use core::fmt;

use crate::store::Digest;

/// Prints a digest in lower case.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a Digest);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads a digest of exactly 64 hex digits in upper or lower case; `None` for any other text.
pub fn parse(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, &[high, low]) in digest.iter_mut().zip(pairs) {
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(digest)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_printed_is_read_in_either_case() {
        let digest: Digest = core::array::from_fn(|i| u8::try_from(i * 8).unwrap());
        let text = Hex(&digest).to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(parse(&text), Some(digest));
        assert_eq!(parse(&text.to_uppercase()), Some(digest));
    }

    #[test]
    fn anything_but_64_digits_is_refused() {
        for text in [
            "",
            "00",
            &"0".repeat(63),
            &"0".repeat(65),
            &"0".repeat(66),
            &"g".repeat(64),
            &"+0".repeat(32),
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
