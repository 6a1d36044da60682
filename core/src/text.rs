//! Text of a peer, made safe for anybody's terminal.

use core::str;

use crate::bug::OrBug;

/// What stands for bytes that are not UTF-8.
const REPLACEMENT: &str = "\u{FFFD}";

/// Turns bytes that arrive in pieces of any size into clean text: valid UTF-8 without control characters.
///
/// Removed are C0 (but TAB), DEL, C1, the bidi controls, and the line and paragraph separators. What is not UTF-8 becomes U+FFFD, one for each maximal
/// part of a character (as the WHATWG decoder and `String::from_utf8_lossy` do). Line endings are C0 too: split
/// lines before, and call [`finish`](Self::finish) where one ends.
#[derive(Clone, Debug, Default)]
pub struct Cleaner {
    /// The front of a character whose other bytes have not arrived.
    held: heapless::Vec<u8, 4>,
}

impl Cleaner {
    /// A cleaner that has seen nothing.
    pub const fn new() -> Self {
        Self {
            held: heapless::Vec::new(),
        }
    }

    /// Takes all of `bytes` and hands on the text that they complete, in runs that are never empty. The front of a
    /// character is held until the rest of it arrives.
    ///
    /// The text has at most three bytes for each byte taken now or held before.
    pub fn clean(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        let mut rest = self.complete(bytes, &mut each);
        loop {
            let error = match str::from_utf8(rest) {
                Ok(text) => return hand_on(text, &mut each),
                Err(error) => error,
            };
            let (valid, invalid) = rest
                .split_at_checked(error.valid_up_to())
                .or_bug("what is valid is a front of it");
            hand_on(str::from_utf8(valid).or_bug("it was found valid"), &mut each);
            let Some(length) = error.error_len() else {
                self.held
                    .extend_from_slice(invalid)
                    .or_bug("the front of a character has at most three bytes");
                return;
            };
            each(REPLACEMENT);
            rest = invalid.get(length..).or_bug("what is invalid is a front of it");
        }
    }

    /// Nothing follows: what is held of a character will never be one.
    pub fn finish(&mut self, mut each: impl FnMut(&str)) {
        if !self.held.is_empty() {
            self.held.clear();
            each(REPLACEMENT);
        }
    }

    /// Brings the held character to its end with bytes from the front of `bytes`; returns those behind it.
    fn complete<'b>(&mut self, mut bytes: &'b [u8], each: &mut impl FnMut(&str)) -> &'b [u8] {
        while !self.held.is_empty()
            && let Some((byte, behind)) = bytes.split_first()
        {
            self.held
                .push(*byte)
                .or_bug("the front of a character has at most three bytes");
            match str::from_utf8(&self.held) {
                Ok(text) => hand_on(text, each),
                Err(error) if error.error_len().is_none() => {
                    bytes = behind;
                    continue;
                }
                Err(_) => {
                    // This byte does not belong to the character: it begins something else.
                    each(REPLACEMENT);
                    self.held.clear();
                    return bytes;
                }
            }
            self.held.clear();
            bytes = behind;
        }
        bytes
    }
}

/// Hands on `text` without the characters that drive terminals: whole where it has none but ASCII, else by character.
fn hand_on(text: &str, each: &mut impl FnMut(&str)) {
    if text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        if !text.is_empty() {
            each(text);
        }
    } else {
        for c in text.chars().filter(|c| !is_removed(*c)) {
            each(c.encode_utf8(&mut [0; 4]));
        }
    }
}

/// Whether a character never reaches a terminal: it controls it, turns the text around, or begins a line of its own.
fn is_removed(c: char) -> bool {
    match c {
        '\t' => false,
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => true,
        // The category Cc: C0, DEL and C1.
        _ => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    fn cleaned<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> String {
        let mut cleaner = Cleaner::new();
        let mut text = String::new();
        for piece in pieces {
            cleaner.clean(piece, |run| {
                assert!(!run.is_empty());
                text.push_str(run);
            });
        }
        cleaner.finish(|run| text.push_str(run));
        text
    }

    #[test]
    fn a_character_whose_bytes_arrive_apart_is_whole() {
        assert_eq!(cleaned([&b"\xF0"[..], b"\x9F\x98", b"\x80!"]), "😀!");
    }

    #[test]
    fn an_invalid_byte_is_replaced_and_what_follows_it_is_kept() {
        assert_eq!(cleaned([&b"a\xFFb"[..]]), "a\u{FFFD}b");
        assert_eq!(cleaned([&b"\xF0\x9F"[..], b"A"]), "\u{FFFD}A");
        assert_eq!(cleaned([&b"\xE2\x82"[..]]), "\u{FFFD}");
    }

    #[test]
    fn nothing_that_drives_a_terminal_gets_through() {
        assert_eq!(cleaned([&b"\x1B[2J\x07\ttab\x7F\r"[..]]), "[2J\ttab");
        assert_eq!(cleaned(["\u{9B}31m\u{85}".as_bytes()]), "31m");
        assert_eq!(
            cleaned(["\u{202E}\u{2066}\u{200F}\u{61C}\u{200D}".as_bytes()]),
            "\u{200D}"
        );
        assert_eq!(cleaned(["a\u{2028}R2: b\u{2029}c".as_bytes()]), "aR2: bc");
    }

    /// Bytes in which characters, halves of characters and controls are frequent.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<char>().prop_map(|c| String::from(c).into_bytes()),
            "[ -~\t\r\u{7F}-\u{9F}\u{61C}\u{200D}-\u{200F}\u{2027}-\u{202F}\u{2065}-\u{206A}]"
                .prop_map(String::into_bytes),
            any::<u8>().prop_map(|byte| Vec::from([byte])),
            (any::<char>(), 0..4usize).prop_map(|(c, n)| String::from(c).bytes().take(n).collect()),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_pieces_give_the_lossy_text_without_controls(bytes in bytes(), sizes in proptest::collection::vec(1..6usize, 200)) {
            let mut expected = String::from_utf8_lossy(&bytes).into_owned();
            expected.retain(|c| !is_removed(c));
            prop_assert_eq!(cleaned([&bytes[..]]), &expected[..]);
            let mut rest = &bytes[..];
            let pieces = sizes.into_iter().map_while(|size| {
                let (piece, behind) = rest.split_at(size.min(rest.len()));
                rest = behind;
                (!piece.is_empty()).then_some(piece)
            });
            prop_assert_eq!(cleaned(pieces), expected);
        }
    }
}
