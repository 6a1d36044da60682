//! The code of parts 2 and 3, as the report shows it: cut from the sources that were compiled.

use super::account::Part;

/// A piece of code, and what there is to say of it.
struct Piece {
    title: &'static str,
    about: &'static str,
    source: &'static str,
    /// Where each excerpt begins; it ends with the block, as deep as it began.
    beginnings: &'static [&'static str],
}

const ABOUT: &str = "\
    R2 has no socket calls in its services. A service is a session, a state machine that is handed bytes and hands bytes \
    back, and the loop around it is the node's (node/src/slot/turn.rs). It takes the place of the calls of a server on \
    sockets: where accept() would return, opened() is called; instead of recv(), receive() is handed what has come and says \
    how much of it it took; instead of send(), transmit() fills the room that there is; recv() that returns 0 is finished(); \
    and close() is what wants() answers. No call waits, so one loop serves every connection, and the same code runs on a \
    board without an operating system.";

const PIECES: [Piece; 4] = [
    Piece {
        title: "Part 2, R2's side: core/src/secret.rs",
        about: "take() looks at a line in runs of digits and of anything else: gather() puts digits where the answer will stand, and \
                look_for_code() follows the word SECRET letter by letter. conclude() writes the answer when the line ends. \
                receive() hands on what came until an answer is due, and takes no more before transmit() has sent that: so answers \
                keep the order of the questions, and a client that does not read is not served ahead.",
        source: include_str!("../../../core/src/secret.rs"),
        beginnings: &[
            "    fn take(&mut self, text: &[u8]) -> usize {",
            "    fn gather(&mut self, digits: &[u8]) {",
            "    fn look_for_code(&mut self, text: &[u8]) {",
            "    fn conclude(&mut self) {",
            "impl<W: ?Sized> Session<W> for Secret {",
        ],
    },
    Piece {
        title: "Part 2, KALI's side: core/src/client/secret.rs",
        about: "hostapp secret runs this session on a socket of the kernel. transmit() sends the string and a newline; wants() then \
                closes the direction to R2, which sends FIN; receive() keeps one line of what comes back, cleaned of what would \
                drive a terminal.",
        source: include_str!("../../../core/src/client/secret.rs"),
        beginnings: &["impl<W: ?Sized> Session<W> for Ask<'_> {"],
    },
    Piece {
        title: "Part 3, R2's side: core/src/drop.rs",
        about: "receive() hands the bytes to the store and returns how many the store took: the others stay in the socket's buffer, \
                the window closes, and the sender waits. finished() is the sender's FIN, the end of the file: the store seals it, \
                and only then the receipt is sent. over() says how the connection ended; if R2's FIN was acknowledged, the sender's \
                machine has the receipt, and the file gets its final name.",
        source: include_str!("../../../core/src/drop.rs"),
        beginnings: &["impl<S: Store> Session<S> for Deposit {"],
    },
    Piece {
        title: "Part 3, KALI's side: core/src/client/send.rs",
        about: "hostapp send announces name, length and SHA-256 with PUT, learns from SEND at which byte to begin, and sends the file \
                from there, reading only as much as the connection has room for. It ends well only when R2 says STORED with the \
                same SHA-256.",
        source: include_str!("../../../core/src/client/send.rs"),
        beginnings: &["impl<S: Source + ?Sized> Session<S> for Send {"],
    },
];

/// The code with its explanation.
pub(super) fn parts() -> Vec<Part> {
    let mut parts = vec![
        Part::Heading("The code of parts 2 and 3".into()),
        Part::Text(ABOUT.into()),
    ];
    for piece in &PIECES {
        parts.push(Part::Heading(piece.title.into()));
        parts.push(Part::Text(piece.about.into()));
        let blocks = piece
            .beginnings
            .iter()
            .filter_map(|beginning| block(piece.source, beginning));
        parts.push(Part::Printed(blocks.collect::<Vec<_>>().join("\n")));
    }
    parts
}

/// The lines from `beginning` to the brace that ends its block.
fn block<'s>(source: &'s str, beginning: &str) -> Option<&'s str> {
    let depth = beginning.len() - beginning.trim_start().len();
    let end = format!("\n{:depth$}}}\n", "");
    let from = source.find(beginning)?;
    let length = source.get(from..)?.find(&end)? + end.len();
    source.get(from..from + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_excerpt_is_in_its_source_and_whole() {
        for piece in &PIECES {
            for beginning in piece.beginnings {
                let block = block(piece.source, beginning).expect(beginning);
                let braces = |brace| block.matches(brace).count();
                assert!(braces('{') > 1 && braces('{') == braces('}'), "{block}");
            }
        }
    }
}
