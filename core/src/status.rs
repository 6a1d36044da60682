//! Status: a page of `key: value` lines, then the end.

use core::fmt::{self, Write};

use crate::bug::OrBug;
use crate::foreign::{NO_WEB_SERVER, Opening};
use crate::limits::STATUS_LINE_MAX;
use crate::outbox::Outbox;
use crate::session::{Session, Wants};
use crate::time::Instant;

/// What the page reports: the world of a [`Status`] session.
pub trait Report {
    /// Writes line `index`, counted from 0, without its ending, and returns `true`; past the last line writes
    /// nothing and returns `false`.
    ///
    /// A line has fewer than [`STATUS_LINE_MAX`] bytes. More than that is an error, which is to be passed on; the
    /// page then lacks that line.
    fn line(&self, now: Instant, index: usize, out: &mut dyn Write) -> Result<bool, fmt::Error>;
}

/// The status session: sends the page at once, line by line as there is room, then closes. It carries nothing out: it ignores
/// what the peer sends, and its FIN. A request of HTTP, or a TLS hello, that is there before the first line of the page was
/// written is answered with one line in place of the page; one that comes later finds the whole page, then the end.
#[derive(Debug, Default)]
pub struct Status {
    opening: Opening,
    /// The peer speaks another protocol: it is told so instead of the page.
    is_foreign: bool,
    outbox: Outbox<STATUS_LINE_MAX>,
    next: usize,
    complete: bool,
}

impl Status {
    /// A session that begins with the first line.
    pub const fn new() -> Self {
        Self {
            opening: Opening::new(),
            is_foreign: false,
            outbox: Outbox::new(),
            next: 0,
            complete: false,
        }
    }

    /// Writes the next line into the empty outbox.
    fn write_line<R: Report + ?Sized>(&mut self, now: Instant, report: &R) {
        match report.line(now, self.next, &mut self.outbox) {
            Ok(true) if self.outbox.push(b"\n") == 1 => {}
            Ok(false) => self.complete = true,
            // A line without its end would make the next one part of it.
            Ok(true) | Err(_) => self.outbox.clear(),
        }
        self.next = self.next.saturating_add(1);
    }
}

impl<R: Report + ?Sized> Session<R> for Status {
    fn receive(&mut self, _: Instant, rx: &[u8], _: &mut R) -> usize {
        let Some(admitted) = self.opening.admit(rx) else {
            self.is_foreign = self.next == 0;
            return rx.len();
        };
        self.opening.taken(admitted.len());
        admitted.len()
    }

    fn transmit(&mut self, now: Instant, tx: &mut [u8], report: &mut R) -> usize {
        let mut filled = 0;
        loop {
            let behind = tx
                .get_mut(filled..)
                .or_bug("no more is filled than there is room");
            filled = filled.saturating_add(self.outbox.drain_into(behind));
            if !self.outbox.is_empty() || self.complete {
                return filled;
            }
            if self.is_foreign {
                write!(self.outbox, "this is R2's status page{NO_WEB_SERVER}")
                    .or_bug("it is shorter than a line");
                self.complete = true;
            } else {
                self.write_line(now, report);
            }
        }
    }

    fn finished(&mut self, _: Instant, _: &mut R) {}

    fn wants(&self) -> Wants {
        Wants::close_if(self.complete && self.outbox.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    struct Lines(&'static [&'static str]);

    impl Report for Lines {
        fn line(&self, _: Instant, index: usize, out: &mut dyn Write) -> Result<bool, fmt::Error> {
            match self.0.get(index) {
                Some(line) => out.write_str(line).map(|()| true),
                None => Ok(false),
            }
        }
    }

    fn page(lines: &'static [&'static str], room: usize) -> String {
        let (mut status, mut report, mut page) = (Status::new(), Lines(lines), String::new());
        while Session::<Lines>::wants(&status) == Wants::Nothing {
            let mut tx = [0; 256];
            let filled = status.transmit(Instant::default(), &mut tx[..room], &mut report);
            page.push_str(core::str::from_utf8(&tx[..filled]).unwrap());
            assert!(filled > 0 || status.complete, "it never ends");
        }
        page
    }

    #[test]
    fn what_the_peer_says_is_ignored_and_so_is_its_fin() {
        let (mut status, mut report, now) = (Status::new(), Lines(&["a: 1"]), Instant::default());
        assert_eq!(status.receive(now, b"hello", &mut report), 5);
        status.finished(now, &mut report);
        assert_eq!(
            Session::<Lines>::wants(&status),
            Wants::Nothing,
            "the page is owed"
        );
        assert_eq!(Session::<Lines>::poll_at(&status), None);
        assert_eq!(status.transmit(now, &mut [0; 4], &mut report), 4);
        assert_eq!(
            Session::<Lines>::wants(&status),
            Wants::Nothing,
            "the line's end is owed"
        );
        assert_eq!(status.transmit(now, &mut [0; 4], &mut report), 1);
        assert_eq!(Session::<Lines>::wants(&status), Wants::Close);
    }

    #[test]
    fn a_browser_gets_one_line_or_the_whole_page() {
        let line = "this is R2's status page, not a web server: use nc\n";
        for said in [&b"POST / HTTP/1.1\r\n\r\nDEL x\n"[..], b"\x16\x03\x01\x00\xA5"] {
            for split in 1..said.len() {
                for (before, expected) in [(0, line), (1, "a: 1\nb: 2\n"), (7, "a: 1\nb: 2\n")] {
                    let (mut status, mut report) = (Status::new(), Lines(&["a: 1", "b: 2"]));
                    let (mut heard, now) = (Vec::new(), Instant::default());
                    let mut listen = |status: &mut Status, report: &mut Lines, room: usize| {
                        let mut tx = [0; 256];
                        let filled = status.transmit(now, &mut tx[..room], report);
                        heard.extend_from_slice(&tx[..filled]);
                    };
                    if before > 0 {
                        listen(&mut status, &mut report, before);
                    }
                    for mut piece in said.chunks(split) {
                        while !piece.is_empty() {
                            let taken = status.receive(now, piece, &mut report);
                            piece = &piece[taken..];
                        }
                    }
                    listen(&mut status, &mut report, 256);
                    assert_eq!(String::from_utf8_lossy(&heard), expected, "{before}");
                    assert_eq!(Session::<Lines>::wants(&status), Wants::Close);
                }
            }
        }
    }

    #[test]
    fn the_page_is_whole_whatever_the_room_and_then_the_session_closes() {
        for room in 1..30 {
            assert_eq!(
                page(&["version: 1", "uptime_s: 7"], room),
                "version: 1\nuptime_s: 7\n"
            );
        }
        assert_eq!(page(&[], 1), "");
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_whole() {
        const LONG: &str = match core::str::from_utf8(&[b'x'; STATUS_LINE_MAX]) {
            Ok(text) => text,
            Err(_) => "",
        };
        assert_eq!(page(&["a: 1", LONG, "b: 2"], 200), "a: 1\nb: 2\n");
    }
}
