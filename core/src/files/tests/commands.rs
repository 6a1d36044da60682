//! Whole conversations, and what every command has in common.

use super::super::*;
use super::{HELLO, Peer, with_store};
use proptest::prelude::*;
use std::string::String;
use std::vec::Vec;

#[test]
fn a_whole_conversation_is_the_same_at_every_split_and_room() {
    let said = std::format!(
        "PUT a 5 {}\nhelloGET a\r\nGET a 2\nGET a 5\nGET a 6\nPUT b 0\nLIST\nDEL a\nGET a\nDEL a\nLIST",
        HELLO.to_uppercase()
    );
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let expected = std::format!(
        "SEND 0\nSTORED a 5 {HELLO}\nFILE a 5 {HELLO}\nhelloFILE a 5 {HELLO}\nlloFILE a 5 {HELLO}\n\
         ERROR bad-request the offset is behind the end of the file\nSEND 0\nSTORED b 0 {empty}\n\
         a 5 {HELLO}\nb 0 {empty}\nEND\nDELETED a\nERROR not-found no such file\nERROR not-found no such file\n\
         b 0 {empty}\nEND\n"
    );
    for split in [1, 2, 3, 5, 7, 11, 64, 1000] {
        for room in [1, 2, 3, 7, 100, 1000] {
            with_store(|store| {
                let mut peer = Peer::new(store, room);
                for piece in said.as_bytes().chunks(split) {
                    peer.says(piece);
                }
                assert_eq!(peer.wants(), Wants::Nothing);
                peer.finishes().hears(&expected);
                assert_eq!(peer.wants(), Wants::Close);
                peer.is_over();
            });
        }
    }
}

#[test]
fn a_list_is_whole_however_slowly_it_is_read() {
    let names = ["a", "b", "c", "d"].map(|letter| letter.repeat(64));
    with_store(|store| {
        let mut peer = Peer::new(store, 1);
        for name in &names {
            peer.says(std::format!("PUT {name} 0\n").as_bytes());
        }
        peer.heard.clear();
        peer.says(b"LIST\n");
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let lines = names.map(|name| std::format!("{name} 0 {empty}\n"));
        peer.hears(&std::format!("{}END\n", lines.concat()));
        peer.is_over();
    });
}

#[test]
fn a_line_too_long_gets_one_answer() {
    with_store(|store| {
        let mut peer = Peer::new(store, 100);
        peer.says(&[b'x'; 5000]).says(b"\nLIST\n");
        peer.hears("ERROR bad-request the line is too long\nEND\n");
        peer.is_over();
    });
}

#[test]
fn without_a_ticket_a_command_waits() {
    with_store(|store| {
        let tickets: Vec<_> = core::iter::from_fn(|| store.claim()).collect();
        for command in ["PUT a 5", "GET a", "LIST", "DEL a"] {
            let mut files = Files::new();
            files.receive(Instant::default(), std::format!("{command}\n").as_bytes(), store);
            assert_eq!(files.transmit(Instant::default(), &mut [0; 100], store), 0);
            files.over(Instant::default(), Over::Reset, store);
        }
        let mut files = Files::new();
        files.receive(Instant::default(), b"LIST\n", store);
        for ticket in tickets {
            store.release(ticket);
        }
        let mut tx = [0; 100];
        assert_eq!(files.transmit(Instant::default(), &mut tx, store), 4);
        assert_eq!(&tx[..4], b"END\n");
    });
}

proptest! {
    #[test]
    fn any_line_but_enter_behind_a_put_gets_exactly_one_answer(
        lines in prop::collection::vec("(LIST|GET|DEL||[ -~]{0,20}|GET [a-c]|DEL [a-c]|PUT [a-c] 0)", 0..20),
        split in 1_usize..40, room in 1_usize..40,
    ) {
        with_store(|store| {
            let mut peer = Peer::new(store, room);
            let (mut owed, mut behind_put) = (0, false);
            for line in &lines {
                if peer.wants() == Wants::Nothing && !(behind_put && line.is_empty()) {
                    owed += 1;
                }
                behind_put = line.starts_with("PUT ");
                for piece in std::format!("{line}\n").as_bytes().chunks(split) {
                    peer.says(piece);
                }
            }
            peer.finishes();
            prop_assert_eq!(peer.wants(), Wants::Close);
            let heard = String::from_utf8(peer.heard.clone()).unwrap();
            let is_answer = |line: &&str| {
                ["STORED ", "FILE ", "DELETED ", "ERROR ", "END"].iter().any(|word| line.starts_with(word))
            };
            prop_assert_eq!(heard.lines().filter(is_answer).count(), owed);
            peer.is_over();
            Ok(())
        })?;
    }

    #[test]
    fn any_bytes_at_any_split_are_taken(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        split in 1_usize..300, room in 1_usize..300,
    ) {
        with_store(|store| {
            let mut peer = Peer::new(store, room);
            for piece in bytes.chunks(split) {
                peer.says(piece);
            }
            peer.finishes();
            assert_ne!(peer.wants(), Wants::Nothing);
            peer.is_over();
        });
    }
}

#[test]
fn a_hundred_commands_in_one_packet_get_a_hundred_answers() {
    with_store(|store| {
        let mut peer = Peer::new(store, 1000);
        peer.says("DEL a\n".repeat(100).as_bytes());
        peer.hears(&"ERROR not-found no such file\n".repeat(100))
            .is_over();
    });
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_does_not_look_whole() {
    with_store(|store| {
        let mut peer = Peer::new(store, 100);
        peer.files.ticket = peer.store.claim();
        // Nothing is open under this ticket: the store fails to read.
        peer.files.step = Step::Send { offset: 3, length: 5 };
        peer.listen();
        assert_eq!(peer.wants(), Wants::Abort);
        peer.is_over();
    });
}
