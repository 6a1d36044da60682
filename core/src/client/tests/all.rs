//! What the four clients have in common.

use super::{HeldFile, TO_THE_END, join, name, told, with_store};
use crate::client::exchange::{Failure, LocalFailure};
use crate::client::get::{Get, Sink};
use crate::client::list::{List, Listing};
use crate::client::remove::Remove;
use crate::client::send::{Send, Source};
use crate::limits::FILES_ANSWER_MAX;
use crate::session::{Over, Session, Wants};
use crate::store::{Digest, Entry};
use crate::time::Instant;
use std::vec::Vec;

#[test]
fn what_is_sent_is_listed_fetched_and_removed_at_every_room() {
    for room in [1, 2, 3, 7, 64, 1000, 10_000] {
        with_store(|store| {
            let bytes: Vec<u8> = (0..3000_u32).map(|i| i.to_le_bytes()[0]).collect();
            let mut source = HeldFile(bytes.clone());
            let mut send = Send::new(name("a"));
            join(&mut send, &mut source, store, room, TO_THE_END);
            assert_eq!((send.outcome(), send.progress()), (&Some(Ok(())), 3000));

            let mut listing = Vec::new();
            let mut list = List::new();
            join(&mut list, &mut listing, store, room, TO_THE_END);
            assert_eq!(list.outcome(), &Some(Ok(())));
            assert_eq!(
                (listing[0].name.as_str(), listing[0].length, listing.len()),
                ("a", 3000, 1)
            );

            for held in [0, 1, 2999, 3000] {
                let mut sink = HeldFile(bytes[..held].to_vec());
                let mut get = Get::new(name("a"));
                join(&mut get, &mut sink, store, room, TO_THE_END);
                assert_eq!((get.outcome(), get.progress()), (&Some(Ok(())), 3000));
                assert_eq!(sink.0, bytes);
            }

            let mut remove = Remove::new(name("a"));
            join(&mut remove, &mut (), store, room, TO_THE_END);
            assert_eq!(remove.outcome(), &Some(Ok(())));
            let mut again = Remove::new(name("a"));
            join(&mut again, &mut (), store, room, TO_THE_END);
            let Some(Err(Failure::Refused(why))) = again.outcome() else {
                panic!("{:?}", again.outcome());
            };
            assert_eq!((why.code(), why.text()), ("not-found", "no such file"));
        });
    }
}

#[test]
fn a_line_without_an_end_is_no_answer_and_what_was_heard_is_known() {
    let endless = std::vec![b'x'; FILES_ANSWER_MAX + 1];
    let mut list = List::new();
    list.opened(Instant::default(), &mut Vec::new());
    let taken = list.receive(Instant::default(), &endless, &mut Vec::new());
    assert_eq!(taken, endless.len());
    assert_eq!(list.outcome(), &Some(Err(Failure::Violation)));
    assert_eq!(list.heard(), &endless[..FILES_ANSWER_MAX]);

    let fits = std::string::String::from("x").repeat(FILES_ANSWER_MAX);
    let remove = told(Remove::new(name("a")), &mut (), &fits);
    assert_eq!(remove.outcome(), &None);

    for (said, heard) in [
        ("", ""),
        ("SSH-2.0-x\r\n", "SSH-2.0-x"),
        ("SEND 0\nhel", "hel"),
        ("220 ready", "220 ready"),
    ] {
        let send = told(Send::new(name("a")), &mut HeldFile(b"hello".to_vec()), said);
        assert_eq!(send.heard(), heard.as_bytes());
        assert_eq!(send.is_wanted(), said.starts_with("SEND"));
    }
}

#[test]
fn a_client_believes_only_an_answer_to_what_it_asked() {
    let sha = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let other = "00".repeat(32);
    let (done, violation) = (Some(Ok(())), Some(Err(Failure::Violation)));
    let hello = || HeldFile(b"hello".to_vec());
    for (said, outcome) in [
        ("SEND 5\n", &None),
        (&std::format!("SEND 5\nSTORED a 5 {sha}\n"), &done),
        (&std::format!("SEND 5\nSTORED b 5 {sha}\n"), &violation),
        (&std::format!("SEND 5\nSTORED a 4 {sha}\n"), &violation),
        (&std::format!("SEND 5\nSTORED a 5 {other}\n"), &violation),
        (&std::format!("SEND 4\nSTORED a 5 {sha}\n"), &violation),
        ("SEND 5\nSEND 5\n", &violation),
    ] {
        let send = told(Send::new(name("a")), &mut hello(), said);
        assert_eq!(send.outcome(), outcome, "{said}");
    }
    for (said, outcome) in [
        (std::format!("FILE a 5 {sha}\nl"), &None),
        (std::format!("FILE a 5 {sha}\nlo"), &done),
        (std::format!("FILE a.unconfirmed 5 {sha}\nlo"), &done),
        (
            std::format!("FILE a 5 {other}\nlo"),
            &Some(Err(Failure::Mismatch)),
        ),
        (std::format!("FILE b 5 {sha}\n"), &violation),
        (std::format!("FILE a 2 {sha}\n"), &violation),
        (std::format!("STORED a 5 {sha}\n"), &violation),
    ] {
        let mut held = HeldFile(b"hel".to_vec());
        let get = told(Get::new(name("a")), &mut held, &said);
        assert_eq!(get.outcome(), outcome, "{said}");
    }
    for (said, outcome) in [
        ("DELETED a\n", &done),
        ("DELETED b\n", &violation),
        ("END\n", &violation),
    ] {
        let remove = told(Remove::new(name("a")), &mut (), said);
        assert_eq!(remove.outcome(), outcome, "{said}");
    }
    for (said, outcome) in [
        (std::format!("a 5 {sha}\n"), &None),
        (std::format!("a 5 {sha}\nEND\n"), &done),
        (std::format!("a 5 {sha} x\nEND\n"), &violation),
        (std::format!("FILE a 5 {sha}\n"), &violation),
    ] {
        let list = told(List::new(), &mut Vec::new(), &said);
        assert_eq!(list.outcome(), outcome, "{said}");
    }
}

#[test]
fn a_client_hears_of_progress_and_bears_a_server_that_knows_none() {
    let sha = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let entry = std::format!("a 5 {sha}\n");
    let done = Some(Ok(()));
    let working = "* progress every 5 s\n* hashing 12 %\n* waiting\n";
    let older = "ERROR bad-request a command is PUT <name> <length> [<sha256>]\n";
    for before in ["", working, older] {
        let list = told(
            List::new(),
            &mut Vec::new(),
            &std::format!("{before}{entry}END\n"),
        );
        assert_eq!(list.outcome(), &done, "{before}");
        let get = told(
            Get::new(name("a")),
            &mut HeldFile(b"hel".to_vec()),
            &std::format!("{before}FILE {entry}lo"),
        );
        assert_eq!(get.outcome(), &done, "{before}");
        let mut hello = HeldFile(b"hello".to_vec());
        let send = told(
            Send::new(name("a")),
            &mut hello,
            &std::format!("{before}SEND 5\n* hashing 1 %\nSTORED {entry}"),
        );
        assert_eq!(send.outcome(), &done, "{before}");
    }
    // An answer to the command itself is not mistaken for one to the question before it.
    for said in ["* progress every 5 s\n", "", older] {
        let refused = "ERROR not-found no such file\n";
        let get = told(
            Get::new(name("a")),
            &mut HeldFile(Vec::new()),
            &std::format!("{said}{refused}"),
        );
        assert!(matches!(get.outcome(), Some(Err(Failure::Refused(_)))), "{said}");
    }
    let twice = std::format!("{older}{older}");
    let get = told(Get::new(name("a")), &mut HeldFile(Vec::new()), &twice);
    assert!(matches!(get.outcome(), Some(Err(Failure::Refused(_)))));
    let remove = told(Remove::new(name("a")), &mut (), older);
    assert!(
        matches!(remove.outcome(), Some(Err(Failure::Refused(_)))),
        "it did not ask"
    );
}

#[test]
fn a_connection_that_ends_early_is_told_from_one_that_ends_in_time() {
    fn ended<C: Session<W>, W>(mut client: C, world: &mut W, by_fin: bool) -> C {
        if by_fin {
            client.finished(Instant::default(), world);
        } else {
            client.over(Instant::default(), Over::Reset, world);
        }
        assert_eq!(client.wants(), Wants::Close);
        client
    }
    let broken = Some(Err(Failure::Broken));
    let memory = &mut HeldFile(Vec::new());
    for by_fin in [true, false] {
        let send = ended(told(Send::new(name("a")), memory, ""), memory, by_fin);
        assert_eq!(send.outcome(), &broken);
        let get = ended(told(Get::new(name("a")), memory, ""), memory, by_fin);
        assert_eq!(get.outcome(), &broken);
        let list = ended(told(List::new(), &mut Vec::new(), ""), &mut Vec::new(), by_fin);
        assert_eq!(list.outcome(), &broken);
        let remove = ended(told(Remove::new(name("a")), &mut (), ""), &mut (), by_fin);
        assert_eq!(remove.outcome(), &broken);
        let done = told(Remove::new(name("a")), &mut (), "DELETED a\n");
        assert_eq!(ended(done, &mut (), by_fin).outcome(), &Some(Ok(())));
    }
}

/// A file, and a reader of lists, that fail from the first byte on.
struct Failing;

impl Source for Failing {
    fn length(&self) -> u64 {
        5
    }

    fn sha256(&self) -> Digest {
        [0; 32]
    }

    fn read(&mut self, _: u64, _: &mut [u8]) -> Result<usize, LocalFailure> {
        Err(LocalFailure)
    }
}

impl Sink for Failing {
    fn held(&self) -> u64 {
        0
    }

    fn announced(&mut self, _: &Entry) -> Result<(), LocalFailure> {
        Ok(())
    }

    fn append(&mut self, _: &[u8]) -> Result<(), LocalFailure> {
        Err(LocalFailure)
    }

    fn sha256(&mut self) -> Result<Digest, LocalFailure> {
        Err(LocalFailure)
    }
}

impl Listing for Failing {
    fn entry(&mut self, _: &Entry) -> Result<(), LocalFailure> {
        Err(LocalFailure)
    }
}

#[test]
fn a_failure_of_this_side_breaks_off() {
    let (local, sha) = (Some(Err(Failure::Local)), "00".repeat(32));
    let mut send = told(Send::new(name("a")), &mut Failing, "SEND 0\n");
    let mut tx = [0; 200];
    let asked = send.transmit(Instant::default(), &mut tx, &mut Failing);
    assert_eq!(
        &tx[..asked],
        std::format!("PROGRESS\nPUT a 5 {sha} resume\n").as_bytes()
    );
    assert_eq!(send.outcome(), &local);
    for length in [0, 5] {
        let said = std::format!("FILE a {length} {sha}\nhello");
        let get = told(Get::new(name("a")), &mut Failing, &said);
        assert_eq!(get.outcome(), &local, "of {length} bytes");
    }
    let list = told(List::new(), &mut Failing, &std::format!("a 5 {sha}\nEND\n"));
    assert_eq!(list.outcome(), &local);
    assert_eq!(Session::<Failing>::wants(&list), Wants::Abort);
}
