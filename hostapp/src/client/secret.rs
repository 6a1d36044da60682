//! `hostapp secret`.

use std::io::{self, Write};

use r2_core::client::secret::Ask;

use super::Trouble;
use super::drive::{Client, none};
use crate::cli::Host;

const PORT: u16 = 5010;

/// Asks for `string` and prints question and answer.
pub(super) fn run(host: Host, string: &str) -> Result<(), Trouble> {
    if string.contains('\n') {
        return Err(Trouble::usage("a string is one line: ask for one at a time"));
    }
    let mut client = Client::connect(host.service(PORT), Ask::new(string))?;
    client.drive(&mut (), none, |ask| ask.answer().is_some())?;
    let Some(answer) = client.session().answer() else {
        return Err(client.broken("it closed without an answer"));
    };
    write!(io::stdout(), "\nSent: {string}\n\nReceived: {answer}\n")
        .map_err(|error| Trouble::failed(format!("standard output: {error}")))
}
