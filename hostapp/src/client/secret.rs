//! `hostapp secret`.

use r2_core::client::secret::Ask;
use r2_core::limits::SECRET_ANSWER_MAX;
use r2_core::secret::Secret;
use r2_core::session::Session;
use r2_core::time::Instant;
use serde_json::json;

use super::drive::{Client, Next, none};
use super::report::print;
use super::{Trouble, endless, no_answer};
use crate::host::Host;

const PORT: u16 = 5010;

/// Asks for `string` and prints question and answer, as JSON where that is wanted. Any other answer than R2's comes from
/// somebody else.
pub(super) fn run(host: &Host, string: &str, as_json: bool) -> Result<(), Trouble> {
    if string.contains('\n') {
        return Err(Trouble::usage("a string is one line: ask for one at a time"));
    }
    let mut client = Client::connect(host, PORT, Ask::new(string))?;
    client.drive(&mut (), none, |ask| {
        if ask.answer().is_some() || ask.is_too_long() {
            Next::Done
        } else {
            Next::Soon
        }
    })?;
    let (server, session) = (client.server(), client.session());
    if session.is_too_long() {
        return Err(endless(server, "secret codes"));
    }
    let expected = answer_of_r2(string);
    let Some(answer) = session.answer().filter(|answer| answer.as_bytes() == expected) else {
        return Err(no_answer(server, session.heard().as_bytes(), "secret codes"));
    };
    if as_json {
        print(format_args!(
            "{}\n",
            json!({ "sent": string, "received": answer })
        ))
    } else {
        print(format_args!("\nSent: {string}\n\nReceived: {answer}\n"))
    }
}

/// What R2's own session answers to `string` sent as a line, without the line ending.
fn answer_of_r2(string: &str) -> Vec<u8> {
    let (now, mut secret) = (Instant::from_millis(0), Secret::new());
    // One call takes all that the answer hangs on, and the next gives it.
    secret.receive(now, format!("{string}\n").as_bytes(), &mut ());
    let mut answer = vec![0; SECRET_ANSWER_MAX];
    let filled = secret.transmit(now, &mut answer, &mut ());
    answer.truncate(filled.saturating_sub(1));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_r2_answers_is_known() {
        for (string, answer) in [
            ("", "Secret code not found."),
            ("12 SECRE", "Secret code not found."),
            ("Ted is SECRET cool\r", "Digits: Count: 0"),
            ("123Ted 32is 343SECRET cool", "Digits: 12332343 Count: 8"),
            (&"1".repeat(1025), "Line too long: at most 1024 bytes."),
        ] {
            assert_eq!(answer_of_r2(string), answer.as_bytes(), "{string}");
        }
        let longest = format!("SECRET{}", "1".repeat(1018));
        assert!(answer_of_r2(&longest).ends_with(b"1 Count: 1018"));
        assert!(answer_of_r2("GET / HTTP/1.1").starts_with(b"This is R2's secret service"));
    }
}
