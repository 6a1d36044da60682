//! Status: a page of `key: value` lines, then the end.

use core::fmt::{self, Write};

use crate::bug::OrBug;
use crate::foreign::{NO_WEB_SERVER, Opening};
use crate::limits::{STATUS_LINE_MAX, STATUS_WAITS};
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

/// The status session: sends the page, line by line as there is room, then closes. It carries nothing out.
///
/// A request of HTTP, or a TLS hello, is answered with one line in place of the page. So that it need not win a race
/// against the page, a peer has [`STATUS_WAITS`] to begin; the page comes at once where it ends its side, or begins with
/// something else. What it sends behind that is ignored, and so is its FIN.
#[derive(Debug)]
pub struct Status {
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The peer's first bytes tell what it takes R2 for. Without them the page begins at that time.
    Listen { opening: Opening, until: Instant },
    /// The line that comes next, counted from 0, behind what is in the outbox; `None` where there is none.
    Speak {
        outbox: Outbox<STATUS_LINE_MAX>,
        next: Option<usize>,
    },
}

impl Status {
    /// A session that has not begun to wait.
    pub const fn new() -> Self {
        Self {
            step: Step::Listen {
                opening: Opening::new(),
                until: Instant::from_millis(0),
            },
        }
    }

    fn begin_the_page(&mut self) {
        self.step = Step::Speak {
            outbox: Outbox::new(),
            next: Some(0),
        };
    }

    fn refuse(&mut self) {
        let mut outbox = Outbox::new();
        write!(outbox, "this is R2's status page{NO_WEB_SERVER}").or_bug("it is shorter than a line");
        self.step = Step::Speak { outbox, next: None };
    }
}

impl Default for Status {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes line `index` into the empty outbox; which one is next.
fn write_line<R: Report + ?Sized>(
    outbox: &mut Outbox<STATUS_LINE_MAX>,
    index: usize,
    now: Instant,
    report: &R,
) -> Option<usize> {
    match report.line(now, index, outbox) {
        Ok(true) if outbox.push(b"\n") == 1 => {}
        Ok(false) => return None,
        // A line without its end would make the next one part of it.
        Ok(true) | Err(_) => outbox.clear(),
    }
    Some(index.saturating_add(1))
}

impl<R: Report + ?Sized> Session<R> for Status {
    fn opened(&mut self, now: Instant, _: &mut R) {
        if let Step::Listen { until, .. } = &mut self.step {
            *until = now + STATUS_WAITS;
        }
    }

    fn receive(&mut self, _: Instant, rx: &[u8], _: &mut R) -> usize {
        let Step::Listen { opening, .. } = &mut self.step else {
            return rx.len();
        };
        let Some(admitted) = opening.admit(rx) else {
            self.refuse();
            return rx.len();
        };
        opening.taken(admitted.len());
        if opening.is_known() {
            self.begin_the_page();
        }
        admitted.len()
    }

    fn transmit(&mut self, now: Instant, tx: &mut [u8], report: &mut R) -> usize {
        if let Step::Listen { until, .. } = self.step
            && until <= now
        {
            self.begin_the_page();
        }
        let Step::Speak { outbox, next } = &mut self.step else {
            return 0;
        };
        let mut filled = 0;
        loop {
            let behind = tx
                .get_mut(filled..)
                .or_bug("no more is filled than there is room");
            filled = filled.saturating_add(outbox.drain_into(behind));
            match *next {
                Some(index) if outbox.is_empty() => *next = write_line(outbox, index, now, report),
                _ => return filled,
            }
        }
    }

    fn finished(&mut self, _: Instant, _: &mut R) {
        if matches!(self.step, Step::Listen { .. }) {
            self.begin_the_page();
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        match self.step {
            Step::Listen { until, .. } => Some(until),
            Step::Speak { .. } => None,
        }
    }

    fn wants(&self) -> Wants {
        match &self.step {
            Step::Speak { outbox, next: None } => Wants::close_if(outbox.is_empty()),
            _ => Wants::Nothing,
        }
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

    /// A peer of the session.
    struct Peer {
        status: Status,
        lines: Lines,
        now: Instant,
        heard: Vec<u8>,
    }

    impl Peer {
        /// Connected at 7 ms; the page has these lines.
        fn reading(lines: &'static [&'static str]) -> Self {
            let (mut status, mut lines) = (Status::new(), Lines(lines));
            let now = Instant::from_millis(7);
            status.opened(now, &mut lines);
            Self {
                status,
                lines,
                now,
                heard: Vec::new(),
            }
        }

        fn waits(mut self) -> Self {
            self.now = Session::<Lines>::poll_at(&self.status).expect("a time to wait for");
            self
        }

        fn says(mut self, bytes: &[u8], in_pieces_of: usize) -> Self {
            for mut piece in bytes.chunks(in_pieces_of) {
                while !piece.is_empty() {
                    let taken = self.status.receive(self.now, piece, &mut self.lines);
                    piece = &piece[taken..];
                }
            }
            self
        }

        fn ends(mut self) -> Self {
            self.status.finished(self.now, &mut self.lines);
            self
        }

        /// Listens once; how much came.
        fn listens(&mut self, room: usize) -> usize {
            let mut tx = [0; 256];
            let filled = self.status.transmit(self.now, &mut tx[..room], &mut self.lines);
            self.heard.extend_from_slice(&tx[..filled]);
            filled
        }

        fn wants(&self) -> Wants {
            Session::<Lines>::wants(&self.status)
        }

        /// Everything that comes now.
        fn hears(mut self, room: usize) -> String {
            while self.listens(room) > 0 {}
            if !self.heard.is_empty() {
                assert_eq!(self.wants(), Wants::Close);
                assert_eq!(Session::<Lines>::poll_at(&self.status), None);
            }
            String::from_utf8(self.heard).unwrap()
        }
    }

    const FOREIGN: &str = "this is R2's status page, not a web server: use nc\n";
    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\n\r\nDEL x\n";
    const PAGE: &[&str] = &["a: 1", "b: 2"];
    const WHOLE: &str = "a: 1\nb: 2\n";

    #[test]
    fn the_page_waits_for_what_the_peer_says_first() {
        let mut peer = Peer::reading(PAGE);
        let until = peer.now + STATUS_WAITS;
        assert_eq!(Session::<Lines>::poll_at(&peer.status), Some(until));
        assert_eq!((peer.listens(256), peer.wants()), (0, Wants::Nothing));
        peer.now = Instant::from_millis(until.as_millis() - 1);
        assert_eq!((peer.listens(256), peer.wants()), (0, Wants::Nothing));
        assert_eq!(peer.waits().hears(256), WHOLE);
    }

    #[test]
    fn a_peer_that_ended_or_said_something_else_has_the_page_at_once() {
        let new = || Peer::reading(PAGE);
        assert_eq!(new().ends().hears(256), WHOLE);
        for said in [
            "hello\n",
            "?\n",
            "LIST\n",
            "\u{16}x",
            "G\n",
            "GET notes.txt\n",
            " ",
        ] {
            assert_eq!(new().says(said.as_bytes(), 1).hears(256), WHOLE, "{said:?}");
        }
        // So far it may be a request.
        for said in ["hello", "GET", "GET / HTTP/", "\u{16}", "\r\n", "\n\n"] {
            let peer = || new().says(said.as_bytes(), 1);
            assert_eq!(peer().hears(256), "", "{said:?}");
            assert_eq!(peer().ends().hears(256), WHOLE, "{said:?}");
            assert_eq!(peer().waits().hears(256), WHOLE, "{said:?}");
        }
    }

    #[test]
    fn a_browser_gets_one_line_or_the_whole_page() {
        for said in [REQUEST, b"\r\nGET / HTTP/1.0\n", b"\x16\x03\x01\x00\xA5"] {
            for split in 1..said.len() {
                let new = || Peer::reading(PAGE);
                assert_eq!(new().says(said, split).hears(256), FOREIGN);
                assert_eq!(new().says(said, split).ends().hears(3), FOREIGN);
                for before in [1, 7] {
                    let mut peer = new().waits();
                    peer.listens(before);
                    assert_eq!(peer.says(said, split).hears(256), WHOLE, "{before}");
                }
            }
        }
    }

    #[test]
    fn what_the_peer_says_later_is_ignored_and_so_is_its_fin() {
        let mut peer = Peer::reading(&["a: 1"]).says(b"hello\n", 6);
        assert_eq!((peer.listens(4), peer.wants()), (4, Wants::Nothing));
        let mut peer = peer.says(REQUEST, 100).ends();
        assert_eq!((peer.listens(4), peer.wants()), (1, Wants::Close));
        assert_eq!(peer.says(REQUEST, 3).hears(9), "a: 1\n");
    }

    #[test]
    fn the_page_is_whole_whatever_the_room_and_then_the_session_closes() {
        for room in 1..30 {
            let peer = Peer::reading(&["version: 1", "uptime_s: 7"]).ends();
            assert_eq!(peer.hears(room), "version: 1\nuptime_s: 7\n");
        }
        let mut empty = Peer::reading(&[]).ends();
        assert_eq!((empty.listens(1), empty.wants()), (0, Wants::Close));
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_whole() {
        const LONG: &str = match core::str::from_utf8(&[b'x'; STATUS_LINE_MAX]) {
            Ok(text) => text,
            Err(_) => "",
        };
        let peer = Peer::reading(&["a: 1", LONG, "b: 2"]).ends();
        assert_eq!(peer.hears(200), WHOLE);
    }
}
