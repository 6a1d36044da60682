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

/// From which byte on R2 asks for a file that begins like a command, of which the first `there` bytes are there.
fn asked(body: &[u8], there: usize) -> usize {
    let other = body[..there].iter().rposition(|byte| *byte != body[0]);
    other.unwrap_or_default()
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
                COMMANDS.len() - 1,
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
                    "SEND {}\n{}{}{}END\n",
                    asked(body, there),
                    stored(body),
                    listed("n.txt", body),
                    listed("other.txt", b"kept")
                ),
                "{there} bytes were there"
            );
        }
    }
}

/// Files that say little of where in them bytes stand.
fn repeating() -> Vec<Vec<u8>> {
    let twice = [COMMANDS, COMMANDS].concat();
    let holes = [&[0; 40][..], b"x", &[0; 90], b"y"].concat();
    vec![
        vec![0; 90],
        b"DEL other.txt\n".repeat(7),
        twice,
        holes,
        b"P".to_vec(),
    ]
}

#[cfg_attr(test, test)]
pub(crate) fn a_peer_that_waits_sends_the_rest_then_commands() {
    let mut bodies = repeating();
    bodies.extend([COMMANDS.to_vec(), b"no line ends here".to_vec()]);
    for body in bodies {
        for there in (1..=body.len()).step_by(29).chain([body.len() / 2, body.len()]) {
            let from = match asked(&body, there) {
                _ if there == body.len() && !b"PGLD".contains(&body[0]) => there,
                // None of the last 64 bytes is another.
                far if far + 64 < there => 0,
                near => near,
            };
            let script = with(&body, there)
                .sends(2, put(&body))
                .sends(2, &body[from..])
                .sends(2, "GET other.txt 4\nDEL other.txt\n");
            assert_eq!(
                heard(&script)[2],
                format!(
                    "SEND {from}\n{}FILE {}DELETED other.txt\n",
                    stored(&body),
                    listed("other.txt", b"kept")
                ),
                "{there} bytes were there"
            );
        }
    }
}

/// The same answers as to a peer that waits, and the next command is taken.
#[cfg_attr(test, test)]
pub(crate) fn a_peer_that_does_not_wait_sends_a_file_that_repeats_itself() {
    for body in repeating() {
        for there in (1..=body.len()).step_by(29).chain([body.len() / 2, body.len()]) {
            let script = with(&body, there)
                .sends(2, [&put(&body)[..], &body, b"GET other.txt 4\n"].concat())
                .finishes(2);
            let heard = heard(&script);
            let rest = format!("{}FILE {}", stored(&body), listed("other.txt", b"kept"));
            let behind = heard[2].split_once('\n').map(|(_, behind)| behind);
            assert_eq!(behind, Some(rest.as_str()), "{there} were there: {heard:?}");
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn a_command_that_is_the_files_first_line_is_carried_out_behind_it() {
    for body in [COMMANDS, b"LIST", b"\nLIST\n", b"DEL other.txt\nDEL other.txt\n"] {
        let plain = [b"PUT n.txt ", body.len().to_string().as_bytes(), b"\n"].concat();
        let from = asked(body, body.len());
        for (line, rest) in [(plain, body), (put(body), body), (put(body), &body[from..])] {
            let script = with(body, body.len())
                .sends(2, line)
                .sends(2, rest)
                .sends(2, "DEL other.txt\n");
            let heard = heard(&script);
            assert!(
                heard[2].ends_with(&format!("{}DELETED other.txt\n", stored(body))),
                "{heard:?}"
            );
        }
    }
}

/// Such a peer says nothing behind its file. Here it lies: it does not wait.
#[cfg_attr(test, test)]
pub(crate) fn nothing_behind_resume_is_carried_out() {
    let mut bodies = repeating();
    bodies.extend([COMMANDS.to_vec(), b"x\nDEL other.txt\n".repeat(3)]);
    for body in bodies {
        let line = String::from_utf8_lossy(&put(&body)).replace('\n', " resume\n");
        for there in (0..=body.len()).step_by(29).chain([body.len()]) {
            let all = [line.as_bytes(), &body, b"\nDEL other.txt\n"].concat();
            let script = with(&body, there)
                .sends(2, all)
                .opens(3)
                .sends(3, "GET other.txt\n");
            let seen = same_for_every_driver(&script, ROOMS, |driver| play(driver, &script));
            assert!(seen[2].text().starts_with(&format!("SEND {there}\n")), "{seen:?}");
            assert!(seen[2].fin && seen[2].text().lines().count() == 2, "{seen:?}");
            let kept = format!("FILE {}kept", listed("other.txt", b"kept"));
            assert_eq!(seen[3].text(), kept, "{there} were there");
            if there > 0 {
                let script = with(&body, there).sends(2, &line).sends(2, &body[there..]);
                let seen = same_for_every_driver(&script, ROOMS, |driver| play(driver, &script));
                let answers = format!("SEND {there}\n{}", stored(&body));
                assert_eq!((seen[2].text(), seen[2].fin), (answers, true));
            }
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn enter_behind_any_put_is_no_command() {
    for (said, body) in [("", &b""[..]), ("hello", b"hello")] {
        for enter in ["\n", "\r\n"] {
            let script = Script::new()
                .opens(0)
                .sends(0, [&put(body), said.as_bytes(), enter.as_bytes()].concat())
                .sends(0, [&put(body)[..], enter.as_bytes()].concat())
                .sends(0, "GET n.txt\n");
            let there = format!("SEND {}\n{}", body.len(), stored(body));
            let first = format!("SEND 0\n{}", stored(body));
            let file = format!("FILE {}{said}", listed("n.txt", body));
            assert_eq!(heard(&script)[0], format!("{first}{there}{file}"));
        }
    }
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
