//! Old clients with today's server, and today's clients with an old server, at every split.

use r2_core::client::exchange::{Failure, LocalFailure};
use r2_core::client::get::{Get, Sink};
use r2_core::client::list::{List, Listing};
use r2_core::client::remove::Remove;
use r2_core::client::send::{Send, Source};
use r2_core::files::Files;
use r2_core::name::Name;
use r2_core::session::{Over, Session};
use r2_core::store::ram::{Block, File, RamStore};
use r2_core::store::{Digest, Entry};
use r2_core::time::Instant;
use r2_tests::splits::{Script, Seen, same_for_every_driver};
use sha2::Digest as _;

const CONVERSATIONS: &str = include_str!("../../expected/old-clients.txt");

struct Conversation {
    title: &'static str,
    pieces: Vec<Piece>,
}

enum Piece {
    Said(String),
    Answered(String),
    Reset,
}

fn conversations() -> Vec<Conversation> {
    let read = |line: &str| match line.split_at_checked(2) {
        Some(("> ", said)) => Piece::Said(said.replace("\\n", "\n")),
        Some(("< ", answered)) => Piece::Answered(answered.replace("\\n", "\n")),
        _ if line == "! reset" => Piece::Reset,
        _ => panic!("{line}"),
    };
    let mut sections = CONVERSATIONS.split("\n## ").skip(1);
    let one = |section: &'static str| {
        let (title, lines) = section.split_once('\n').expect("a title");
        let pieces = lines.lines().filter(|line| !line.is_empty()).map(read).collect();
        Conversation { title, pieces }
    };
    sections.by_ref().map(one).collect()
}

#[cfg_attr(test, test)]
pub(crate) fn an_old_client_is_served_by_this_r2() {
    let conversations = conversations();
    assert_eq!(conversations.len(), 12);
    let mut script = Script::new();
    let mut expected = vec![String::new(); conversations.len()];
    for (peer, conversation) in conversations.iter().enumerate() {
        script = script.opens(peer);
        for piece in &conversation.pieces {
            script = match piece {
                Piece::Said(said) => script.sends(peer, said),
                Piece::Answered(answered) => {
                    expected[peer].push_str(answered);
                    script
                }
                Piece::Reset => script.ends(peer, Over::Reset),
            };
        }
    }
    let seen = same_for_every_driver(&script, 40, |driver| {
        let mut blocks: Vec<_> = (0..16).map(|_| Block::EMPTY).collect();
        let mut files: Vec<_> = (0..8).map(|_| File::EMPTY).collect();
        let mut store = RamStore::new(&mut blocks, &mut files, 1000);
        driver.play(&script, &mut store, |_| Files::new())
    });
    for ((conversation, expected), seen) in conversations
        .iter()
        .zip(expected)
        .zip(seen.iter().map(Seen::text))
    {
        assert_eq!(seen, expected, "{}", conversation.title);
    }
}

/// A file of this side.
struct NearFile(Vec<u8>);

impl Source for NearFile {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn sha256(&self) -> Digest {
        sha2::Sha256::digest(&self.0).into()
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, LocalFailure> {
        let rest = &self.0[usize::try_from(offset).expect("a small file")..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl Sink for NearFile {
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

impl Listing for NearFile {
    fn entry(&mut self, file: &Entry) -> Result<(), LocalFailure> {
        self.0.extend_from_slice(file.name.as_str().as_bytes());
        Ok(())
    }
}

/// What an old server says to `PROGRESS`, which it does not know.
const UNKNOWN: &str = "ERROR bad-request a command is PUT <name> <length> [<sha256>], GET <name> [<offset>], LIST or DEL <name>\n";

/// Plays the old server of the conversation called `title`: `client` must say what the old client said, behind `PROGRESS`
/// where it waits for a hash.
fn answered_as<C: Session<NearFile>>(title: &str, size: usize, client: &mut C, world: &mut NearFile) {
    let all = conversations();
    let mut matching = all
        .iter()
        .filter(|conversation| conversation.title.starts_with(title));
    let conversation = matching.next().expect("a conversation of that title");
    let now = Instant::default();
    client.opened(now, world);
    let mut is_new = !title.starts_with("hostapp rm");
    for piece in &conversation.pieces {
        match piece {
            Piece::Said(said) => {
                let wanted = std::mem::take(&mut is_new);
                let said = &if wanted {
                    format!("PROGRESS\n{said}")
                } else {
                    said.clone()
                };
                let mut heard = Vec::new();
                while heard.len() < said.len() {
                    let mut tx = vec![0; size];
                    let filled = client.transmit(now, &mut tx, world);
                    assert_ne!(filled, 0, "{title}: it waits behind {heard:?}");
                    heard.extend_from_slice(&tx[..filled]);
                }
                assert_eq!(String::from_utf8_lossy(&heard), *said, "{title}");
                if wanted {
                    hear(client, UNKNOWN, size, world);
                }
            }
            Piece::Answered(answered) => hear(client, answered, size, world),
            Piece::Reset => client.over(now, Over::Reset, world),
        }
    }
}

fn hear<C: Session<NearFile>>(client: &mut C, answered: &str, size: usize, world: &mut NearFile) {
    for mut piece in answered.as_bytes().chunks(size) {
        while !piece.is_empty() {
            let taken = client.receive(Instant::default(), piece, world);
            assert_ne!(taken, 0, "it never ends");
            piece = &piece[taken..];
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn this_client_is_served_by_an_old_r2() {
    let name = |name: &str| Name::parse(name).expect("a name");
    let done = Some(Ok(()));
    for size in 1..200 {
        let memory = |bytes: &[u8]| NearFile(bytes.to_vec());
        let mut refused = Send::new(name("a"));
        let mut hello = memory(b"hello");
        refused.opened(Instant::default(), &mut hello);
        hear(
            &mut refused,
            &format!("{UNKNOWN}ERROR bad-request there is a word too many\n"),
            size,
            &mut hello,
        );
        let outcome = refused.outcome();
        assert!(
            matches!(outcome, Some(Err(Failure::Refused(why))) if why.code() == "bad-request"),
            "{outcome:?}"
        );
        for (title, of, bytes) in [
            ("hostapp send of", "a", &b"hello"[..]),
            ("hostapp send: the same", "a", b"hello"),
            ("hostapp send: it goes on", "b", b"hello world"),
        ] {
            let mut send = Send::without_resume(name(of));
            answered_as(title, size, &mut send, &mut memory(bytes));
            assert_eq!(send.outcome(), &done, "{title}");
        }
        for (title, of, held, whole) in [
            ("hostapp get", "a", &b""[..], &b"hello"[..]),
            ("hostapp get: it has", "b", b"hello ", b"hello world"),
        ] {
            let (mut get, mut sink) = (Get::new(name(of)), memory(held));
            answered_as(title, size, &mut get, &mut sink);
            assert_eq!((get.outcome(), &sink.0[..]), (&done, whole), "{title}");
        }
        let (mut list, mut listing) = (List::new(), memory(b""));
        answered_as("hostapp ls", size, &mut list, &mut listing);
        assert_eq!((list.outcome(), &listing.0[..]), (&done, &b"ab"[..]));
        let mut remove = Remove::new(name("a"));
        answered_as("hostapp rm", size, &mut remove, &mut memory(b""));
        assert_eq!(remove.outcome(), &done);
    }
}
