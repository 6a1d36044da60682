//! `drop`: raw bytes and FIN, and what comes back.

use super::exchange::{BLANK, Failure, LocalFailure, Refusal, entry, refusal};
use crate::limits::{CLIENT_LINE_MAX, FILES_ANSWER_MAX};
use crate::line::{Line, LineReader};
use crate::session::{Over, Session, Wants};
use crate::store::Entry;
use crate::time::Instant;

/// Where the bytes come from.
pub trait Stream {
    /// Moves the next bytes into the front of `into`, which is not empty, and returns how many; 0 at the end.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, LocalFailure>;
}

/// Sends all bytes of a stream and FIN, and reads to the receipt, or to the other side's FIN where that is no R2.
#[derive(Debug, Default)]
pub struct Raw {
    sent: u64,
    /// The stream has come to its end: FIN follows.
    has_ended: bool,
    peer_finished: bool,
    line: LineReader<FILES_ANSWER_MAX>,
    /// The line in `line` is kept: the first that R2 does not say.
    is_strange: bool,
    /// Bytes that came.
    heard: u64,
    outcome: Option<Result<Option<Entry>, Failure>>,
}

impl Raw {
    /// Will send a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes were sent.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// How it ended: with a receipt, or in order without one. `None` while it has not. [`Failure::Violation`] is an answer
    /// that does not end; [`Failure::Refused`] has the upload's name as its code.
    pub const fn outcome(&self) -> Option<&Result<Option<Entry>, Failure>> {
        self.outcome.as_ref()
    }

    /// The first line that R2 does not say, or what has come of a line.
    pub fn heard(&self) -> &[u8] {
        let (Line::Whole(line) | Line::TooLong(line)) = self.line.line();
        line
    }

    /// Keeps the first outcome.
    fn end(&mut self, outcome: Result<Option<Entry>, Failure>) {
        self.outcome.get_or_insert(outcome);
    }

    /// A line is complete, or is too long for one of R2's.
    fn read(&mut self) {
        match said(self.line.line()) {
            Some(Said::Stored(file)) => self.end(Ok(Some(file))),
            Some(Said::Failed(why)) => self.end(Err(Failure::Refused(why))),
            Some(Said::Waits) => self.line.clear(),
            None => self.is_strange = true,
        }
    }
}

/// A line of R2's drop service.
enum Said {
    Stored(Entry),
    Failed(Refusal),
    Waits,
}

/// `None` for a line that R2 never says.
fn said(line: Line<'_>) -> Option<Said> {
    let Line::Whole(bytes) = line else {
        return None;
    };
    let text = core::str::from_utf8(bytes).ok()?;
    if text.starts_with("waiting: ") {
        Some(Said::Waits)
    } else if let Some(why) = text.strip_prefix("failed ") {
        Some(Said::Failed(refusal(why)))
    } else {
        let (file, sha256) = text.strip_prefix("stored ")?.split_once(" bytes sha256 ")?;
        entry(file.split(BLANK).chain([sha256])).map(Said::Stored)
    }
}

impl<S: Stream + ?Sized> Session<S> for Raw {
    fn receive(&mut self, _: Instant, rx: &[u8], _: &mut S) -> usize {
        self.heard = self.heard.saturating_add(rx.len() as u64);
        let mut rest = rx;
        while !rest.is_empty() && !self.is_strange && self.outcome.is_none() {
            let (taken, is_whole) = self.line.take(rest);
            if is_whole || matches!(self.line.line(), Line::TooLong(_)) {
                self.read();
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
        // Somebody may send everything back, and say something about it.
        if self.heard > self.sent.saturating_add(CLIENT_LINE_MAX as u64) {
            self.end(Err(Failure::Violation));
        }
        rx.len()
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], stream: &mut S) -> usize {
        if self.has_ended || self.outcome.is_some() || tx.is_empty() {
            return 0;
        }
        match stream.read(tx) {
            Ok(0) => {
                self.has_ended = true;
                0
            }
            Ok(read) => {
                let read = read.min(tx.len());
                self.sent = self.sent.saturating_add(read as u64);
                read
            }
            Err(LocalFailure) => {
                self.end(Err(Failure::Local));
                0
            }
        }
    }

    /// A listener that has nothing to say may close its direction first, and still read.
    fn finished(&mut self, _: Instant, _: &mut S) {
        self.peer_finished = true;
    }

    fn over(&mut self, _: Instant, how: Over, _: &mut S) {
        let broke = matches!(how, Over::Reset | Over::TimedOut | Over::Stopped);
        let in_order = !broke && self.has_ended && self.peer_finished;
        self.end(if in_order { Ok(None) } else { Err(Failure::Broken) });
    }

    fn wants(&self) -> Wants {
        match &self.outcome {
            Some(Err(Failure::Violation | Failure::Local)) => Wants::Abort,
            outcome => Wants::close_if(self.has_ended || outcome.is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drop::Deposit;
    use crate::store::Store;
    use crate::store::ram::{Block, File, RamStore};
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    const NOW: Instant = Instant::from_millis(0);
    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    /// Bytes, and whether they can be read to their end.
    struct Bytes(Vec<u8>, bool);

    impl Stream for Bytes {
        fn read(&mut self, into: &mut [u8]) -> Result<usize, LocalFailure> {
            if self.0.is_empty() && !self.1 {
                return Err(LocalFailure);
            }
            let count = into.len().min(self.0.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    /// Everything that is sent, with room for `room` bytes at once.
    fn sent(raw: &mut Raw, bytes: &mut Bytes, room: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        let mut tx = std::vec![0; room];
        while Session::<Bytes>::wants(raw) == Wants::Nothing {
            let filled = raw.transmit(NOW, &mut tx, bytes);
            sent.extend_from_slice(&tx[..filled]);
        }
        sent
    }

    /// What it comes to when all was sent, `answer` comes in pieces, and the other side closes.
    fn outcome(answer: &str, piece: usize) -> (Raw, Wants) {
        let (mut raw, mut bytes) = (Raw::new(), Bytes(b"hello".to_vec(), true));
        sent(&mut raw, &mut bytes, 100);
        for piece in answer.as_bytes().chunks(piece) {
            assert_eq!(raw.receive(NOW, piece, &mut bytes), piece.len());
        }
        raw.finished(NOW, &mut bytes);
        raw.over(NOW, Over::Unknown, &mut bytes);
        let wants = Session::<Bytes>::wants(&raw);
        (raw, wants)
    }

    #[test]
    fn the_service_itself_gives_a_receipt_for_what_was_sent() {
        for length in [0, 1, 1000] {
            for room in [1, 7, 2000] {
                let content: Vec<u8> = (0..=255).cycle().take(length).collect();
                let mut blocks: Vec<_> = (0..8).map(|_| Block::EMPTY).collect();
                let mut files: Vec<_> = (0..4).map(|_| File::EMPTY).collect();
                let mut store = RamStore::new(&mut blocks, &mut files, 4096);
                let mut service = Deposit::new();
                let (mut raw, mut bytes) = (Raw::new(), Bytes(content.clone(), true));
                for piece in sent(&mut raw, &mut bytes, room).chunks(room) {
                    assert_eq!(service.receive(NOW, piece, &mut store), piece.len());
                }
                assert_eq!(raw.sent(), length as u64);
                service.finished(NOW, &mut store);
                let mut tx = [0; 300];
                let filled = service.transmit(NOW, &mut tx, &mut store);
                for piece in tx[..filled].chunks(room) {
                    raw.receive(NOW, piece, &mut bytes);
                }
                service.over(NOW, Over::Delivered, &mut store);
                let Some(Ok(Some(receipt))) = raw.outcome() else {
                    panic!("{:?}", raw.outcome());
                };
                let ticket = store.claim().unwrap();
                let core::task::Poll::Ready(Ok(Some(stored))) = store.next(&ticket, None) else {
                    panic!("nothing is stored");
                };
                assert_eq!(*receipt, stored);
                store.release(ticket);
            }
        }
    }

    #[test]
    fn what_r2_says_meanwhile_is_no_receipt() {
        let receipt = format!("stored drop-0001 5 bytes sha256 {HELLO}");
        for piece in [1, 9, 999] {
            for answer in [
                format!("{receipt}\n"),
                format!("{receipt}\r\n"),
                format!("waiting: 3 bytes so far; end with FIN (nc -N, -q 1) or Ctrl-C\n{receipt}\n"),
            ] {
                let (raw, wants) = outcome(&answer, piece);
                let Some(Ok(Some(file))) = raw.outcome() else {
                    panic!("{answer}");
                };
                assert_eq!((file.name.as_str(), file.length), ("drop-0001", 5));
                assert_eq!(crate::hex::Hex(&file.sha256).to_string(), HELLO);
                assert_eq!(wants, Wants::Close);
            }
        }
    }

    #[test]
    fn who_says_something_else_has_given_no_receipt() {
        let long = "x".repeat(1000);
        for (answer, heard) in [
            ("", ""),
            ("hello", "hello"),
            ("thanks\nfor all\n", "thanks"),
            ("stored\n", "stored"),
            ("stored drop-0001 5 bytes\n", "stored drop-0001 5 bytes"),
            (&*format!("stored ../x 5 bytes sha256 {HELLO}\n"), "stored ../x"),
            (&*format!("stored x y 5 bytes sha256 {HELLO}\n"), "stored x y"),
            (&*format!("ok\nstored drop-0001 5 bytes sha256 {HELLO}\n"), "ok"),
            (&*long, "xxx"),
        ] {
            for piece in [1, 999] {
                let (raw, wants) = outcome(answer, piece);
                assert_eq!(raw.outcome(), Some(&Ok(None)), "{answer}");
                assert!(raw.heard().starts_with(heard.as_bytes()), "{answer}");
                assert_eq!(wants, Wants::Close);
            }
        }
    }

    #[test]
    fn r2_may_refuse_before_all_is_sent() {
        let (mut raw, mut bytes) = (Raw::new(), Bytes(std::vec![0; 100], true));
        raw.transmit(NOW, &mut [0; 10], &mut bytes);
        raw.receive(NOW, b"failed drop-0001 no space after 10 bytes\n", &mut bytes);
        let Some(Err(Failure::Refused(why))) = raw.outcome() else {
            panic!("{:?}", raw.outcome());
        };
        assert_eq!((why.code(), why.text()), ("drop-0001", "no space after 10 bytes"));
        assert_eq!(raw.transmit(NOW, &mut [0; 10], &mut bytes), 0);
        assert_eq!(Session::<Bytes>::wants(&raw), Wants::Close);
    }

    #[test]
    fn who_closes_first_has_all_bytes_nevertheless() {
        let (mut raw, mut bytes) = (Raw::new(), Bytes(std::vec![7; 100], true));
        raw.finished(NOW, &mut bytes);
        assert_eq!(raw.outcome(), None);
        assert_eq!(sent(&mut raw, &mut bytes, 9), [7; 100]);
        assert_eq!(raw.outcome(), None, "it may still be on its way");
        raw.over(NOW, Over::Unknown, &mut bytes);
        assert_eq!(raw.outcome(), Some(&Ok(None)));
    }

    #[test]
    fn an_end_that_is_none_is_told() {
        // The other side is gone before everything was sent.
        let (mut raw, mut bytes) = (Raw::new(), Bytes(std::vec![0; 100], true));
        raw.transmit(NOW, &mut [0; 10], &mut bytes);
        raw.finished(NOW, &mut bytes);
        raw.over(NOW, Over::Unknown, &mut bytes);
        assert_eq!(raw.outcome(), Some(&Err(Failure::Broken)));
        // It resets behind the last byte, or does not close.
        for (closes, how) in [
            (true, Over::Reset),
            (true, Over::TimedOut),
            (false, Over::Unknown),
        ] {
            let (mut raw, mut bytes) = (Raw::new(), Bytes(Vec::new(), true));
            sent(&mut raw, &mut bytes, 1);
            if closes {
                raw.finished(NOW, &mut bytes);
            }
            raw.over(NOW, how, &mut bytes);
            assert_eq!(raw.outcome(), Some(&Err(Failure::Broken)), "{how:?}");
        }
        // This side cannot be read: no FIN may say that this was all.
        let (mut raw, mut bytes) = (Raw::new(), Bytes(b"hel".to_vec(), false));
        assert_eq!(sent(&mut raw, &mut bytes, 10), b"hel");
        assert_eq!(raw.outcome(), Some(&Err(Failure::Local)));
        assert_eq!(Session::<Bytes>::wants(&raw), Wants::Abort);
    }

    #[test]
    fn an_answer_without_an_end_is_given_up_and_an_echo_is_not() {
        let (mut raw, mut bytes) = (Raw::new(), Bytes(std::vec![b'x'; 3 * CLIENT_LINE_MAX], true));
        let echo = sent(&mut raw, &mut bytes, CLIENT_LINE_MAX);
        raw.receive(NOW, &echo, &mut bytes);
        raw.receive(NOW, &echo[..CLIENT_LINE_MAX], &mut bytes);
        assert_eq!(raw.outcome(), None);
        raw.receive(NOW, b"x", &mut bytes);
        assert_eq!(raw.outcome(), Some(&Err(Failure::Violation)));
        assert_eq!(Session::<Bytes>::wants(&raw), Wants::Abort);
        assert_eq!(String::from_utf8_lossy(raw.heard()).len(), FILES_ANSWER_MAX);
    }
}
