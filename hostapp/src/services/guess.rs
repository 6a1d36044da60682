//! A guessing game: R2 thinks of a number from 1 to 100, and says of each line whether that is too low or too high.

use std::fmt::Write;

use r2_core::line::{Line, LineReader};
use r2_core::outbox::Outbox;
use r2_core::session::{Session, Wants};
use r2_core::time::Instant;
use r2_node::service::Spec;

/// What the node has to know: a name and a port.
pub const SPEC: Spec = Spec::new("guess", 5060);

/// The longest line that is looked at, and room for the longest answer.
const LINE: usize = 16;
const ANSWER: usize = 64;

/// The game of one connection. It has room for one answer and takes no line before that has left: a peer that does not
/// read waits, and costs nothing.
pub struct Guess {
    line: LineReader<LINE>,
    answer: Outbox<ANSWER>,
    number: u64,
    guesses: u32,
    over: bool,
}

impl Guess {
    /// A game that has not begun.
    pub fn new() -> Self {
        let (line, answer) = (LineReader::new(), Outbox::new());
        Self {
            line,
            answer,
            number: 0,
            guesses: 0,
            over: false,
        }
    }

    fn answer_line(&mut self) {
        self.guesses += 1;
        let guess = match self.line.line() {
            Line::Whole(bytes) => std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.trim().parse().ok()),
            Line::TooLong(_) => None,
        };
        self.over = guess == Some(self.number);
        // The longest of them fits: ANSWER has room for it.
        let _ = match guess {
            None => writeln!(self.answer, "A number from 1 to 100, please."),
            Some(guess) if guess < self.number => writeln!(self.answer, "Too low."),
            Some(guess) if guess > self.number => writeln!(self.answer, "Too high."),
            Some(_) => writeln!(self.answer, "Yes! Guesses: {}", self.guesses),
        };
        self.line.clear();
    }
}

impl Default for Guess {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: ?Sized> Session<W> for Guess {
    fn opened(&mut self, now: Instant, _: &mut W) {
        // Nobody can tell the millisecond beforehand; for a game that is random enough.
        self.number = now.as_millis() % 100 + 1;
        let _ = writeln!(self.answer, "I think of a number from 1 to 100.");
    }

    fn receive(&mut self, _: Instant, rx: &[u8], _: &mut W) -> usize {
        if self.over {
            return rx.len();
        }
        if !self.answer.is_empty() {
            return 0;
        }
        let (taken, complete) = self.line.take(rx);
        if complete {
            self.answer_line();
        }
        taken
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], _: &mut W) -> usize {
        self.answer.drain_into(tx)
    }

    fn finished(&mut self, _: Instant, _: &mut W) {
        if !self.over && !self.line.is_empty() {
            self.answer_line();
        }
        self.over = true;
    }

    fn wants(&self) -> Wants {
        Wants::close_if(self.over && self.answer.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a peer reads who sends `said` to a game with the number 42, in pieces of `split` bytes, and then FIN.
    fn play(said: &str, split: usize) -> String {
        let now = Instant::from_millis(41);
        let (mut game, mut heard, mut tx) = (Guess::new(), Vec::new(), [0; 7]);
        Session::opened(&mut game, now, &mut ());
        let mut say = |game: &mut Guess| loop {
            match game.transmit(now, &mut tx, &mut ()) {
                0 => break,
                filled => heard.extend_from_slice(&tx[..filled]),
            }
        };
        for mut piece in said.as_bytes().chunks(split) {
            while !piece.is_empty() {
                say(&mut game);
                piece = &piece[game.receive(now, piece, &mut ())..];
            }
        }
        say(&mut game);
        Session::finished(&mut game, now, &mut ());
        say(&mut game);
        assert_eq!(Session::<()>::wants(&game), Wants::Close);
        String::from_utf8(heard).unwrap()
    }

    #[test]
    fn each_line_is_told_what_it_is_whatever_its_pieces() {
        for split in 1..40 {
            assert_eq!(
                play("50\r\n7\nseven\n99999999999999999999\n42\n41\n", split),
                "I think of a number from 1 to 100.\nToo high.\nToo low.\nA number from 1 to 100, please.\n\
                 A number from 1 to 100, please.\nYes! Guesses: 5\n"
            );
            assert_eq!(
                play("42", split),
                "I think of a number from 1 to 100.\nYes! Guesses: 1\n"
            );
            assert_eq!(play("", split), "I think of a number from 1 to 100.\n");
        }
    }
}
