//! Parts 1 to 3 of the lab, as they were played.

use super::account::{Account, Part, Screen};

/// What both sides of the chat saw, which strings were asked, and which file was sent.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// All that KALI's client printed.
    pub kali: String,
    /// All that R2's console showed.
    pub r2: String,
    /// Each string that KALI sent, and what she received.
    pub secrets: Vec<[String; 2]>,
    /// The file of part 3.
    pub file: SentFile,
}

/// A file of text that KALI has sent.
#[derive(Clone, Debug, Default)]
pub struct SentFile {
    /// What KALI calls it.
    pub name: String,
    /// What is in it.
    pub original: String,
    /// Its SHA-256 in hex, computed by KALI.
    pub sha256: String,
    /// The line that R2 answers, without its ending.
    pub receipt: String,
    /// What R2 calls it.
    pub stored_as: String,
    /// What R2's file has in it.
    pub stored: String,
    /// The SHA-256 of R2's file in hex.
    pub stored_sha256: String,
}

/// Tells it in the lab's own form.
pub(super) fn tell(played: &Played) -> Account {
    let mut parts = vec![
        Part::Heading("Part 1: a chat".into()),
        Part::Text(
            "Each line carries the name of its sender, on both screens, the sender's own too. R2 puts the names on, so nobody can \
             speak as somebody else: KALI's last line tries to."
                .into(),
        ),
        Part::Screen(Screen::new("R2's terminal: hostapp serve", &played.r2)),
        Part::Screen(Screen::new("KALI's terminal: what nc 127.0.0.1 5000 prints", &played.kali)),
        Part::Heading("Part 2: a secret code".into()),
        Part::Text(
            "If the string contains SECRET, R2 answers with its digits and their number, otherwise with a line that says so."
                .into(),
        ),
    ];
    for [sent, received] in &played.secrets {
        parts.push(Part::Screen(Screen::new(
            &format!("KALI's terminal: hostapp secret 127.0.0.1 {sent}"),
            &format!("\nSent: {sent}\n\nReceived: {received}"),
        )));
    }
    let file = &played.file;
    parts.extend([
        Part::Heading("Part 3: a file, byte for byte".into()),
        Part::Text(format!(
            "The original, how KALI sends it, and what R2 has in its folder afterwards. Both have {} bytes, and the same SHA-256.",
            file.stored.len()
        )),
        Part::Screen(Screen::new(
            "KALI's terminal",
            &format!(
                "$ cat {name}\n{}$ sha256sum {name}\n{}  {name}\n$ nc -N 127.0.0.1 5020 < {name}\n{}",
                file.original,
                file.sha256,
                file.receipt,
                name = file.name
            ),
        )),
        Part::Screen(Screen::new(
            "R2's terminal, where it was started",
            &format!(
                "$ cat r2-store/{name}\n{}$ sha256sum r2-store/{name}\n{}  r2-store/{name}",
                file.stored,
                file.stored_sha256,
                name = file.stored_as
            ),
        )),
    ]);
    Account::new("Parts 1 to 3: chat, secret code, file", parts)
}
