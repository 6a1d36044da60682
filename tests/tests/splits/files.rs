//! Files: commands, and bytes that are none.

use r2_core::files::Files;
use r2_core::hex::Hex;
use r2_core::session::Over;
use r2_core::store::ram::{Block, File, RamStore};
use r2_tests::splits::{Driver, Script, Seen, same_for_every_driver};
use sha2::{Digest, Sha256};

const ROOMS: usize = 8;

fn play(driver: &Driver, script: &Script) -> Vec<Seen> {
    let mut blocks: Vec<_> = (0..64).map(|_| Block::EMPTY).collect();
    let mut files: Vec<_> = (0..8).map(|_| File::EMPTY).collect();
    let mut store = RamStore::new(&mut blocks, &mut files, 4000);
    driver.play(script, &mut store, |_| Files::new())
}

fn heard(script: &Script) -> Vec<String> {
    let seen = same_for_every_driver(script, ROOMS, |driver| play(driver, script));
    seen.iter().map(Seen::text).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Hex(&Sha256::digest(bytes).into()).to_string()
}

fn put(body: &[u8]) -> Vec<u8> {
    format!("PUT n.txt {} {}\n", body.len(), sha256(body)).into_bytes()
}

fn stored(body: &[u8]) -> String {
    format!("STORED n.txt {} {}\n", body.len(), sha256(body))
}

fn listed(name: &str, body: &[u8]) -> String {
    format!("{name} {} {}\n", body.len(), sha256(body))
}

/// A file whose lines are commands.
const COMMANDS: &[u8] = b"DEL other.txt\nLIST\nDEL n.txt\nPUT other.txt 0\n";

/// R2 has `other.txt`, and the first `there` bytes of `body`, sent by the peers 0 and 1.
fn with(body: &[u8], there: usize) -> Script {
    let front = [&put(body), &body[..there]].concat();
    Script::new()
        .opens(0)
        .sends(0, "PUT other.txt 4\nkept")
        .opens(1)
        .sends(1, front)
        .ends(1, Over::Reset)
        .opens(2)
}

#[cfg_attr(test, test)]
pub(crate) fn a_peer_that_does_not_wait_sends_the_same_file_again() {
    let again = [&put(COMMANDS)[..], COMMANDS].concat();
    for enter in ["", "\n", "\r\n"] {
        let script = with(COMMANDS, COMMANDS.len())
            .sends(2, &again)
            .sends(2, format!("{enter}LIST\n"));
        assert_eq!(
            heard(&script)[2],
            format!(
                "SEND {}\n{}{}{}END\n",
                COMMANDS.len(),
                stored(COMMANDS),
                listed("n.txt", COMMANDS),
                listed("other.txt", b"kept")
            )
        );
    }
}

#[cfg_attr(test, test)]
pub(crate) fn a_peer_that_does_not_wait_sends_a_file_of_which_a_part_is_there() {
    for body in [COMMANDS, b"no line ends here"] {
        for there in (2..body.len()).step_by(3) {
            let script = with(body, there)
                .sends(2, [&put(body), body].concat())
                .sends(2, "\nLIST\n");
            assert_eq!(
                heard(&script)[2],
                format!(
                    "SEND {there}\n{}{}{}END\n",
                    stored(body),
                    listed("n.txt", body),
                    listed("other.txt", b"kept")
                ),
                "{there} bytes were there"
            );
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn a_peer_that_waits_sends_the_rest_then_commands() {
    for (body, resume) in [(COMMANDS, ""), (COMMANDS, " resume"), (&[0; 90], " resume")] {
        let mut line = put(body);
        line.pop();
        line.extend(format!("{resume}\n").as_bytes());
        for there in (1..=body.len()).step_by(3) {
            let script = with(body, there)
                .sends(2, &line)
                .sends(2, &body[there..])
                .sends(2, "GET other.txt 4\nDEL other.txt\n");
            assert_eq!(
                heard(&script)[2],
                format!(
                    "SEND {there}\n{}FILE {}DELETED other.txt\n",
                    stored(body),
                    listed("other.txt", b"kept")
                ),
                "{there} bytes were there"
            );
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn a_peer_that_waits_sends_the_rest_of_a_file_that_repeats_itself() {
    for body in [vec![0; 90], b"DEL n.txt\n".repeat(9)] {
        for there in (20..body.len()).step_by(9) {
            let script = with(&body, there).sends(2, put(&body)).sends(2, &body[there..]);
            let seen = same_for_every_driver(&script, ROOMS, |driver| play(driver, &script));
            assert_eq!(seen[2].text(), format!("SEND {there}\n{}", stored(&body)));
        }
    }
}

/// Whether R2 is asked in time or not: no line of the body is carried out.
#[cfg_attr(test, test)]
pub(crate) fn no_line_of_a_file_that_repeats_itself_is_carried_out() {
    let body = b"DEL other.txt\n".repeat(9);
    for there in (1..=body.len()).step_by(10) {
        let script = with(&body, there)
            .sends(2, [put(&body), body.clone()].concat())
            .finishes(2)
            .opens(3)
            .sends(3, "GET other.txt\n");
        for driver in Driver::all(&script, 8) {
            let seen = play(&driver, &script);
            let kept = format!("FILE {}kept", listed("other.txt", b"kept"));
            assert_eq!(seen[3].text(), kept, "{driver:?} of {there}: {seen:?}");
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn a_command_that_is_the_files_first_line_is_not_carried_out() {
    let script = with(COMMANDS, COMMANDS.len())
        .sends(2, put(COMMANDS))
        .sends(2, "DEL other.txt\n")
        .finishes(2)
        .opens(3)
        .sends(3, "GET other.txt\n");
    let heard = heard(&script);
    let left = COMMANDS.len() - "DEL other.txt\n".len();
    assert_eq!(
        heard[2],
        format!(
            "SEND {}\n{}ERROR bad-request the file ended {left} bytes too early\n",
            COMMANDS.len(),
            stored(COMMANDS)
        )
    );
    assert_eq!(heard[3], format!("FILE {}kept", listed("other.txt", b"kept")));
}

#[cfg_attr(test, test)]
pub(crate) fn the_bytes_of_a_put_that_fails_are_no_commands() {
    let sha = sha256(b"something else");
    let cases = [
        ("PUT .. 14".to_owned(), "bad-name"),
        ("PUT drop-1 14".to_owned(), "bad-name"),
        ("PUT n.txt x".to_owned(), "bad-request"),
        ("PUT n.txt".to_owned(), "bad-request"),
        (format!("PUT n.txt 14 {sha} again"), "bad-request"),
        (" put n.txt 14".to_owned(), "bad-request"),
        ("PUT n.txt 4001".to_owned(), "too-large"),
        ("PUT n.txt 18446744073709551616".to_owned(), "too-large"),
        ("PUT held 14".to_owned(), "busy"),
        (format!("PUT n.txt 14 {sha} resume"), "mismatch"),
        (format!("PUT n.txt 14 {sha}"), "mismatch"),
    ];
    for (line, code) in cases {
        let script = Script::new()
            .opens(0)
            .sends(0, "PUT other.txt 4\nkept")
            .opens(1)
            .sends(1, "PUT held 3\nhe")
            .opens(2)
            .sends(2, format!("{line}\nDEL other.txt\n"))
            .opens(3)
            .sends(3, "GET other.txt\n");
        let heard = heard(&script);
        assert!(heard[2].contains(&format!("ERROR {code} ")), "{line}: {heard:?}");
        assert_eq!(
            heard[3],
            format!("FILE {}kept", listed("other.txt", b"kept")),
            "{line}"
        );
    }
}

#[cfg_attr(test, test)]
pub(crate) fn a_rest_that_does_not_match_is_no_command() {
    let lie = b"LIST\nDEL other.txt\nDEL other.txt\nDEL other.txt\n";
    for there in [5, 20, 40] {
        let script = with(COMMANDS, there)
            .sends(2, put(COMMANDS))
            .sends(2, lie)
            .opens(3)
            .sends(3, "GET other.txt\n");
        let seen = same_for_every_driver(&script, ROOMS, |driver| play(driver, &script));
        assert!(
            seen[2].fin && seen[2].text().contains("ERROR mismatch "),
            "{seen:?}"
        );
        assert_eq!(
            seen[3].text(),
            format!("FILE {}kept", listed("other.txt", b"kept"))
        );
    }
}

#[cfg_attr(test, test)]
pub(crate) fn a_body_that_ends_early_is_told_whatever_was_there() {
    for there in [0, 20, COMMANDS.len()] {
        for sent in [40, COMMANDS.len() - 1] {
            let script = with(COMMANDS, there)
                .sends(2, [&put(COMMANDS), &COMMANDS[..sent]].concat())
                .finishes(2);
            let missing = COMMANDS.len() - sent;
            let told = format!("ERROR bad-request the file ended {missing} bytes too early\n");
            let heard = heard(&script);
            assert!(
                heard[2].ends_with(&told),
                "{sent} bytes, {there} were there: {heard:?}"
            );
        }
    }
}
