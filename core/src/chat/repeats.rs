//! Peers that send back what they were sent: an echo service, or another R2 that called this one.
//!
//! What such a peer sends is shown to everybody, to that peer too, and so comes back again, for ever. So a peer whose lines,
//! several in a row, are lines that it was just sent is told so, and its lines are no longer shown until it says
//! something new.

use super::lines::{Found, Place};
use super::room::Room;
use crate::limits::{CHAT_REPEATS_LOOK, CHAT_REPEATS_MAX};

/// What a peer is told when its lines are no longer shown.
pub(super) const MUTED: &str = "* muted: these lines are what you were sent; say something else\n";

/// How many of a peer's lines, up to the last one, were lines that it was sent.
///
/// They come back in the order in which they went, so the next one is looked for from the last one on.
#[derive(Clone, Copy)]
pub(super) struct Repeats {
    count: usize,
    from: Place,
}

/// What is to be done with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    Show,
    /// Not to be shown, for the first time: the peer is to be told.
    Tell,
    Hide,
}

impl Repeats {
    /// Of a peer that sees the lines from `from` on.
    pub(super) const fn new(from: Place) -> Self {
        Self { count: 0, from }
    }

    /// Judges a line of the peer: `text`, with its own label in front where `label` is one. It was sent the lines
    /// before `sent`.
    pub(super) fn judge(&mut self, text: &str, label: Option<&str>, sent: Place, room: &Room<'_>) -> Worth {
        // What looks like a line of R2's own is no news: those to one peer alone are not in the room.
        let is_no_news = text.starts_with("* ") || is_repeated([MUTED.as_bytes(), b""], text, None);
        self.count = if self.finds(text, label, sent, room) || self.count > 0 && is_no_news {
            self.count.saturating_add(1)
        } else {
            0
        };
        match self.count.checked_sub(CHAT_REPEATS_MAX) {
            None | Some(0) => Worth::Show,
            Some(1) => Worth::Tell,
            Some(_) => Worth::Hide,
        }
    }

    /// Looks for the line among the next that the peer was sent.
    fn finds(&mut self, text: &str, label: Option<&str>, sent: Place, room: &Room<'_>) -> bool {
        let mut place = self.from;
        for _ in 0..CHAT_REPEATS_LOOK {
            match room.line_at(place, sent) {
                Found::End => return false,
                Found::Gone(_, oldest) => place = oldest,
                Found::Line(line, _) if is_repeated(line, text, label) => {
                    self.from = place;
                    return true;
                }
                Found::Line(_, next) => place = next,
            }
        }
        // Lines that do not come back are not waited for.
        self.from = place;
        false
    }
}

/// Whether the line is at the end of what was said, or at its front: alone, behind the labels of other R2s, or in what a
/// program says of it. `text` is what was said behind `label`, the peer's own. Some programs change the letters' case.
fn is_repeated(line: [&[u8]; 2], text: &str, label: Option<&str>) -> bool {
    let [front, back] = line;
    let length = front.len().saturating_add(back.len()).saturating_sub(b"\n".len());
    let line = || front.iter().chain(back).take(length);
    let is_line = |said: &[&str; 3], skipped: usize| {
        let said = said.iter().flat_map(|part| part.as_bytes());
        let mut said = said.skip(skipped);
        line().all(|byte| said.next().is_some_and(|other| other.eq_ignore_ascii_case(byte)))
    };
    let labelled = label.map_or(["", "", text], |label| [label, ": ", text]);
    [["", "", text], labelled].iter().any(|said| {
        let all = said
            .iter()
            .fold(0, |sum: usize, part| sum.saturating_add(part.len()));
        let before = all.checked_sub(length);
        before.is_some_and(|before| is_line(said, 0) || is_line(said, before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Peer, Seat};
    use crate::limits::CHAT_RING_MIN;
    use crate::session::Session;
    use crate::time::Instant;
    use std::boxed::Box;
    use std::string::String;
    use std::vec::Vec;

    const NOW: Instant = Instant::from_millis(0);

    /// One R2: its room, its operator's console, and its end of the only connection.
    struct R2 {
        room: Room<'static>,
        host: Peer,
        peer: Peer,
        screen: String,
    }

    impl R2 {
        fn new(host: &str, peer: &str) -> Self {
            let ring = Box::leak(Box::new([0; 4 * CHAT_RING_MIN]));
            let seats = Vec::leak(std::vec![Seat::default(); 4]);
            let mut room = Room::new(ring, seats, host, peer).unwrap();
            let (mut host, mut peer) = (Peer::host(), Peer::new());
            host.opened(NOW, &mut room);
            peer.opened(NOW, &mut room);
            let screen = String::new();
            Self {
                room,
                host,
                peer,
                screen,
            }
        }

        fn types(&mut self, line: &str) {
            self.host
                .receive(NOW, std::format!("{line}\n").as_bytes(), &mut self.room);
        }

        /// Hears `bytes` from its peer, and says what there is to say to it.
        fn exchange(&mut self, bytes: &[u8]) -> Vec<u8> {
            let (mut rest, mut said) = (bytes, Vec::new());
            loop {
                let mut tx = std::vec![0; 1 << 16];
                let shown = self.host.transmit(NOW, &mut tx, &mut self.room);
                self.screen.push_str(core::str::from_utf8(&tx[..shown]).unwrap());
                let count = self.peer.transmit(NOW, &mut tx, &mut self.room);
                said.extend_from_slice(&tx[..count]);
                if rest.is_empty() {
                    return said;
                }
                let taken = self.peer.receive(NOW, rest, &mut self.room);
                assert!(taken + count > 0, "it never ends");
                rest = &rest[taken..];
            }
        }
    }

    /// More rounds than any exchange here takes that has an end.
    const TO_THE_END: usize = 400;

    /// Lets `r2` talk with what sends everything back, until it is silent.
    fn echoed(r2: &mut R2) {
        let mut wire = Vec::new();
        for _ in 0..TO_THE_END {
            wire = r2.exchange(&wire);
            if wire.is_empty() {
                return;
            }
        }
        panic!("it never ends: {}", String::from_utf8_lossy(&wire));
    }

    /// Joins two R2s until both are silent.
    fn joined(a: &mut R2, b: &mut R2) {
        let mut wire = Vec::new();
        for round in 0..TO_THE_END {
            let said = a.exchange(&wire);
            wire = b.exchange(&said);
            if round > 0 && said.is_empty() && wire.is_empty() {
                return;
            }
        }
        panic!("it never ends: {}", String::from_utf8_lossy(&wire));
    }

    #[test]
    fn an_echo_is_muted_and_heard_again_when_it_says_something_new() {
        for lines in [1, 3, 10] {
            let mut r2 = R2::new("R2", "KALI");
            for line in 0..lines {
                r2.types(&std::format!("line {line}"));
            }
            echoed(&mut r2);
            let repeated = r2.screen.matches("KALI: R2: line").count();
            assert!((1..=CHAT_REPEATS_MAX).contains(&repeated), "{}", r2.screen);
            // Nothing of what it is told counts as new.
            r2.screen.clear();
            r2.types("again");
            echoed(&mut r2);
            assert_eq!(r2.screen, "R2: again\n");
            r2.exchange(b"a word of its own\n");
            assert_eq!(r2.screen, "R2: again\nKALI: a word of its own\n");
        }
    }

    #[test]
    fn a_line_that_is_cut_in_two_is_an_echo_too() {
        let mut r2 = R2::new("R2", "KALI");
        r2.types(&"x".repeat(crate::limits::CHAT_LINE_MAX));
        echoed(&mut r2);
    }

    #[test]
    fn two_r2s_that_called_each_other_fall_silent_whatever_they_are_called() {
        for (there, its_peer) in [("R2", "KALI"), ("KALI", "R2"), ("Bob", "Eve"), ("R2", "Eve")] {
            let (mut here, mut there) = (R2::new("R2", "KALI"), R2::new(there, its_peer));
            for line in 0..5 {
                here.types(&std::format!("here {line}"));
                there.types(&std::format!("there {line}"));
            }
            joined(&mut here, &mut there);
            here.screen.clear();
            there.screen.clear();
            here.types("new");
            joined(&mut here, &mut there);
            assert!(there.screen.contains("R2: new\n"), "{}", there.screen);
            assert!(there.screen.lines().count() < 40, "{}", there.screen);
        }
    }

    /// Something that answers every line with one made of it.
    #[test]
    fn a_program_that_talks_about_what_it_was_sent_is_an_echo_too() {
        let makes: [fn(&str) -> String; 6] = [
            |line| std::format!("you said: {line}"),
            |line| std::format!("> {line}"),
            |line| std::format!("{line}!"),
            |line| std::format!("echo: {line}"),
            str::to_uppercase,
            str::to_lowercase,
        ];
        for make in makes {
            let mut r2 = R2::new("R2", "KALI");
            r2.types("hello");
            let mut said = Vec::new();
            let mut rounds = 0;
            loop {
                let heard = String::from_utf8(r2.exchange(&said)).unwrap();
                if heard.is_empty() {
                    break;
                }
                said = heard
                    .lines()
                    .flat_map(|line| (make(line) + "\n").into_bytes())
                    .collect();
                rounds += 1;
                assert!(rounds < TO_THE_END, "it never ends: {heard}");
            }
            assert!(r2.screen.lines().count() <= 2 + CHAT_REPEATS_MAX, "{}", r2.screen);
            r2.screen.clear();
            r2.exchange(b"a word of its own\n");
            assert_eq!(r2.screen, "KALI: a word of its own\n");
        }
    }

    #[test]
    fn people_may_repeat_themselves_and_others() {
        let mut r2 = R2::new("R2", "KALI");
        r2.types("hi");
        for _ in 0..100 {
            r2.exchange(b"yes\n");
            r2.exchange(b"R2: hi\n");
            r2.exchange(b"KALI: hi\n");
        }
        assert_eq!(r2.screen.matches("KALI: yes\n").count(), 100);
        assert_eq!(r2.screen.matches("KALI: R2: hi\n").count(), 100);
        assert!(!r2.screen.contains("muted"));
    }
}
