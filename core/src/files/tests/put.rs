//! PUT: what is stored, what is refused, and what the bytes behind it are.

use super::super::*;
use super::{HELLO, Peer, with_store};
use crate::store::ram::RamStore;
use std::string::String;

#[test]
fn a_broken_upload_resumes_where_it_was() {
    with_store(|store| {
        let line = std::format!("PUT a 5 {HELLO}\n");
        let mut peer = Peer::new(store, 100);
        peer.says(line.as_bytes())
            .says(b"hel")
            .hears("SEND 0\n")
            .is_over();
        let mut peer = Peer::new(store, 100);
        peer.says(b"GET a\nDEL a\nPUT x.partial 1\n");
        peer.hears(
            "ERROR not-found no such file\nERROR not-found no such file\n\
             ERROR bad-name drop-*, *.partial and *.unconfirmed are names that R2 gives\n",
        );
        peer.is_over();
        let mut peer = Peer::new(store, 100);
        peer.says(line.as_bytes()).hears("SEND 2\n");
        peer.says(b"llo").hears(&std::format!("STORED a 5 {HELLO}\n"));
        peer.says(line.as_bytes())
            .hears(&std::format!("SEND 5\nSTORED a 5 {HELLO}\n"));
        peer.is_over();
    });
}

#[test]
fn what_is_no_command_behind_a_file_that_is_there_closes() {
    with_store(|store| {
        let put = std::format!("PUT a 5 {HELLO}\n");
        let there = std::format!("SEND 5\nSTORED a 5 {HELLO}\n");
        let mut peer = Peer::new(store, 1000);
        peer.says(b"PUT a 5\nhello").heard.clear();
        // A peer that waits for SEND goes on with commands, and a wrong one behind a right one is an answer, no end.
        peer.says(put.as_bytes()).hears(&there);
        peer.says(b"LIST\nnonsense\n");
        assert!(peer.heard.ends_with(b"or DEL <name>\n"));
        assert_eq!(peer.wants(), Wants::Nothing);
        peer.heard.clear();
        // Enter is no command either, and the bytes of another file are none.
        peer.says(put.as_bytes()).hears(&there).says(b"\n").hears("");
        peer.says(put.as_bytes()).hears(&there).says(b"hallo\nDEL a\n");
        assert_eq!(peer.wants(), Wants::Close);
        assert!(peer.heard.starts_with(b"ERROR bad-request "));
        peer.heard.clear();
        peer.is_over();
    });
}

/// A file that is there, in `text`, and a peer to which R2 has said so.
fn sent_again<'s, 'a>(store: &'s mut RamStore<'a>, text: &str) -> Peer<'s, 'a> {
    let sha = crate::store::sha256(&mut core::iter::once(text.as_bytes()));
    let put = std::format!("PUT a {} {}\n", text.len(), crate::hex::Hex(&sha));
    let mut peer = Peer::new(store, 1000);
    peer.says(put.as_bytes()).says(text.as_bytes()).heard.clear();
    peer.says(put.as_bytes()).heard.clear();
    peer
}

#[test]
fn a_command_that_begins_as_the_file_that_is_there_is_carried_out() {
    for (text, command, answer) in [
        (
            "PUNK rock",
            "PUT b 5\nhello",
            std::format!("SEND 0\nSTORED b 5 {HELLO}\n"),
        ),
        ("LISP", "LIST\n", String::from("END\n")),
        ("GEM", "GET b\n", String::from("ERROR not-found no such file\n")),
        ("Dear", "DEL b\n", String::from("ERROR not-found no such file\n")),
    ] {
        for piece in [1, 2, 3, 99] {
            with_store(|store| {
                let mut peer = sent_again(store, text);
                for piece in command.as_bytes().chunks(piece) {
                    peer.says(piece);
                }
                let heard = String::from_utf8(core::mem::take(&mut peer.heard)).unwrap();
                assert!(heard.ends_with(&answer), "{text} {piece}: {heard}");
                peer.is_over();
            });
        }
    }
}

#[test]
fn the_first_line_of_a_file_that_is_there_is_no_command() {
    with_store(|store| {
        let mut peer = sent_again(store, "a\nbcdefgh");
        peer.says(b"a\nLIST\n").finishes();
        peer.hears("ERROR bad-request the file ended 2 bytes too early\n");
        peer.is_over();
    });
}

#[test]
fn a_wrong_command_behind_a_file_that_was_sent_again_is_an_answer_and_no_end() {
    with_store(|store| {
        let mut peer = sent_again(store, "hello");
        peer.says(b"hello").says(b"nonsense\n");
        assert!(peer.heard.starts_with(b"ERROR bad-request "));
        assert_eq!(peer.wants(), Wants::Nothing);
        peer.heard.clear();
        peer.says(b"DEL a\n").hears("DELETED a\n");
        peer.is_over();
    });
}

#[test]
fn a_peer_that_ends_its_side_where_the_file_is_there_is_done() {
    with_store(|store| {
        let mut peer = sent_again(store, "hello");
        peer.finishes().hears("");
        assert_eq!(peer.wants(), Wants::Close);
        peer.is_over();
    });
    with_store(|store| {
        let mut peer = sent_again(store, "hello");
        peer.says(b"he").finishes();
        peer.hears("ERROR bad-request the file ended 3 bytes too early\n");
        peer.is_over();
    });
}

#[test]
fn r2_asks_from_where_the_first_byte_tells_what_follows() {
    // What the file is, how much of it is there, and what is asked for: of a plain PUT, then of one that resumes.
    for (text, there, plain) in [
        ("hello", 3, 2),
        ("hello", 5, 5),
        ("ab-ab", 4, 2),
        ("ab-ab", 5, 5),
        ("aaaa", 3, 0),
        ("aaaa", 4, 4),
        ("LIST\nL", 6, 4),
        ("\n", 1, 0),
        ("PP", 2, 2),
        ("P", 1, 0),
        ("Dear", 4, 4),
    ] {
        let sha = crate::store::sha256(&mut core::iter::once(text.as_bytes()));
        let put = std::format!("PUT a {} {}", text.len(), crate::hex::Hex(&sha));
        for (word, offset) in [("", plain), (" resume", there)] {
            with_store(|store| {
                let mut peer = Peer::new(store, 100);
                peer.says(std::format!("{put}\n{}", &text[..there]).as_bytes())
                    .is_over();
                let mut peer = Peer::new(store, 200);
                peer.says(std::format!("{put}{word}\n").as_bytes());
                let heard = String::from_utf8(core::mem::take(&mut peer.heard)).unwrap();
                assert_eq!(
                    heard.lines().next(),
                    Some(std::format!("SEND {offset}").as_str()),
                    "{text}"
                );
                assert_eq!(
                    heard.lines().count(),
                    1 + usize::from(offset == text.len()),
                    "{text}"
                );
                peer.is_over();
            });
        }
    }
}

#[test]
fn enter_behind_the_bytes_of_a_put_is_no_command() {
    let refused = "ERROR bad-request a command is PUT <name> <length> [<sha256>], GET <name> [<offset>], LIST or DEL <name>\n";
    let stored = std::format!("SEND 0\nSTORED a 5 {HELLO}\n");
    for enter in ["\n", "\r\n"] {
        with_store(|store| {
            let mut peer = Peer::new(store, 100);
            peer.says(b"PUT a 5\n").says(b"hello").says(enter.as_bytes());
            peer.hears(&stored);
            peer.says(b"GET a 5\n").hears(&std::format!("FILE a 5 {HELLO}\n"));
            // Anywhere else, and the second time, an empty line is no command.
            peer.says(enter.as_bytes()).hears(refused);
            peer.says(b"PUT a 5\nhello").hears(&stored);
            peer.says(enter.as_bytes()).says(enter.as_bytes()).hears(refused);
            peer.finishes();
            assert_eq!(peer.wants(), Wants::Close);
            peer.is_over();
        });
    }
}

#[test]
fn a_put_without_bytes_is_followed_by_enter_and_commands() {
    with_store(|store| {
        let mut peer = Peer::new(store, 1000);
        peer.says(b"PUT a 0\n").heard.clear();
        peer.says(b"\n").hears("").says(b"nonsense\n");
        assert!(peer.heard.starts_with(b"ERROR bad-request "));
        assert_eq!(peer.wants(), Wants::Nothing);
        peer.is_over();
    });
}

#[test]
fn a_mismatch_stores_nothing_and_the_next_command_is_read() {
    with_store(|store| {
        let mut peer = Peer::new(store, 100);
        peer.says(std::format!("PUT a 5 {HELLO}\nhallo").as_bytes());
        peer.hears("SEND 0\nERROR mismatch the bytes do not add up to the SHA-256\n");
        peer.says(b"LIST\n").hears("END\n");
        assert_eq!(peer.wants(), Wants::Nothing);
        peer.is_over();
    });
}

#[test]
fn the_bytes_of_a_refused_put_are_no_commands() {
    for (put, answer) in [
        ("PUT ../a 5", "bad-name "),
        ("PUT a", "bad-request "),
        ("PUT a 18446744073709551615", "too-large "),
        ("PUT a 18446744073709551616", "too-large "),
        ("PUT a 1025", "too-large "),
    ] {
        with_store(|store| {
            let mut peer = Peer::new(store, 1000);
            peer.says(put.as_bytes()).says(b"\nLIST\nDEL a\n");
            let heard = String::from_utf8(core::mem::take(&mut peer.heard)).unwrap();
            assert!(
                heard.starts_with(&std::format!("ERROR {answer}")),
                "{put}: {heard}"
            );
            assert_eq!(heard.lines().count(), 1);
            assert_eq!(peer.wants(), Wants::Close);
            let end = Instant::default() + DISCARD_FOR;
            assert_eq!(peer.poll_at(), Some(end));
            peer.now = end;
            peer.says(b"LIST\n");
            assert_eq!(peer.wants(), Wants::Abort);
            peer.is_over();
        });
        with_store(|store| {
            let mut peer = Peer::new(store, 1000);
            peer.says(put.as_bytes()).says(b"\n").finishes();
            assert_eq!(peer.poll_at(), None, "nothing more comes");
            peer.is_over();
        });
    }
}

#[test]
fn a_refusal_leaves_before_the_connection_closes() {
    with_store(|store| {
        let mut peer = Peer::new(store, 1000);
        assert_eq!(peer.poll_at(), None);
        peer.files.receive(peer.now, b"PUT a\n", peer.store);
        assert_eq!(peer.wants(), Wants::Nothing);
        peer.listen();
        assert_eq!(peer.wants(), Wants::Close);
        peer.is_over();
    });
}

#[test]
fn two_uploads_of_one_name_are_one_too_many() {
    with_store(|store| {
        let mut first = Files::new();
        first.receive(Instant::default(), b"PUT a 5\nhe", store);
        let mut second = Peer::new(store, 100);
        second
            .says(b"GET a\n")
            .hears("ERROR busy another connection is writing it\n");
        second
            .says(b"PUT a 5\nhello")
            .hears("ERROR busy another connection is writing it\n");
        assert_eq!(second.wants(), Wants::Close);
        second.files.over(Instant::default(), Over::Reset, second.store);
        assert_eq!(first.receive(Instant::default(), b"llo", store), 3);
        Peer::new(store, 100)
            .says(b"GET a")
            .finishes()
            .hears(&std::format!("FILE a 5 {HELLO}\nhello"));
    });
}

#[test]
fn the_old_file_is_whole_until_the_new_one_is() {
    with_store(|store| {
        Peer::new(store, 100).says(b"PUT a 3\nold");
        let mut first = Files::new();
        first.receive(Instant::default(), b"PUT a 5\nhell", store);
        let mut reader = Peer::new(store, 1000);
        reader.says(b"GET a\n");
        assert!(reader.heard.ends_with(b"\nold"));
        first.receive(Instant::default(), b"o", store);
        Peer::new(store, 100)
            .says(b"GET a\n")
            .hears(&std::format!("FILE a 5 {HELLO}\nhello"));
    });
}

#[test]
fn fin_before_the_last_byte_of_a_file_of_which_a_part_is_there_is_told() {
    // What has come behind SEND 2: nothing, the rest's first byte, and of the whole file one and four.
    for (comes, missing) in [("", 3), ("l", 2), ("h", 4), ("hell", 1)] {
        with_store(|store| {
            let put = std::format!("PUT a 5 {HELLO}\n");
            Peer::new(store, 100).says(put.as_bytes()).says(b"hel").is_over();
            let mut peer = Peer::new(store, 100);
            peer.says(put.as_bytes()).hears("SEND 2\n");
            peer.says(comes.as_bytes()).finishes();
            peer.hears(&std::format!(
                "ERROR bad-request the file ended {missing} bytes too early\n"
            ));
            assert_eq!(peer.wants(), Wants::Close);
            peer.is_over();
        });
    }
    // And where it is there, but begins like a command, so that some of it is asked for.
    let sha = crate::store::sha256(&mut core::iter::once(&b"LIST\n12345"[..]));
    let put = std::format!("PUT a 10 {}\n", crate::hex::Hex(&sha));
    for (comes, missing) in [("", 1), ("L", 9), ("LIST\n", 5)] {
        with_store(|store| {
            Peer::new(store, 200)
                .says(put.as_bytes())
                .says(b"LIST\n12345")
                .is_over();
            let mut peer = Peer::new(store, 200);
            peer.says(put.as_bytes()).hears("SEND 9\n");
            peer.says(comes.as_bytes()).finishes();
            peer.hears(&std::format!(
                "ERROR bad-request the file ended {missing} bytes too early\n"
            ));
            peer.is_over();
        });
    }
}

#[test]
fn fin_before_the_last_byte_is_told() {
    with_store(|store| {
        let mut peer = Peer::new(store, 100);
        peer.says(b"PUT a 5\nhel").finishes();
        peer.hears("SEND 0\nERROR bad-request the file ended 2 bytes too early\n");
        assert_eq!(peer.wants(), Wants::Close);
        peer.is_over();
    });
}
