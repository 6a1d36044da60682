//! Clients against the service itself, joined in memory.

use super::exchange::{Failure, LocalFailure};
use super::get::{Get, Sink};
use super::list::{List, Listing};
use super::remove::Remove;
use super::send::{Send, Source};
use crate::files::Files;
use crate::limits::FILES_ANSWER_MAX;
use crate::name::Name;
use crate::session::{Over, Session, Wants};
use crate::store::ram::{Block, File, RamStore};
use crate::store::{Digest, Entry};
use crate::time::Instant;
use sha2::Digest as _;
use std::vec::Vec;

struct Memory(Vec<u8>);

impl Source for Memory {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn sha256(&self) -> Digest {
        sha2::Sha256::digest(&self.0).into()
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, LocalFailure> {
        let rest = &self.0[usize::try_from(offset).unwrap()..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl Sink for Memory {
    fn held(&self) -> u64 {
        self.0.len() as u64
    }

    fn announced(&mut self, _: &Entry) -> Result<(), LocalFailure> {
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), LocalFailure> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn sha256(&mut self) -> Result<Digest, LocalFailure> {
        Ok(Source::sha256(self))
    }
}

impl Listing for Vec<Entry> {
    fn entry(&mut self, file: &Entry) -> Result<(), LocalFailure> {
        self.push(file.clone());
        Ok(())
    }
}

fn with_store(test: impl FnOnce(&mut RamStore<'_>)) {
    let mut blocks: Vec<_> = (0..64).map(|_| Block::EMPTY).collect();
    let mut files = [const { File::EMPTY }; 4];
    test(&mut RamStore::new(&mut blocks, &mut files, u64::MAX));
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// One way of the wire: moves at most `room` bytes.
fn carry<A: Session<V>, V, B: Session<W>, W>(
    wire: &mut Vec<u8>,
    room: usize,
    (from, theirs): (&mut A, &mut V),
    (to, ours): (&mut B, &mut W),
) -> bool {
    let now = Instant::default();
    let mut tx = std::vec![0; room];
    let count = from.transmit(now, &mut tx, theirs);
    wire.extend_from_slice(&tx[..count]);
    let taken = if wire.is_empty() {
        0
    } else {
        to.receive(now, wire, ours)
    };
    wire.drain(..taken);
    count + taken > 0
}

/// More rounds than any conversation here has.
const TO_THE_END: usize = 20_000;

/// Joins a client with the service until neither moves; breaks off after `most` rounds.
fn join<C: Session<W>, W>(client: &mut C, world: &mut W, store: &mut RamStore<'_>, room: usize, most: usize) {
    let mut service = Files::new();
    let now = Instant::default();
    let (mut there, mut back) = (Vec::new(), Vec::new());
    client.opened(now, world);
    for _ in 0..most {
        let said = carry(&mut there, room, (client, world), (&mut service, store));
        let answered = carry(&mut back, room, (&mut service, store), (client, world));
        if !(said || answered) {
            break;
        }
    }
    if client.wants() == Wants::Close {
        Session::<RamStore<'_>>::finished(&mut service, now, store);
    }
    service.over(now, Over::Reset, store);
    client.over(now, Over::Reset, world);
}

#[test]
fn what_is_sent_is_listed_fetched_and_removed_at_every_room() {
    for room in [1, 2, 3, 7, 64, 1000, 10_000] {
        with_store(|store| {
            let bytes: Vec<u8> = (0..3000_u32).map(|i| i.to_le_bytes()[0]).collect();
            let mut source = Memory(bytes.clone());
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
                let mut sink = Memory(bytes[..held].to_vec());
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
fn a_send_that_broke_goes_on_where_it_was() {
    with_store(|store| {
        let mut source = Memory(std::vec![7; 5000]);
        let mut first = Send::new(name("a"));
        join(&mut first, &mut source, store, 500, 4);
        assert_eq!(first.outcome(), &Some(Err(Failure::Broken)));
        let mut counted = Counted {
            source: Memory(std::vec![7; 5000]),
            read: 0,
        };
        let mut second = Send::new(name("a"));
        join(&mut second, &mut counted, store, 500, TO_THE_END);
        assert_eq!(second.outcome(), &Some(Ok(())));
        assert!(
            counted.read > 0 && counted.read < 5000,
            "read {} again",
            counted.read
        );
    });
}

struct Counted {
    source: Memory,
    read: usize,
}

impl Source for Counted {
    fn length(&self) -> u64 {
        self.source.length()
    }

    fn sha256(&self) -> Digest {
        Source::sha256(&self.source)
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, LocalFailure> {
        let count = self.source.read(offset, into)?;
        self.read += count;
        Ok(count)
    }
}

#[test]
fn a_front_of_another_file_is_a_mismatch() {
    with_store(|store| {
        join(
            &mut Send::new(name("a")),
            &mut Memory(b"hello".to_vec()),
            store,
            100,
            TO_THE_END,
        );
        let mut get = Get::new(name("a"));
        join(&mut get, &mut Memory(b"hal".to_vec()), store, 100, TO_THE_END);
        assert_eq!(get.outcome(), &Some(Err(Failure::Mismatch)));
    });
}

#[test]
fn an_answer_that_was_not_asked_for_is_a_violation() {
    let sha = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    for said in [
        "SEND 6\n",
        "SEND x\n",
        "END\n",
        "hello\n",
        "\n",
        "\u{e4}\n",
        &std::format!("STORED a 5 {sha}\n"),
    ] {
        let mut source = Memory(b"hello".to_vec());
        let mut send = Send::new(name("a"));
        send.opened(Instant::default(), &mut source);
        send.receive(Instant::default(), said.as_bytes(), &mut source);
        assert_eq!(send.outcome(), &Some(Err(Failure::Violation)), "{said}");
        assert_eq!(Session::<Memory>::wants(&send), Wants::Abort);
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
        let send = told(Send::new(name("a")), &mut Memory(b"hello".to_vec()), said);
        assert_eq!(send.heard(), heard.as_bytes());
        assert_eq!(send.is_wanted(), said.starts_with("SEND"));
    }
}

#[test]
fn a_file_called_error_is_listed_as_a_file() {
    let mut listing = Vec::new();
    let mut list = List::new();
    let sha = "00".repeat(32);
    let said = std::format!("ERROR 5 {sha}\nERROR io the store failed\n");
    let mut rest = said.as_bytes();
    while !rest.is_empty() {
        let taken = list.receive(Instant::default(), rest, &mut listing);
        assert_ne!(taken, 0, "it never ends");
        rest = &rest[taken..];
    }
    assert_eq!(listing.len(), 1);
    assert!(matches!(list.outcome(), Some(Err(Failure::Refused(why))) if why.code() == "io"));
}

/// `client` asks and hears all of `said`, in pieces of three bytes.
fn told<C: Session<W>, W>(mut client: C, world: &mut W, said: &str) -> C {
    client.opened(Instant::default(), world);
    for mut piece in said.as_bytes().chunks(3) {
        while !piece.is_empty() {
            let taken = client.receive(Instant::default(), piece, world);
            assert_ne!(taken, 0, "it never ends");
            piece = &piece[taken..];
        }
    }
    assert_eq!(client.poll_at(), None);
    client
}

#[test]
fn a_client_believes_only_an_answer_to_what_it_asked() {
    let sha = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let other = "00".repeat(32);
    let (done, violation) = (Some(Ok(())), Some(Err(Failure::Violation)));
    let hello = || Memory(b"hello".to_vec());
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
        let mut held = Memory(b"hel".to_vec());
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
            &mut Memory(b"hel".to_vec()),
            &std::format!("{before}FILE {entry}lo"),
        );
        assert_eq!(get.outcome(), &done, "{before}");
        let mut hello = Memory(b"hello".to_vec());
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
            &mut Memory(Vec::new()),
            &std::format!("{said}{refused}"),
        );
        assert!(matches!(get.outcome(), Some(Err(Failure::Refused(_)))), "{said}");
    }
    let twice = std::format!("{older}{older}");
    let get = told(Get::new(name("a")), &mut Memory(Vec::new()), &twice);
    assert!(matches!(get.outcome(), Some(Err(Failure::Refused(_)))));
    let remove = told(Remove::new(name("a")), &mut (), older);
    assert!(
        matches!(remove.outcome(), Some(Err(Failure::Refused(_)))),
        "it did not ask"
    );
}

#[test]
fn what_a_client_knows_of_a_file_grows_with_what_has_come() {
    let said = std::format!("FILE a 5 {}\n", "00".repeat(32));
    let mut held = Memory(b"hel".to_vec());
    let mut get = told(Get::new(name("a")), &mut held, "");
    assert_eq!((get.file(), get.progress()), (None, 3));
    get.receive(Instant::default(), said.as_bytes(), &mut held);
    assert_eq!((get.file().map(|file| file.length), get.progress()), (Some(5), 3));
    get.receive(Instant::default(), b"l", &mut held);
    assert_eq!((get.progress(), &held.0[..]), (4, &b"hell"[..]));
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
    let memory = &mut Memory(Vec::new());
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
