//! The secret code: one string a line, one answer a line.

use core::fmt::Write;

use crate::bug::OrBug;
use crate::foreign::{NO_WEB_SERVER, Opening};
use crate::limits::{SECRET_ANSWER_MAX, SECRET_LINE_MAX, SECRET_REST};
use crate::outbox::Outbox;
use crate::session::{Session, Wants};
use crate::time::Instant;

#[cfg(test)]
mod tests;

const CODE: &[u8] = b"SECRET";
const FOUND: &[u8] = b"Digits: ";
const NOT_FOUND: &[u8] = b"Secret code not found.\n";

/// Answers one UDP datagram: less one line ending, it is one string. Returns the length of the answer in the front
/// of `out`; `None` for an empty datagram, or when `out` is too small for the answer
/// ([`SECRET_ANSWER_MAX`] bytes are enough for any).
pub fn answer(datagram: &[u8], out: &mut [u8]) -> Option<usize> {
    if datagram.is_empty() {
        return None;
    }
    let string = match datagram.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => datagram,
    };
    let mut scan = Scan::new();
    scan.take(string);
    scan.conclude();
    let length = scan.answer.drain_into(out);
    scan.answer.is_empty().then_some(length)
}

/// One string, looked at as it comes. Its digits are gathered where the answer will stand, so that nothing else of
/// it is kept.
struct Scan {
    answer: Outbox<SECRET_ANSWER_MAX>,
    digits: usize,
    length: usize,
    /// How much of the code has just been seen; all of it stays seen.
    matched: usize,
}

impl Scan {
    const fn new() -> Self {
        Self {
            answer: Outbox::new(),
            digits: 0,
            length: 0,
            matched: 0,
        }
    }

    /// Takes the front of `text`, no more than makes the string too long; returns how many bytes that is.
    fn take(&mut self, text: &[u8]) -> usize {
        let room = (SECRET_LINE_MAX + 1).saturating_sub(self.length);
        let text = text.get(..room).unwrap_or(text);
        self.length = self.length.saturating_add(text.len());
        let mut rest = text;
        while let Some(is_digit) = rest.first().map(u8::is_ascii_digit) {
            let end = rest.iter().position(|byte| byte.is_ascii_digit() != is_digit);
            let (run, behind) = rest
                .split_at_checked(end.unwrap_or(rest.len()))
                .or_bug("it was found in it");
            if is_digit {
                self.gather(run);
            } else {
                self.look_for_code(run);
            }
            rest = behind;
        }
        text.len()
    }

    fn gather(&mut self, digits: &[u8]) {
        if self.digits == 0 {
            self.answer.push(FOUND);
        }
        self.answer.push(digits);
        self.digits = self.digits.saturating_add(digits.len());
        if self.matched < CODE.len() {
            self.matched = 0;
        }
    }

    fn look_for_code(&mut self, text: &[u8]) {
        for byte in text {
            let Some(expected) = CODE.get(self.matched) else {
                return;
            };
            self.matched = match byte {
                _ if byte == expected => self.matched + 1,
                // No end of the code is a beginning of it, so a mismatch leaves nothing but a new beginning.
                b'S' => 1,
                _ => 0,
            };
        }
    }

    /// Begins the next string. What the answer held is left where it is: nobody asks for it.
    fn begin(&mut self) {
        self.answer.clear();
        (self.digits, self.length, self.matched) = (0, 0, 0);
    }

    fn is_too_long(&self) -> bool {
        self.length > SECRET_LINE_MAX
    }

    /// The string has ended, or is too long: the answer stands.
    fn conclude(&mut self) {
        let found = self.matched == CODE.len() && !self.is_too_long();
        if found && self.digits > 0 {
            writeln!(self.answer, " Count: {}", self.digits).or_bug(
                "SECRET_ANSWER_MAX has room for as many digits as a string has bytes, and their count",
            );
            return;
        }
        self.answer.clear();
        if found {
            self.answer.push(b"Digits: Count: 0\n");
        } else if self.is_too_long() {
            writeln!(self.answer, "Line too long: at most {SECRET_LINE_MAX} bytes.")
                .or_bug("the answer is empty");
        } else {
            self.answer.push(NOT_FOUND);
        }
    }
}

/// The secret-code session of one connection.
///
/// It holds one answer and takes no new string before that has left.
pub struct Secret {
    opening: Opening,
    scan: Scan,
    state: State,
    /// A CR that arrived last: part of the line ending if LF follows, else of the string.
    held_cr: bool,
    /// The connection has sent a `\n`: its strings end in line endings, never by resting.
    sends_newlines: bool,
    /// When the string that is arriving will have rested.
    rested_at: Option<Instant>,
    finished: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// A string is arriving, or the next one is waited for.
    Arriving,
    /// The last string ended by resting, so a line ending directly behind it is none of the next.
    Rested,
    /// The string was too long: the rest of it is skipped.
    Skipping,
    /// The answer is leaving; then this goes on.
    Answering(After),
    /// The peer speaks another protocol: what it sends is discarded.
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    NextLine,
    Rested,
    Skipping,
    Refused,
}

impl Secret {
    /// A session that has seen nothing.
    pub const fn new() -> Self {
        Self {
            opening: Opening::new(),
            scan: Scan::new(),
            state: State::Arriving,
            held_cr: false,
            sends_newlines: false,
            rested_at: None,
            finished: false,
        }
    }

    fn is_answering(&self) -> bool {
        matches!(self.state, State::Answering(_))
    }

    /// Whether anything of a string has arrived that was not answered.
    fn has_string(&self) -> bool {
        matches!(self.state, State::Arriving | State::Rested) && (self.scan.length > 0 || self.held_cr)
    }

    fn answer(&mut self, after: After) {
        self.scan.conclude();
        self.state = State::Answering(after);
        self.rested_at = None;
    }

    /// A CR that was held is none of a line ending.
    fn release_cr(&mut self) {
        if self.held_cr {
            self.held_cr = false;
            self.take_text(b"\r");
        }
    }

    /// Takes the front of `text`, which has no line ending; returns how many bytes that is.
    fn take_text(&mut self, text: &[u8]) -> usize {
        if self.state == State::Skipping {
            return text.len();
        }
        self.state = State::Arriving;
        let taken = self.scan.take(text);
        if self.scan.is_too_long() {
            self.answer(After::Skipping);
        }
        taken
    }

    fn take_line_ending(&mut self) {
        self.held_cr = false;
        self.sends_newlines = true;
        self.rested_at = None;
        match self.state {
            State::Skipping | State::Rested => self.state = State::Arriving,
            State::Arriving | State::Answering(_) | State::Refused => self.answer(After::NextLine),
        }
    }

    fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused | State::Answering(After::Refused))
    }

    /// The peer speaks another protocol: it is told so, behind an answer that is on its way.
    fn refuse(&mut self) {
        if !self.is_answering() {
            self.scan.begin();
        }
        write!(self.scan.answer, "This is R2's secret service{NO_WEB_SERVER}")
            .or_bug("SECRET_ANSWER_MAX is more than the answer to an empty line and this");
        self.state = State::Answering(After::Refused);
        self.rested_at = None;
    }

    /// Takes the front of `rx`: text up to a line ending, or a byte of that. Returns how many bytes that is; 0 where there
    /// are none, or the answer comes first.
    fn take(&mut self, rx: &[u8]) -> usize {
        if rx.first() == Some(&b'\n') {
            self.take_line_ending();
            return 1;
        }
        self.release_cr();
        if self.is_answering() {
            return 0;
        }
        if rx.first() == Some(&b'\r') {
            self.held_cr = true;
            return 1;
        }
        let text = rx.split(|byte| matches!(byte, b'\n' | b'\r')).next();
        self.take_text(text.unwrap_or_default())
    }

    /// Ends a string that has rested.
    fn look_at_clock(&mut self, now: Instant) {
        if self.rested_at.is_none_or(|at| now < at) {
            return;
        }
        self.rested_at = None;
        match self.state {
            State::Skipping => {
                self.held_cr = false;
                self.state = State::Rested;
            }
            State::Answering(_) => self.state = State::Answering(After::Rested),
            State::Arriving | State::Rested => self.end_string(),
            State::Refused => {}
        }
    }

    /// Answers the string as it stands.
    fn end_string(&mut self) {
        self.release_cr();
        match self.state {
            // The CR was one byte too many.
            State::Answering(_) => self.state = State::Answering(After::Rested),
            _ => self.answer(After::Rested),
        }
    }
}

impl Default for Secret {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: ?Sized> Session<W> for Secret {
    fn receive(&mut self, now: Instant, rx: &[u8], _: &mut W) -> usize {
        if self.is_refused() {
            return rx.len();
        }
        self.look_at_clock(now);
        let Some(rx) = self.opening.admit(rx) else {
            self.refuse();
            return rx.len();
        };
        let mut taken = 0_usize;
        while !self.is_answering()
            && let rest = rx.get(taken..).unwrap_or_default()
            && !rest.is_empty()
            && let count @ 1.. = self.take(rest)
        {
            taken = taken.saturating_add(count);
        }
        self.opening.taken(taken);
        if taken > 0 && !self.sends_newlines {
            // What is skipped rests too: then a new string begins.
            let skips = matches!(self.state, State::Skipping | State::Answering(After::Skipping));
            self.rested_at = (skips || self.has_string()).then(|| now + SECRET_REST);
        }
        taken
    }

    fn transmit(&mut self, now: Instant, tx: &mut [u8], _: &mut W) -> usize {
        self.look_at_clock(now);
        let State::Answering(after) = self.state else {
            return 0;
        };
        let filled = self.scan.answer.drain_into(tx);
        if self.scan.answer.is_empty() {
            self.scan.begin();
            self.state = match after {
                After::NextLine => State::Arriving,
                After::Rested => State::Rested,
                After::Skipping => State::Skipping,
                After::Refused => State::Refused,
            };
        }
        filled
    }

    fn finished(&mut self, _: Instant, _: &mut W) {
        self.finished = true;
        self.rested_at = None;
        if self.has_string() {
            self.end_string();
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        self.rested_at
    }

    fn wants(&self) -> Wants {
        Wants::close_if(self.state == State::Refused || (self.finished && !self.is_answering()))
    }
}
