//! Browsers and clients of TLS: one line, the end, and nothing of what they sent is carried out.

use r2_core::chat::{Peer, Room, Seat};
use r2_core::files::Files;
use r2_core::secret::Secret;
use r2_core::store::ram::{Block, File, RamStore};
use r2_tests::splits::{Driver, Script, Seen, same_for_every_driver};

/// What a page's `fetch(…, {method: 'POST', mode: 'no-cors', body: …})` sends, and others.
fn strangers(body: &str) -> Vec<Vec<u8>> {
    let head = "Host: 127.0.0.1:5030\r\nOrigin: http://other.example\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\n";
    let long = "a".repeat(700);
    let mut strangers: Vec<Vec<u8>> = [
        "POST / HTTP/1.1\r\n",
        "GET /SECRET123 HTTP/1.1\r\n",
        "OPTIONS * HTTP/1.0\n",
        "PUT notes.txt HTTP/1.1\r\n",
        "delete /x HTTP/1.1\r\n",
        "CONNECT r2:5030 HTTP/1.1\r\n",
        "PRI * HTTP/2.0\r\n",
        &format!("POST /{long} HTTP/1.1\r\n"),
    ]
    .iter()
    .map(|line| format!("{line}{head}{body}").into_bytes())
    .collect();
    strangers.push([b"\x16\x03\x01\x00\xA5\x01\x00\x00\xA1\x03\x03", body.as_bytes()].concat());
    strangers
}

fn same(script: &Script, play: impl Fn(&Driver) -> Vec<Seen>) -> Vec<Seen> {
    same_for_every_driver(script, 8, play)
}

#[cfg_attr(test, test)]
pub(crate) fn files_deletes_nothing() {
    for said in strangers("\nDEL notes.txt\nPUT new 0\n") {
        let script = Script::new()
            .opens(0)
            .sends(0, "PUT notes.txt 4\nkept")
            .opens(1)
            .sends(1, &said)
            .opens(2)
            .sends(2, "LIST\n");
        let seen = same(&script, |driver| {
            let mut blocks: Vec<_> = (0..8).map(|_| Block::EMPTY).collect();
            let mut files: Vec<_> = (0..4).map(|_| File::EMPTY).collect();
            let mut store = RamStore::new(&mut blocks, &mut files, 1000);
            driver.play(&script, &mut store, |_| Files::new())
        });
        let line = "ERROR bad-request this is R2's files service, not a web server: use nc\n";
        assert_eq!((seen[1].text().as_str(), seen[1].fin), (line, true));
        let listed = seen[2].text();
        assert!(
            listed.starts_with("notes.txt 4 ") && listed.lines().count() == 2,
            "{listed}"
        );
    }
}

#[cfg_attr(test, test)]
pub(crate) fn chat_says_and_obeys_nothing_of_it() {
    for said in strangers("\n/nick Bob\nhello\n/who\n") {
        let script = Script::new()
            .opens(0)
            .opens(1)
            .opens(2)
            .sends(2, &said)
            .sends(1, "hi\n");
        let seen = same(&script, |driver| {
            let (mut ring, mut seats) = (vec![0; 16 << 10], vec![Seat::default(); 4]);
            let mut room = Room::new(&mut ring, &mut seats, "R2", "KALI").expect("a room");
            driver.play(&script, &mut room, |peer| {
                if peer == 0 { Peer::host() } else { Peer::new() }
            })
        });
        let line = "* this is R2's chat, not a web server: use nc\n";
        assert_eq!((seen[2].text().as_str(), seen[2].fin), (line, true));
        assert_eq!(seen[1].text(), "* KALI-2 joined\n* KALI-2 left\nKALI: hi\n");
    }
}

#[cfg_attr(test, test)]
pub(crate) fn secret_answers_one_line() {
    for said in strangers("\nSECRET 1\n") {
        let script = Script::new().opens(0).sends(0, &said).finishes(0);
        let seen = same(&script, |driver| driver.play(&script, &mut (), |_| Secret::new()));
        let line = "This is R2's secret service, not a web server: use nc\n";
        assert_eq!((seen[0].text().as_str(), seen[0].fin), (line, true));
    }
}

#[cfg_attr(test, test)]
pub(crate) fn an_empty_line_in_front_is_answered_as_ever() {
    let script = Script::new()
        .opens(0)
        .sends(0, "\r\nGET / HTTP/1.1\r\n\r\nSECRET 1\n");
    let seen = same(&script, |driver| driver.play(&script, &mut (), |_| Secret::new()));
    assert_eq!(
        seen[0].text(),
        "Secret code not found.\nThis is R2's secret service, not a web server: use nc\n"
    );
}

#[cfg_attr(test, test)]
pub(crate) fn people_who_talk_of_the_web_are_heard() {
    let lines = [
        "GET lost",
        "I GET / HTTP jokes",
        "I like HTTP/1.1",
        "who wants HTTP/1.1",
    ];
    for line in lines {
        let script = Script::new()
            .opens(0)
            .sends(0, format!("{line}\nGET / HTTP/1.1\n"));
        let seen = same(&script, |driver| {
            let (mut ring, mut seats) = (vec![0; 16 << 10], vec![Seat::default(); 4]);
            let mut room = Room::new(&mut ring, &mut seats, "R2", "KALI").expect("a room");
            driver.play(&script, &mut room, |_| Peer::new())
        });
        assert_eq!(seen[0].text(), format!("KALI: {line}\nKALI: GET / HTTP/1.1\n"));
    }
}
