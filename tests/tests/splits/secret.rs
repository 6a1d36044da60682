//! The secret code.

use std::string::String;

use r2_core::secret::Secret;
use r2_core::time::Duration;
use r2_tests::splits::{Script, Seen, same_for_every_driver};

const NOT_FOUND: &str = "Secret code not found.\n";
const TOO_LONG: &str = "Line too long: at most 1024 bytes.\n";

fn seen(script: &Script) -> Seen {
    let mut seen = same_for_every_driver(script, 40, |driver| {
        driver.play(script, &mut (), |_| Secret::new())
    });
    seen.remove(0)
}

fn answers(lines: impl AsRef<[u8]>) -> String {
    let seen = seen(&Script::new().opens(0).sends(0, lines).finishes(0));
    assert!(seen.fin);
    seen.text()
}

#[cfg_attr(test, test)]
pub(crate) fn the_examples_of_the_contract_hold_with_both_line_endings_and_none() {
    let examples = [
        ("sfdsd Ted is cool23432", NOT_FOUND),
        ("Ted is SECRET cool", "Digits: Count: 0\n"),
        ("123Ted 32is 343SECRET cool", "Digits: 12332343 Count: 8\n"),
        ("", NOT_FOUND),
        ("SESECRET1", "Digits: 1 Count: 1\n"),
        ("SECSECRET", "Digits: Count: 0\n"),
        ("SECRE\rT", NOT_FOUND),
        ("secret", NOT_FOUND),
    ];
    for (string, answer) in examples {
        for ending in ["\n", "\r\n", ""] {
            let line = format!("{string}{ending}");
            let expected = if line.is_empty() { "" } else { answer };
            assert_eq!(answers(&line), expected, "{line:?}");
        }
    }
    let all = examples.map(|(string, _)| string).join("\r\n") + "\r\n";
    let expected: String = examples.iter().map(|(_, answer)| *answer).collect();
    assert_eq!(answers(all), expected);
}

#[cfg_attr(test, test)]
pub(crate) fn a_line_of_1024_bytes_is_answered_and_one_more_is_too_long() {
    for length in [1023, 1024, 1025, 1026] {
        let string = format!("SECRET{}", "7".repeat(length - 6));
        let expected = if length > 1024 {
            String::from(TOO_LONG)
        } else {
            format!("Digits: {} Count: {}\n", "7".repeat(length - 6), length - 6)
        };
        for ending in ["\n", "\r\n", ""] {
            assert_eq!(
                answers(format!("{string}{ending}")),
                expected,
                "{length} {ending:?}"
            );
        }
        let expected = format!("{expected}Digits: Count: 0\n");
        assert_eq!(answers(format!("{string}\r\nSECRET\n")), expected, "{length}");
    }
}

#[cfg_attr(test, test)]
pub(crate) fn a_cr_counts_unless_it_ends_the_line() {
    assert_eq!(answers(format!("{}\r\r\n", "x".repeat(1023))), NOT_FOUND);
    assert_eq!(answers(format!("{}\r\r\n", "x".repeat(1024))), TOO_LONG);
    assert_eq!(answers(format!("{}\r", "x".repeat(1024))), TOO_LONG);
}

#[cfg_attr(test, test)]
pub(crate) fn a_client_without_newlines_is_answered_when_it_rests() {
    let second = Duration::from_secs(1);
    let nearly = Duration::from_millis(999);
    let script = Script::new()
        .opens(0)
        .sends(0, "SEC")
        .waits(nearly)
        .sends(0, "RET1")
        .waits(second)
        .sends(0, "SECRET2")
        .waits(second)
        .waits(second);
    assert_eq!(seen(&script).text(), "Digits: 1 Count: 1\nDigits: 2 Count: 1\n");
    assert_eq!(
        seen(&Script::new().opens(0).sends(0, "SECRET").waits(nearly)).text(),
        ""
    );
}

#[cfg_attr(test, test)]
pub(crate) fn a_line_ending_directly_behind_a_rested_string_is_swallowed_and_ends_the_resting() {
    let second = Duration::from_secs(1);
    for ending in ["\n", "\r\n"] {
        let rested = Script::new()
            .opens(0)
            .sends(0, "SECRET")
            .waits(second)
            .sends(0, ending);
        assert_eq!(seen(&rested).text(), "Digits: Count: 0\n");
        let goes_on = rested.sends(0, "SECRET1").waits(second).sends(0, "2\n\n");
        assert_eq!(
            seen(&goes_on).text(),
            format!("Digits: Count: 0\nDigits: 12 Count: 2\n{NOT_FOUND}")
        );
    }
}

#[cfg_attr(test, test)]
pub(crate) fn what_follows_a_long_string_that_rested_is_a_new_one() {
    let second = Duration::from_secs(1);
    for length in [1025, 1500] {
        let script = Script::new()
            .opens(0)
            .sends(0, "x".repeat(length))
            .waits(second)
            .sends(0, "SECRET")
            .waits(second);
        assert_eq!(seen(&script).text(), format!("{TOO_LONG}Digits: Count: 0\n"));
    }
}

#[cfg_attr(test, test)]
pub(crate) fn answers_wait_for_a_peer_that_does_not_read() {
    let script = Script::new()
        .opens(0)
        .reads_only(0, 5)
        .sends(0, "SECRET1\nSECRET2\nSECRET3\n")
        .finishes(0)
        .reads_only(0, usize::MAX);
    assert_eq!(
        seen(&script).text(),
        "Digits: 1 Count: 1\nDigits: 2 Count: 1\nDigits: 3 Count: 1\n"
    );
}
