//! Sending a file.

use super::{HeldFile, TO_THE_END, join, name, with_store};
use crate::client::exchange::{Failure, LocalFailure};
use crate::client::send::{Send, Source};
use crate::session::{Session, Wants};
use crate::store::Digest;
use crate::time::Instant;

#[test]
fn a_send_that_broke_goes_on_where_it_was() {
    with_store(|store| {
        let mut source = HeldFile(std::vec![7; 5000]);
        let mut first = Send::new(name("a"));
        join(&mut first, &mut source, store, 500, 4);
        assert_eq!(first.outcome(), &Some(Err(Failure::Broken)));
        let mut counted = Counted {
            source: HeldFile(std::vec![7; 5000]),
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
    source: HeldFile,
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
        let mut source = HeldFile(b"hello".to_vec());
        let mut send = Send::new(name("a"));
        send.opened(Instant::default(), &mut source);
        send.receive(Instant::default(), said.as_bytes(), &mut source);
        assert_eq!(send.outcome(), &Some(Err(Failure::Violation)), "{said}");
        assert_eq!(Session::<HeldFile>::wants(&send), Wants::Abort);
    }
}
