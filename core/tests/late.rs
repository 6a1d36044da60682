//! Sessions over a store that answers later, and tells later what went wrong.

#[allow(unreachable_pub, reason = "tests of the whole server reach it in a library")]
#[path = "late/slow.rs"]
mod slow;

use r2_core::drop::Deposit;
use r2_core::files::Files;
use r2_core::session::{Over, Session, Wants};
use r2_core::store::ram::{Block, File, RamStore};
use r2_core::store::{Store, StoreError};
use r2_core::time::Instant;

use self::slow::Slow;

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const NOW: Instant = Instant::from_millis(0);

fn with_store(test: impl FnOnce(&mut Slow<RamStore<'_>>)) {
    let mut blocks: Vec<_> = (0..8).map(|_| Block::EMPTY).collect();
    let mut files = [const { File::EMPTY }; 4];
    test(&mut Slow::new(RamStore::new(&mut blocks, &mut files, 1024)));
}

/// What the session says until the store has no more news.
fn heard<S: Store>(session: &mut impl Session<S>, store: &mut S) -> String {
    let (mut tx, mut heard) = ([0; 1000], Vec::new());
    loop {
        let revision = store.revision();
        let count = session.transmit(NOW, &mut tx, store);
        heard.extend_from_slice(&tx[..count]);
        assert!(heard.len() < 10_000, "it never ends");
        if count == 0 && store.revision() == revision {
            return String::from_utf8(heard).expect("text");
        }
    }
}

/// Says everything, as often as it takes.
fn say<S: Store>(session: &mut impl Session<S>, mut bytes: &[u8], store: &mut S) {
    for _ in 0..1000 {
        if bytes.is_empty() {
            return;
        }
        let taken = session.receive(NOW, bytes, store);
        bytes = &bytes[taken..];
    }
    panic!("{} bytes are never taken", bytes.len());
}

#[test]
fn an_answer_comes_when_the_store_has_one() {
    with_store(|store| {
        let mut files = Files::new();
        say(&mut files, b"PUT a 5\n", store);
        assert_eq!(heard(&mut files, store), "SEND 0\n");
        say(&mut files, b"hello", store);
        store.stall(true);
        assert_eq!(heard(&mut files, store), "");
        store.stall(false);
        assert_eq!(heard(&mut files, store), format!("STORED a 5 {HELLO}\n"));
        for (command, answer) in [
            ("GET a\n", format!("FILE a 5 {HELLO}\nhello")),
            ("LIST\n", format!("a 5 {HELLO}\nEND\n")),
            ("DEL a\n", "DELETED a\n".into()),
        ] {
            say(&mut files, command.as_bytes(), store);
            assert_eq!(heard(&mut files, store), answer);
        }
        files.over(NOW, Over::Delivered, store);

        let mut deposit = Deposit::new();
        say(&mut deposit, b"hello", store);
        deposit.finished(NOW, store);
        let receipt = format!("stored drop-0001 5 bytes sha256 {HELLO}\n");
        assert_eq!(heard(&mut deposit, store), receipt);
    });
}

#[test]
fn bytes_that_were_taken_and_lost_end_an_upload_though_no_more_come() {
    with_store(|store| {
        let mut files = Files::new();
        say(&mut files, b"PUT a 5\n", store);
        assert_eq!(heard(&mut files, store), "SEND 0\n");
        say(&mut files, b"he", store);
        store.fail(StoreError::NoSpace);
        assert_eq!(heard(&mut files, store), "ERROR no-space no space\n");
        assert_eq!(files_want(&files), Wants::Close);
        files.over(NOW, Over::Delivered, store);

        let mut deposit = Deposit::new();
        say(&mut deposit, b"he", store);
        assert_eq!(heard(&mut deposit, store), "");
        store.fail(StoreError::Io);
        assert_eq!(
            heard(&mut deposit, store),
            "failed drop-0001 the store failed after 2 bytes\n"
        );
    });
}

fn files_want(files: &Files) -> Wants {
    Session::<Slow<RamStore<'_>>>::wants(files)
}
