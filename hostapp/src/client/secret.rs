//! `hostapp secret`.

use r2_core::client::secret::Ask;
use serde_json::json;

use super::drive::{Client, none};
use super::report::print;
use super::{Trouble, endless, no_answer};
use crate::host::Host;

const PORT: u16 = 5010;

/// Asks for `string` and prints question and answer, as JSON where that is wanted.
pub(super) fn run(host: &Host, string: &str, as_json: bool) -> Result<(), Trouble> {
    if string.contains('\n') {
        return Err(Trouble::usage("a string is one line: ask for one at a time"));
    }
    let mut client = Client::connect(host, PORT, Ask::new(string))?;
    client.drive(&mut (), none, |ask| ask.answer().is_some() || ask.is_too_long())?;
    let (server, session) = (client.server(), client.session());
    if session.is_too_long() {
        return Err(endless(server, "secret codes"));
    }
    let Some(answer) = session.answer() else {
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
