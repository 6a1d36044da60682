//! Every bound of the core, each with its reason. Sizes are in bytes.

use crate::time::Duration;

/// The longest chat line, cleaned: a longer one goes out as several. Eight terminal rows fit.
pub const CHAT_LINE_MAX: usize = 512;

/// The longest nickname (`/nick`), and the longest `--name` and `--peer-name`.
pub const NICK_MAX: usize = 16;

/// The longest label in front of a chat line: a peer's name, `-`, the five digits of its number.
pub const LABEL_MAX: usize = NICK_MAX + 6;

/// The longest line of text that R2's chat sends: label, `: `, the line, its ending; or a `* ` line about one
/// line or two names.
pub const CHAT_OUT_MAX: usize = LABEL_MAX + 2 + CHAT_LINE_MAX + 1;

/// The smallest ring of the chat room: so many of the longest lines, each behind its length, that a peer may be
/// a few lines late without missing one.
pub const CHAT_RING_MIN: usize = 4 * (CHAT_OUT_MAX + 2);

/// The most seats of the chat room: a number has five digits at most, and R2's own name may look like one of them.
pub const CHAT_SEATS_MAX: usize = 99_998;

/// How many lines in a row a peer may send that are what it was just sent: people say `yes` twice, an echo all day.
pub const CHAT_REPEATS_MAX: usize = 8;

/// Among how many lines such a line is looked for: those that are under way to the peer and back.
pub const CHAT_REPEATS_LOOK: usize = 16;

/// The longest subnegotiation of telnet that is skipped; in use are a few dozen bytes (a terminal's type, the size of its
/// window), and what is longer is garbage behind which text may follow.
pub const TELNET_SUBNEGOTIATION_MAX: usize = 512;

/// The longest string asked of the secret service: what the lab's own clients use as buffer size.
pub const SECRET_LINE_MAX: usize = 1024;

/// The longest answer of the secret service: a line of digits only, counted.
pub const SECRET_ANSWER_MAX: usize = "Digits: ".len() + SECRET_LINE_MAX + " Count: ".len() + 4 + 1;

/// How long an unterminated string rests before it is answered as it stands.
pub const SECRET_REST: Duration = Duration::from_secs(1);

/// The longest file name that a peer may give.
pub const NAME_MAX: usize = 64;

/// The longest file name in a store: a peer's with R2's longest ending behind it.
pub const NAME_WITH_ENDING_MAX: usize = NAME_MAX + crate::name::UNCONFIRMED.len();

/// The longest command line of the files service: `PUT`, a name, a length of 20 digits, a SHA-256 and `resume` need
/// 161; the spare bytes let an over-long name be parsed, so that the answer is bad-name.
pub const FILES_LINE_MAX: usize = 256;

/// How much a store tells of each end of what it has of a file, in bytes. Among the last of these one differs from the
/// file's first, unless they are all the same, as in a hole: then a peer that does not say `resume` sends all again.
pub const ENDS_MAX: usize = 64;

/// How long an upload rests before R2 says that it waits for a FIN.
pub const DROP_HINT_AFTER: Duration = Duration::from_secs(5);

/// How long an upload rests before R2 sends the receipt without having seen a FIN.
pub const DROP_GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// How long the first line of a connection may be before the version of HTTP is seen at its end: no chat line is cut, and
/// nothing of it said, before that.
pub const FOREIGN_LINE_MAX: usize = CHAT_LINE_MAX;

/// The longest method of HTTP that is recognized; the longest in use (IANA's registry) has 17 letters, and is none of a
/// browser's.
pub const FOREIGN_METHOD_MAX: usize = 17;

/// How long R2 goes on discarding what a peer sends after it was refused.
pub const DISCARD_FOR: Duration = Duration::from_secs(60);

/// How often a peer that asked for it hears of an answer that waits for the store: clients give a server up that is
/// silent for a minute.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// What echo holds between receiving and sending: a small segment. More stays in the socket until that has left.
pub const ECHO_BUFFER: usize = 512;

/// The longest line of the status page.
pub const STATUS_LINE_MAX: usize = 128;

/// How long the status page waits for its peer's first bytes: a client that asks does so with the last segment of the
/// handshake or right behind it, and a reader hardly sees the pause.
pub const STATUS_WAITS: Duration = Duration::from_millis(50);

/// What a file in RAM grows by: small beside a small board's memory, large beside the link to the next.
pub const RAM_BLOCK: usize = 256;

/// How many sessions can work with a board's store at once; the next ones wait.
pub const STORE_TICKETS: usize = 8;

/// What is written to flash at once: what flash chips call a page, a multiple of every chip's word.
pub const FLASH_PAGE: usize = 256;

/// The longest line of the drop service: the receipt, of a file whose length has 20 digits.
pub const DROP_LINE_MAX: usize = "stored ".len() + NAME_MAX + 1 + 20 + " bytes sha256 ".len() + 64 + 1;

/// The longest answer line of the files service: `STORED`, a listed name, a length of 20 digits, a SHA-256. An
/// error's text is shorter.
pub const FILES_ANSWER_MAX: usize = "STORED ".len() + NAME_WITH_ENDING_MAX + 1 + 20 + 1 + 64 + 1;

/// The longest datagram of chargen: RFC 864 sends 0 to 512 characters.
pub const CHARGEN_DATAGRAM_MAX: usize = 512;

/// The longest line that the chat client takes, before it is cleaned: a hundred times R2's longest. A server that goes on
/// without an end of line has no chat, and need not end.
pub const CLIENT_LINE_MAX: usize = 64 * 1024;

/// How much the chat client cleans before it hands it to the terminal.
pub const CLIENT_SHOW_MAX: usize = 1024;

const _: () = assert!(CHAT_OUT_MAX > LABEL_MAX * 2 + "* KALI is now Bob\n".len());
const _: () =
    assert!(FILES_LINE_MAX >= "PROGRESS\nPUT ".len() + NAME_MAX + 1 + 20 + 1 + 64 + " resume".len());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::UNCONFIRMED;

    /// What is as long as `bound` allows: no byte of room is missing, and none is wasted on every connection.
    fn fits_exactly(bound: usize, longest: &str) {
        assert_eq!(longest.len(), bound, "{longest}");
    }

    #[test]
    fn each_bound_is_the_length_of_the_longest_line() {
        let label = std::format!("{:x<NICK_MAX$}-{}", "", CHAT_SEATS_MAX + 1);
        let (nothing, name) = ("", std::format!("{:x<NAME_MAX$}", ""));
        let listed = std::format!("{name}{UNCONFIRMED}");
        let (length, sha256) = (u64::MAX, std::format!("{nothing:a<64}"));
        fits_exactly(LABEL_MAX, &label);
        fits_exactly(
            CHAT_OUT_MAX,
            &std::format!("{label}: {nothing:x<CHAT_LINE_MAX$}\n"),
        );
        fits_exactly(
            SECRET_ANSWER_MAX,
            &std::format!("Digits: {nothing:1<SECRET_LINE_MAX$} Count: {SECRET_LINE_MAX}\n"),
        );
        fits_exactly(NAME_WITH_ENDING_MAX, &listed);
        fits_exactly(
            DROP_LINE_MAX,
            &std::format!("stored {name} {length} bytes sha256 {sha256}\n"),
        );
        fits_exactly(
            FILES_ANSWER_MAX,
            &std::format!("STORED {listed} {length} {sha256}\n"),
        );
    }
}
