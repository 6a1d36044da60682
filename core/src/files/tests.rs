use super::*;
use crate::limits::STORE_TICKETS;
use crate::store::ram::{Block, File, RamStore};
use proptest::prelude::*;
use std::string::String;
use std::vec::Vec;

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn with_store<T>(test: impl FnOnce(&mut RamStore<'_>) -> T) -> T {
    let mut blocks: Vec<_> = (0..8).map(|_| Block::EMPTY).collect();
    let mut files = [const { File::EMPTY }; 4];
    test(&mut RamStore::new(&mut blocks, &mut files, 1024))
}

/// One connection, driven as a driver does.
struct Peer<'s, 'a> {
    files: Files,
    store: &'s mut RamStore<'a>,
    room: usize,
    heard: Vec<u8>,
    now: Instant,
}

impl<'s, 'a> Peer<'s, 'a> {
    fn new(store: &'s mut RamStore<'a>, room: usize) -> Self {
        let now = Instant::default();
        Self {
            files: Files::new(),
            store,
            room,
            heard: Vec::new(),
            now,
        }
    }

    fn listen(&mut self) -> usize {
        let mut tx = std::vec![0; self.room];
        let count = self.files.transmit(self.now, &mut tx, self.store);
        self.heard.extend_from_slice(&tx[..count]);
        assert!(self.heard.len() < 100_000, "it never ends");
        count
    }

    fn says(&mut self, mut bytes: &[u8]) -> &mut Self {
        loop {
            let taken = if bytes.is_empty() {
                0
            } else {
                self.files.receive(self.now, bytes, self.store)
            };
            bytes = &bytes[taken..];
            if self.listen() + taken == 0 {
                assert!(bytes.is_empty(), "nothing moves, and bytes are left");
                return self;
            }
        }
    }

    fn finishes(&mut self) -> &mut Self {
        self.files.finished(self.now, self.store);
        self.says(b"")
    }

    fn hears(&mut self, expected: &str) -> &mut Self {
        assert_eq!(
            String::from_utf8(core::mem::take(&mut self.heard)).unwrap(),
            expected
        );
        self
    }

    fn wants(&self) -> Wants {
        Session::<RamStore<'_>>::wants(&self.files)
    }

    fn poll_at(&self) -> Option<Instant> {
        Session::<RamStore<'_>>::poll_at(&self.files)
    }

    fn is_over(&mut self) {
        self.files.over(self.now, Over::Unknown, self.store);
        let tickets: Vec<_> = core::iter::from_fn(|| self.store.claim()).collect();
        assert_eq!(tickets.len(), STORE_TICKETS, "every ticket is free again");
        for ticket in tickets {
            self.store.release(ticket);
        }
    }
}

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
        peer.says(line.as_bytes()).hears("SEND 3\n");
        peer.says(b"lo").hears(&std::format!("STORED a 5 {HELLO}\n"));
        peer.says(line.as_bytes())
            .hears(&std::format!("SEND 5\nSTORED a 5 {HELLO}\n"));
        peer.is_over();
    });
}

#[test]
fn bytes_that_came_before_send_had_left_are_the_file_whatever_they_are() {
    with_store(|store| {
        let mut peer = Peer::new(store, 1000);
        peer.says(b"PUT a 5\nhello").heard.clear();
        // Nobody can have been asked for anything yet: this body lies, and R2 has what was announced.
        peer.says(std::format!("PUT a 5 {HELLO}\nDEL aLIST\n").as_bytes())
            .hears(&std::format!("SEND 5\nSTORED a 5 {HELLO}\na 5 {HELLO}\nEND\n"));
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

#[test]
fn a_rest_that_is_the_files_front_is_kept_though_nobody_could_know_it() {
    let (text, sha) = (
        "ab-ab",
        crate::store::sha256(&mut core::iter::once(&b"ab-ab"[..])),
    );
    let put = std::format!("PUT a 5 {}\n", crate::hex::Hex(&sha));
    with_store(|store| {
        let mut peer = Peer::new(store, 100);
        peer.says(put.as_bytes()).says(&text.as_bytes()[..3]).is_over();
        let mut peer = Peer::new(store, 100);
        peer.says(put.as_bytes()).says(b"ab").hears("SEND 3\n");
        peer.is_over();
        let mut peer = Peer::new(store, 100);
        peer.says(put.as_bytes());
        peer.hears(&std::format!("SEND 5\nSTORED a 5 {}\n", crate::hex::Hex(&sha)));
        peer.is_over();
    });
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
fn a_put_without_bytes_is_followed_by_commands() {
    with_store(|store| {
        let mut peer = Peer::new(store, 1000);
        peer.says(b"PUT a 0\n").heard.clear();
        peer.says(b"nonsense\n");
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
fn fin_before_the_last_byte_is_told() {
    with_store(|store| {
        let mut peer = Peer::new(store, 100);
        peer.says(b"PUT a 5\nhel").finishes();
        peer.hears("SEND 0\nERROR bad-request the file ended 2 bytes too early\n");
        assert_eq!(peer.wants(), Wants::Close);
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
    fn any_line_gets_exactly_one_answer(
        lines in prop::collection::vec("(LIST|GET|DEL|[ -~]{0,20}|GET [a-c]|DEL [a-c]|PUT [a-c] 0)", 0..20),
        split in 1_usize..40, room in 1_usize..40,
    ) {
        with_store(|store| {
            let mut peer = Peer::new(store, room);
            let mut owed = 0;
            for line in &lines {
                if peer.wants() == Wants::Nothing {
                    owed += 1;
                }
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
