//! `PROGRESS`: lines that say how far R2 is with an answer, for peers that asked for them.

use core::fmt::Write;

use super::{Files, Step};
use crate::limits::PROGRESS_EVERY;
use crate::store::Store;
use crate::time::Instant;

impl Files {
    /// From now on the peer hears every [`PROGRESS_EVERY`] of an answer that waits for the store. Nobody else does: to
    /// a script, and to a client that is older than this command, such a line is none that R2 says.
    pub(super) fn promise_progress(&mut self, now: Instant) {
        self.told = Some(now);
        // Fits: the outbox was empty when the command was read.
        let _ = writeln!(
            self.outbox,
            "* progress every {} s",
            PROGRESS_EVERY.as_millis() / 1000
        );
    }

    /// When the next line of progress is due; `None` where nothing waits, or where the peer does not read.
    pub(super) fn tells_at(&self) -> Option<Instant> {
        let waits = matches!(
            self.step,
            Step::Create { .. } | Step::Seal | Step::Open { .. } | Step::List | Step::Delete
        );
        let told = self.told.filter(|_| waits && self.outbox.is_empty())?;
        Some(told + PROGRESS_EVERY)
    }

    /// Says how far R2 is, if that is due.
    pub(super) fn tell_progress<S: Store>(&mut self, now: Instant, store: &S) {
        if self.tells_at().is_none_or(|due| now < due) {
            return;
        }
        self.told = Some(now);
        // Fits: the outbox is empty, and has room for SEND and an answer behind this.
        let _ = match self.ticket.as_ref().and_then(|ticket| store.hashing(ticket)) {
            Some(percent) => writeln!(self.outbox, "* hashing {percent} %"),
            None => self.outbox.write_str("* waiting\n"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Over, Session};
    use crate::store::ram::{Block, File, RamStore};
    use std::string::String;
    use std::vec::Vec;

    /// What a peer hears that says `said` at 0 ms and listens at each of `times`, in ms. The store is busy until the last.
    fn heard(said: &str, times: &[u64]) -> Vec<String> {
        let mut blocks = [const { Block::EMPTY }; 1];
        let mut files = [const { File::EMPTY }; 1];
        let mut store = RamStore::new(&mut blocks, &mut files, 100);
        let mut others: Vec<_> = core::iter::from_fn(|| store.claim()).collect();
        let mut files = Files::new();
        let (mut said, mut tx) = (said.as_bytes(), [0; 200]);
        let listens = |(at, last): (u64, bool)| {
            let now = Instant::from_millis(at);
            while last && let Some(ticket) = others.pop() {
                store.release(ticket);
            }
            let mut all = Vec::new();
            loop {
                let taken = if said.is_empty() {
                    0
                } else {
                    files.receive(now, said, &mut store)
                };
                said = &said[taken..];
                let count = files.transmit(now, &mut tx, &mut store);
                all.extend_from_slice(&tx[..count]);
                if taken + count == 0 {
                    break;
                }
            }
            if last {
                assert_eq!(Session::<RamStore<'_>>::poll_at(&files), None, "nothing waits");
                files.over(now, Over::Reset, &mut store);
            }
            String::from_utf8(all).unwrap()
        };
        let last = times.len() - 1;
        times
            .iter()
            .enumerate()
            .map(|(index, at)| (*at, index == last))
            .map(listens)
            .collect()
    }

    #[test]
    fn whoever_asked_hears_of_an_answer_that_waits() {
        let sha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (command, answer) in [
            ("LIST", "END\n"),
            ("GET a", "ERROR not-found no such file\n"),
            ("DEL a", "ERROR not-found no such file\n"),
            ("PUT a 0", &std::format!("SEND 0\nSTORED a 0 {sha}\n")),
        ] {
            let said = std::format!("PROGRESS\n{command}\n");
            assert_eq!(
                heard(&said, &[0, 4999, 5000, 9999, 10_000, 10_001]),
                [
                    "* progress every 5 s\n",
                    "",
                    "* waiting\n",
                    "",
                    "* waiting\n",
                    answer
                ],
                "{command}"
            );
            assert_eq!(
                heard(&std::format!("{command}\n"), &[0, 5000, 60_000, 60_001]),
                ["", "", "", answer],
                "{command}: nobody asked"
            );
        }
    }

    #[test]
    fn help_names_the_commands_and_the_next_one_is_read() {
        let answer = heard("HELP\nHELP\nLIST\n", &[0, 1, 2]).concat();
        let lines: Vec<_> = answer.lines().collect();
        assert!(
            lines[0].starts_with("* commands: PUT <name> <length>"),
            "{answer}"
        );
        assert_eq!((lines[0], lines[2]), (lines[1], "END"), "{answer}");
    }

    #[test]
    fn progress_is_asked_for_in_one_word() {
        assert_eq!(
            heard("PROGRESS 5\n", &[0]),
            ["ERROR bad-request there is a word too many\n"]
        );
        let refused = heard("progress\n", &[0]);
        assert!(refused[0].starts_with("ERROR bad-request "), "{refused:?}");
    }
}
