//! A question to the secret service.

use heapless::String;

use crate::bug::OrBug;
use crate::limits::SECRET_ANSWER_MAX;
use crate::session::{Session, Wants};
use crate::text::Cleaner;
use crate::time::Instant;

/// Asks for one string: sends it as a line and FIN, and keeps the one line that comes back, cleaned for a terminal.
pub struct Ask<'a> {
    question: [&'a [u8]; 2],
    cleaner: Cleaner,
    answer: String<SECRET_ANSWER_MAX>,
    /// Bytes of the answer, before they were cleaned.
    heard: usize,
    is_answered: bool,
}

impl<'a> Ask<'a> {
    /// Asks for `string`, which has no line ending: R2 would see two strings, of which the first is answered here.
    pub const fn new(string: &'a str) -> Self {
        Self {
            question: [string.as_bytes(), b"\n"],
            cleaner: Cleaner::new(),
            answer: String::new(),
            heard: 0,
            is_answered: false,
        }
    }

    /// The answer without its line ending; `None` while it has not arrived whole, and where it is too long. A last line
    /// that the peer's FIN ends counts.
    pub fn answer(&self) -> Option<&str> {
        self.is_answered.then_some(&*self.answer)
    }

    /// What has come of the answer, which may be too long, cut at a character.
    pub fn heard(&self) -> &str {
        &self.answer
    }

    /// Whether more than [`SECRET_ANSWER_MAX`] bytes have come without a line ending: that is no answer of R2's, and need
    /// not end. The connection is given up.
    pub const fn is_too_long(&self) -> bool {
        self.heard > SECRET_ANSWER_MAX
    }
}

/// Adds as much of `run` as fits.
fn add(answer: &mut String<SECRET_ANSWER_MAX>, run: &str) {
    for c in run.chars() {
        if answer.push(c).is_err() {
            return;
        }
    }
}

impl<W: ?Sized> Session<W> for Ask<'_> {
    fn receive(&mut self, _: Instant, rx: &[u8], _: &mut W) -> usize {
        if !self.is_answered && !self.is_too_long() {
            let Self { cleaner, answer, .. } = self;
            let mut lines = rx.splitn(2, |byte| *byte == b'\n');
            let line = lines.next().unwrap_or_default();
            self.heard = self.heard.saturating_add(line.len());
            cleaner.clean(line, |run| add(answer, run));
            if lines.next().is_some() && self.heard <= SECRET_ANSWER_MAX {
                cleaner.finish(|run| add(answer, run));
                self.is_answered = true;
            }
        }
        rx.len()
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], _: &mut W) -> usize {
        let mut room = tx.iter_mut();
        let mut filled = 0_usize;
        for part in &mut self.question {
            let sent = room.by_ref().zip(*part).map(|(to, from)| *to = *from).count();
            *part = part.get(sent..).or_bug("no more is sent than there is");
            filled = filled.saturating_add(sent);
        }
        filled
    }

    fn finished(&mut self, _: Instant, _: &mut W) {
        let Self { cleaner, answer, .. } = self;
        cleaner.finish(|run| add(answer, run));
        self.is_answered |= !answer.is_empty() && self.heard <= SECRET_ANSWER_MAX;
    }

    fn wants(&self) -> Wants {
        if self.is_too_long() {
            Wants::Abort
        } else if self.question.iter().all(|part| part.is_empty()) {
            Wants::Close
        } else {
            Wants::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(0);

    #[test]
    fn the_string_goes_out_as_a_line_and_the_answer_is_one() {
        let mut ask = Ask::new("Ted");
        let mut sent = std::vec::Vec::new();
        let mut tx = [0; 3];
        while Session::<()>::wants(&ask) == Wants::Nothing {
            let filled = ask.transmit(NOW, &mut tx, &mut ());
            assert_ne!(filled, 0, "it never ends");
            sent.extend_from_slice(&tx[..filled]);
        }
        assert_eq!(sent, b"Ted\n");
        ask.receive(NOW, b"Secret co", &mut ());
        assert_eq!(ask.answer(), None);
        ask.receive(NOW, b"de not found.\r\nmore", &mut ());
        assert_eq!(ask.answer(), Some("Secret code not found."));
        ask.receive(NOW, b"x\n", &mut ());
        assert_eq!(ask.answer(), Some("Secret code not found."));
    }

    #[test]
    fn a_server_does_not_drive_the_terminal_nor_fill_the_memory() {
        let mut ask = Ask::new("");
        for _ in 0..100 {
            ask.receive(NOW, b"\x1B[2Jx\xFF", &mut ());
        }
        Session::<()>::finished(&mut ask, NOW, &mut ());
        let answer = ask.answer().unwrap();
        assert!(answer.starts_with("[2Jx\u{FFFD}[2Jx"), "{answer}");
        assert!(answer.len() <= SECRET_ANSWER_MAX);
    }

    #[test]
    fn a_line_without_an_end_is_no_answer_even_if_nothing_of_it_can_be_shown() {
        for byte in [b'x', 0] {
            let mut ask = Ask::new("Ted");
            let mut taken = 0;
            while !ask.is_too_long() {
                assert!(taken <= SECRET_ANSWER_MAX, "{taken}");
                taken += ask.receive(NOW, &[byte; 10], &mut ());
            }
            assert_eq!(Session::<()>::wants(&ask), Wants::Abort);
            ask.receive(NOW, b"\n", &mut ());
            Session::<()>::finished(&mut ask, NOW, &mut ());
            assert_eq!(ask.answer(), None);
        }
    }

    #[test]
    fn a_server_that_closes_at_once_has_not_answered() {
        let mut ask = Ask::new("Ted");
        Session::<()>::finished(&mut ask, NOW, &mut ());
        assert_eq!(ask.answer(), None);
    }
}
