//! Peers that speak another protocol: a page in somebody's browser, a client of TLS.
//!
//! A web page may have its visitor's browser send a request to any address, R2's too, and the body of the request may hold
//! lines that are commands. So a connection that begins with a request of HTTP (RFC 9112, section 3) or with the hello of
//! TLS (RFC 8446, section 5.1) is answered with one line and closed, and nothing of it is carried out.

use heapless::Vec;

use crate::limits::{FOREIGN_LINE_MAX, FOREIGN_METHOD_MAX};

/// What stands behind the name of the service in the line that such a peer is told.
pub(crate) const NO_WEB_SERVER: &str = ", not a web server: use nc\n";

/// The methods that are known without the version behind them, when the target between is very long.
const METHODS: [&[u8]; 9] = [
    b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH",
];

const VERSION: &[u8] = b"HTTP/";

/// The beginning of a connection, as far as it has come.
///
/// It looks at bytes before the session takes them, since a session may act on a line before the next byte has come.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    state: State,
    method: Vec<u8, FOREIGN_METHOD_MAX>,
    /// How long the line is so far.
    length: usize,
    /// How many bytes that the session has not taken were looked at.
    ahead: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing but empty lines has come (RFC 9112, section 2.2, lets a client begin so).
    #[default]
    Begins,
    /// The first byte of a TLS record of a handshake.
    Record,
    Method,
    /// The blank behind the method.
    Blank,
    /// A target: a plain one begins with `/` or `*`, another one stands behind a method in capitals.
    Target {
        is_plain: bool,
    },
    /// So much of `HTTP/` behind the target.
    Version {
        is_plain: bool,
        matched: usize,
    },
    /// It is this service's own protocol, or was refused.
    Known,
}

/// What the next byte says.
enum Next {
    Go(State),
    Foreign,
}

impl Opening {
    /// A connection of which nothing has come.
    pub(crate) const fn new() -> Self {
        Self::in_state(State::Begins)
    }

    /// A connection whose peer is known: nothing is looked at.
    pub(crate) const fn known() -> Self {
        Self::in_state(State::Known)
    }

    const fn in_state(state: State) -> Self {
        Self {
            state,
            method: Vec::new(),
            length: 0,
            ahead: 0,
        }
    }

    /// The front of `rx` that the session may take, never empty; `None`, once, where the connection begins with another
    /// protocol. Behind every call [`taken`](Self::taken) says how much was taken.
    pub(crate) fn admit<'b>(&mut self, rx: &'b [u8]) -> Option<&'b [u8]> {
        while self.state != State::Known
            && let Some(byte) = rx.get(self.ahead)
        {
            let had_begun = self.state != State::Begins;
            self.state = match self.next(*byte) {
                Next::Go(state) => state,
                Next::Foreign => {
                    self.state = State::Known;
                    return None;
                }
            };
            self.ahead = self.ahead.saturating_add(1);
            if !had_begun && *byte == b'\n' {
                // The session answers an empty line before the next one is looked at.
                return rx.get(..self.ahead);
            }
        }
        Some(rx)
    }

    /// Whether what has come tells that the connection begins with no other protocol.
    pub(crate) const fn is_known(&self) -> bool {
        matches!(self.state, State::Known)
    }

    /// So many bytes of what was admitted were taken.
    pub(crate) fn taken(&mut self, count: usize) {
        self.ahead = self.ahead.saturating_sub(count);
    }

    fn next(&mut self, byte: u8) -> Next {
        self.length = self.length.saturating_add(1);
        if self.length > FOREIGN_LINE_MAX {
            let is_request = matches!(self.state, State::Target { .. } | State::Version { .. })
                && METHODS.contains(&self.method.as_slice());
            return if is_request {
                Next::Foreign
            } else {
                Next::Go(State::Known)
            };
        }
        Next::Go(match (self.state, byte) {
            (State::Begins, b'\r' | b'\n') => {
                self.length = 0;
                State::Begins
            }
            (State::Begins, 0x16) => State::Record,
            (State::Record, 0x03) => return Next::Foreign,
            (State::Begins | State::Method, _) if is_token(byte) && self.method.push(byte).is_ok() => {
                State::Method
            }
            (State::Method, b' ') => State::Blank,
            (State::Blank, b'/' | b'*') => State::Target { is_plain: true },
            (State::Blank, b'!'..=b'~') if self.is_in_capitals() => State::Target { is_plain: false },
            (State::Target { is_plain }, b' ') => State::Version { is_plain, matched: 0 },
            (State::Target { .. }, b'!'..=b'~') => self.state,
            (State::Version { matched, .. }, b'0'..=b'9') if matched == VERSION.len() => {
                return Next::Foreign;
            }
            (State::Version { is_plain, matched }, _)
                if VERSION.get(matched) == Some(&byte.to_ascii_uppercase()) =>
            {
                let matched = matched.saturating_add(1);
                State::Version { is_plain, matched }
            }
            // A blank within the target, which no browser sends.
            (State::Version { is_plain: true, .. }, b' ') => State::Version {
                is_plain: true,
                matched: 0,
            },
            (State::Version { is_plain: true, .. }, b'!'..=b'~') => State::Target { is_plain: true },
            _ => State::Known,
        })
    }

    /// Whether the method looks like one of HTTP's: few lines of text begin with such a word, and fewer still are
    /// `WORD WORD HTTP/1`.
    fn is_in_capitals(&self) -> bool {
        self.method.len() >= "GET".len() && self.method.iter().all(u8::is_ascii_uppercase)
    }
}

/// A byte of a token (RFC 9110, section 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    /// Whether `said` is refused when it comes in pieces of `size`, of which a session takes half at a time.
    fn is_foreign_in_pieces(said: &[u8], size: usize) -> bool {
        let mut opening = Opening::new();
        let (mut arrived, mut taken) = (0, 0);
        while taken < said.len() {
            arrived = said.len().min(arrived + size);
            let Some(admitted) = opening.admit(&said[taken..arrived]) else {
                return true;
            };
            let count = admitted.len().div_ceil(2);
            opening.taken(count);
            taken += count;
        }
        false
    }

    fn is_foreign(said: &[u8]) -> bool {
        let whole = is_foreign_in_pieces(said, said.len());
        for size in (1..said.len().min(100)).chain([600, 5000]) {
            let text = String::from_utf8_lossy(said);
            assert_eq!(
                is_foreign_in_pieces(said, size),
                whole,
                "{text:?} in pieces of {size}"
            );
        }
        whole
    }

    #[test]
    fn what_browsers_and_their_like_send_is_refused() {
        let long = "x".repeat(6000);
        for said in [
            "GET / HTTP/1.1\r\nHost: r2\r\n\r\n",
            "POST / HTTP/1.1\r\n\r\n\nDEL notes.txt\n",
            "GET / HTTP/1.0\n",
            "\r\nGET / HTTP/1.1\r\n",
            "\n\n\nGET / HTTP/1.1\n",
            "OPTIONS * HTTP/1.1\r\n",
            "CONNECT r2:5030 HTTP/1.1\r\n",
            "GET http://r2/ HTTP/1.1\r\n",
            "GET notes.txt HTTP/1.1\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "patch /x HTTP/1.1\r\n",
            "get / http/1.1\r\n",
            "M-SEARCH * HTTP/1.1\r\n",
            "GET /a b HTTP/1.1\r\n",
            "GET /SECRET123 HTTP/1.1",
            &format!("GET /{long} HTTP/1.1\r\n"),
            &format!("POST /{long}"),
        ] {
            assert!(is_foreign(said.as_bytes()), "{said}");
        }
        assert!(is_foreign(b"\x16\x03\x01\x02\x00\x01"));
        assert!(is_foreign(b"\x16\x03"));
    }

    #[test]
    fn what_people_say_is_not() {
        let long = "x".repeat(6000);
        for said in [
            "",
            "\n",
            "GET lost\n",
            "I GET / HTTP jokes\n",
            "I like HTTP/1.1\n",
            "who wants HTTP/1.1\n",
            "GET notes.txt\nGET / HTTP/1.1\n",
            "PUT notes.txt 5\nhello",
            "LIST\nPOST / HTTP/1.1\n",
            "GET /etc/passwd\n",
            "GET / HTTP\n",
            "GET / HTTP/x\n",
            "/who\n",
            "KALI: GET / HTTP/1.1\n",
            "PUT is not what HTTP/1.1 says\n",
            "HTTP/1.1 400 Bad Request\r\n",
            " GET / HTTP/1.1\n",
            "\u{e4}GET / HTTP/1.1\n",
            "\u{16}\n",
            "hi\u{16}\u{3}\n",
            &long,
            &format!("SECRET /{long} HTTP/1.1\n"),
            &format!("look /{long} HTTP/1.1\n"),
        ] {
            assert!(!is_foreign(said.as_bytes()), "{said}");
        }
    }
}
