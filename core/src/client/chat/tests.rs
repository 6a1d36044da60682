use super::*;
use std::string::String;
use std::vec::Vec;

/// The front of a line of R2's.
const R2: &[u8] = b"R2: ";

const NOW: Instant = Instant::from_millis(0);

#[derive(Default)]
struct Screen {
    keys: Vec<u8>,
    keys_end: bool,
    shown: Vec<u8>,
    /// How many bytes it takes before it is slow.
    takes: usize,
}

impl Terminal for Screen {
    fn typed(&mut self, into: &mut [u8]) -> Typed {
        if self.keys.is_empty() && self.keys_end {
            return Typed::End;
        }
        let count = self.keys.len().min(into.len());
        for (to, from) in into.iter_mut().zip(self.keys.drain(..count)) {
            *to = from;
        }
        Typed::Bytes(count)
    }

    fn show(&mut self, text: &[u8]) -> usize {
        let count = text.len().min(self.takes);
        self.takes -= count;
        self.shown.extend_from_slice(&text[..count]);
        count
    }
}

fn sent(chat: &mut Chat, screen: &mut Screen) -> String {
    let mut sent = Vec::new();
    let mut tx = [0; 5];
    loop {
        let filled = chat.transmit(NOW, &mut tx, screen);
        if filled == 0 {
            return String::from_utf8(sent).unwrap();
        }
        sent.extend_from_slice(&tx[..filled]);
        assert!(sent.len() < 1000, "it never ends");
    }
}

#[test]
fn the_name_goes_first_then_what_is_typed_then_fin_and_it_still_shows() {
    let mut chat = Chat::new(Some("Bob")).unwrap();
    let mut screen = Screen {
        keys: b"hello\n".to_vec(),
        takes: 100,
        ..Screen::default()
    };
    assert_eq!(sent(&mut chat, &mut screen), "/nick Bob\nhello\n");
    assert_eq!(Session::<Screen>::wants(&chat), Wants::Nothing);
    screen.keys_end = true;
    assert_eq!(sent(&mut chat, &mut screen), "");
    assert_eq!(Session::<Screen>::wants(&chat), Wants::Close);
    chat.receive(NOW, b"R2: bye\r\n", &mut screen);
    assert_eq!(screen.shown, b"R2: bye\n");
    assert_eq!(Session::<Screen>::poll_at(&chat), None);
}

#[test]
fn a_server_does_not_drive_the_terminal() {
    let mut chat = Chat::new(None).unwrap();
    let mut screen = Screen {
        takes: 100,
        ..Screen::default()
    };
    for piece in [
        &b"R2: \x1B]0;x\x07a\xF0\x9F"[..],
        b"\x98\x80\xE2\x80\xAE\n\xC3\nb\xC3",
    ] {
        assert_eq!(chat.receive(NOW, piece, &mut screen), piece.len());
    }
    chat.finished(NOW, &mut screen);
    let shown = String::from_utf8(screen.shown).unwrap();
    assert_eq!(shown, "R2: ]0;xa😀\n\u{FFFD}\nb\u{FFFD}");
}

#[test]
fn a_slow_terminal_closes_the_window_and_loses_nothing() {
    let mut chat = Chat::new(None).unwrap();
    let mut screen = Screen {
        takes: R2.len(),
        ..Screen::default()
    };
    chat.receive(NOW, R2, &mut screen);
    screen = Screen::default();
    // The worst that cleaning makes longer.
    let sent = [0xFF; 5000];
    let mut rest = &sent[..];
    for _ in 0..1000 {
        let taken = chat.receive(NOW, rest, &mut screen);
        assert!(taken < TAKEN_AT_ONCE + 1, "took more than it can hold");
        assert!(!chat.is_shown(), "the terminal took nothing");
        rest = &rest[taken..];
        screen.takes = 97;
        chat.transmit(NOW, &mut [], &mut screen);
        screen.takes = 0;
        if rest.is_empty() {
            break;
        }
    }
    assert!(rest.is_empty(), "it never ends");
    screen.takes = usize::MAX;
    chat.over(NOW, Over::Delivered, &mut screen);
    assert!(chat.is_shown());
    assert_eq!(String::from_utf8(screen.shown).unwrap(), "\u{FFFD}".repeat(5000));
}

#[test]
fn a_line_without_an_end_ends_the_chat_and_many_lines_do_not() {
    let mut screen = Screen {
        takes: usize::MAX,
        ..Screen::default()
    };
    for (piece, ends) in [(&b"\0\0\0\0"[..], true), (b"xxx\xF0", true), (b"xx\nx", false)] {
        let mut chat = Chat::new(None).unwrap();
        assert_eq!(chat.receive(NOW, R2, &mut screen), 4);
        for _ in 1..CLIENT_LINE_MAX / 4 {
            assert_eq!(chat.receive(NOW, piece, &mut screen), 4);
        }
        assert!(!chat.is_too_long(), "it just fits");
        chat.receive(NOW, piece, &mut screen);
        assert_eq!(chat.is_too_long(), ends, "{piece:?}");
        assert_eq!(Session::<Screen>::wants(&chat) == Wants::Abort, ends);
    }
}

#[test]
fn who_begins_with_no_line_of_r2_s_is_a_stranger() {
    let heard = |said: &[u8], piece: usize, closes: bool, keys_end: bool| {
        let mut chat = Chat::new(None).unwrap();
        let mut screen = Screen {
            takes: usize::MAX,
            keys_end,
            ..Screen::default()
        };
        sent(&mut chat, &mut screen);
        for piece in said.chunks(piece) {
            chat.receive(NOW, piece, &mut screen);
        }
        if closes {
            chat.finished(NOW, &mut screen);
        }
        let stranger = chat.stranger().map(<[u8]>::to_vec);
        assert_eq!(
            stranger.is_some(),
            Session::<Screen>::wants(&chat) == Wants::Abort
        );
        assert!(
            stranger.is_none() || screen.shown.is_empty(),
            "nothing of it is shown"
        );
        (stranger, screen.shown)
    };
    for said in [
        &b"* KALI-2 joined\n"[..],
        b"R2: \n",
        b"abcdefghijklmnop-65535: x\n",
        b"_-: SSH-2.0",
    ] {
        for piece in [1, 2, 99] {
            assert_eq!(heard(said, piece, false, false), (None, said.to_vec()));
        }
    }
    for said in [
        &b"SSH-2.0-OpenSSH_9.2\r"[..],
        b"ERROR bad-request",
        b"*x",
        b":x",
        b"R2:x",
        b"abcdefghijklmnop-655350: x",
        b"\0",
        b"\xFF",
        b"hi",
    ] {
        for ends in [false, true] {
            let lines = [said, b"\nmore\n"].concat();
            assert_eq!(
                heard(&lines, 99, false, ends).0.as_deref(),
                Some(said),
                "{said:?}"
            );
        }
        // Whatever it was to become.
        assert!(heard(said, 1, true, false).0.is_some(), "{said:?}");
    }
    assert_eq!(heard(b"", 1, true, false).0.as_deref(), Some(&b""[..]));
    assert_eq!(heard(b"", 1, true, true).0, None, "it had nothing to say");
    assert_eq!(heard(&[b'.'; 999], 999, false, true).0.unwrap().len(), HEARD_MAX);
}

#[test]
fn a_status_page_is_shown_and_told_from_a_chat_at_its_end() {
    for (said, closes, is_page) in [
        ("version: 0.1.0\nboard: host\nuptime_s: 7\n", true, true),
        ("version: 0.1.0\nboard: host\nuptime_s: 7\n", false, false),
        ("version: 0.1.0\n", true, false),
        ("version: hi\nKALI: hello\n", true, false),
        ("KALI: version: 0.1.0\nboard: host\n", true, false),
        ("R2: \nversion: 0.1.0\nboard: host\n", true, false),
    ] {
        for piece in [1, 5, 99] {
            let mut chat = Chat::new(None).unwrap();
            let mut screen = Screen {
                takes: usize::MAX,
                ..Screen::default()
            };
            for piece in said.as_bytes().chunks(piece) {
                chat.receive(NOW, piece, &mut screen);
            }
            if closes {
                chat.finished(NOW, &mut screen);
            }
            assert_eq!(chat.is_status_page(), is_page, "{said}");
            assert_eq!(chat.stranger(), None);
            assert_eq!(screen.shown, said.as_bytes());
        }
    }
    // What does not fit is not looked at.
    let mut chat = Chat::new(None).unwrap();
    let mut screen = Screen {
        takes: usize::MAX,
        ..Screen::default()
    };
    let long = [b"R2: ", &[b'x'; 2 * HEARD_MAX][..]].concat();
    assert_eq!(chat.receive(NOW, &long, &mut screen), long.len());
    chat.finished(NOW, &mut screen);
    assert!(!chat.is_status_page());
}

#[test]
fn a_name_that_is_taken_ends_the_chat_and_one_that_is_refused_later_does_not() {
    for (nick, said, is_taken) in [
        (Some("R2"), "* name taken\n", true),
        (Some("R2"), "R2: hello\n* KALI-2 joined\n* name taken\r\n", true),
        (Some("Bob"), "* KALI is now Bob\n* name taken\n", false),
        (Some("Bob"), "KALI: * name taken\n* name taken!\n", false),
        (Some("Bob"), "* name take", false),
        (None, "* name taken\n", false),
    ] {
        for piece in [1, 7, 99] {
            let mut chat = Chat::new(nick).unwrap();
            let mut screen = Screen {
                takes: usize::MAX,
                ..Screen::default()
            };
            sent(&mut chat, &mut screen);
            for piece in said.as_bytes().chunks(piece) {
                chat.receive(NOW, piece, &mut screen);
            }
            assert_eq!(chat.is_name_taken(), is_taken, "{said}");
            let wants = if is_taken { Wants::Close } else { Wants::Nothing };
            assert_eq!(Session::<Screen>::wants(&chat), wants);
        }
    }
}

#[test]
fn what_cannot_be_a_name_is_refused() {
    assert!(Chat::new(Some("a\nb")).is_none());
    assert!(Chat::new(Some("abcdefghijklmnopq")).is_none());
    let mut longest = Chat::new(Some("abcdefghijklmnop")).unwrap();
    assert_eq!(
        sent(&mut longest, &mut Screen::default()),
        "/nick abcdefghijklmnop\n"
    );
}
