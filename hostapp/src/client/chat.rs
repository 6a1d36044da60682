//! `hostapp chat`.

use embedded_io::{BufRead as _, ReadReady as _, Write as _};
use r2_core::client::chat::{Chat, Terminal, Typed};

use super::drive::{Client, Next};
use super::report::Report;
use super::{Trouble, endless, no_answer};
use crate::console::{Console, Screen};
use crate::host::Host;
use crate::signals;

const PORT: u16 = 5000;

/// The name that R2 gives its first peer without being asked.
const FIRST_NAME: &str = "KALI";

/// Chats until the end of standard input and of R2's side.
pub(super) fn run(host: &Host, name: &str, report: Report) -> Result<(), Trouble> {
    let nick = (name != FIRST_NAME).then_some(name);
    let Some(chat) = Chat::new(nick) else {
        return Err(Trouble::usage(format!(
            "{name} is no name: use up to 16 of A-Z a-z 0-9 _ -"
        )));
    };
    let unusable = |error| Trouble::failed(format!("standard input and output cannot be used: {error}"));
    signals::go_on_in_background().map_err(unusable)?;
    let mut client = Client::connect(host, PORT, chat)?;
    let mut console = Console::open(Screen::Output).map_err(unusable)?;
    console.leave_on_signals().map_err(unusable)?;
    client.drive(
        &mut console,
        |console| Some(console),
        |chat| {
            if chat.is_too_long() || chat.stranger().is_some() || chat.is_name_taken() {
                Next::Done
            } else {
                Next::Anytime
            }
        },
    )?;
    drop(console);
    if let Some(heard) = client.session().stranger() {
        return Err(no_answer(client.server(), heard, "chat"));
    }
    if client.session().is_too_long() {
        return Err(endless(client.server(), "chat"));
    }
    if client.session().is_status_page() {
        return Err(Trouble::failed(format!(
            "{} is R2's status page: for the chat, name R2 without a port",
            client.server()
        )));
    }
    if client.session().is_name_taken() {
        return Err(Trouble::failed(format!(
            "somebody is called {name} there: take another name with --name"
        )));
    }
    report.tell("the chat is over");
    Ok(())
}

impl Terminal for Console {
    fn typed(&mut self, into: &mut [u8]) -> Typed {
        let Ok(ready) = self.read_ready();
        if !ready {
            return Typed::Bytes(0);
        }
        let Ok(waiting) = self.fill_buf();
        if waiting.is_empty() {
            return Typed::End;
        }
        let taken = waiting.len().min(into.len());
        into[..taken].copy_from_slice(&waiting[..taken]);
        self.consume(taken);
        Typed::Bytes(taken)
    }

    fn show(&mut self, text: &[u8]) -> usize {
        let Ok(shown) = self.write(text);
        shown
    }
}
