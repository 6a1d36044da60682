//! Browsers and clients of TLS are told so, and nothing of what they send is carried out.

use r2_tests::carrier::{Carrier, End, Service};

use crate::{files, list, sha256, text};

/// What a page sends with `fetch(…, {method: 'POST', mode: 'no-cors', body: …})`.
fn fetch(body: &str) -> Vec<u8> {
    format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:5030\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\
         Content-Type: text/plain;charset=UTF-8\r\nOrigin: http://other.example\r\nSec-Fetch-Mode: no-cors\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The only line that R2 says to who says `said`.
fn answer(r2: &mut impl Carrier, service: Service, said: &[u8]) -> String {
    let peer = r2.connect(service);
    r2.send(peer, said);
    let (heard, end) = r2.read_to_end(peer);
    assert_eq!(end, End::Fin);
    r2.half_close(peer);
    let heard = text(heard);
    assert_eq!(heard.lines().count(), 1, "{heard}");
    assert!(heard.ends_with(", not a web server: use nc\n"), "{heard}");
    heard
}

const HELLO: &[u8] = b"\x16\x03\x01\x00\xA5\x01\x00\x00\xA1\x03\x03\nDEL notes\n";

pub(crate) fn the_body_of_a_request_deletes_nothing(r2: &mut impl Carrier) {
    files(r2, b"PUT notes 4\nkept");
    let long = format!("GET /{} HTTP/1.1\r\n\r\nDEL notes\n", "a".repeat(2000));
    for said in [&fetch("\nDEL notes\n"), long.as_bytes(), HELLO] {
        assert!(answer(r2, Service::Files, said).starts_with("ERROR bad-request "));
    }
    assert!(list(r2).contains(&format!("notes 4 {}", sha256(b"kept"))));
    files(r2, b"DEL notes");
}

pub(crate) fn secret_tells_no_code(r2: &mut impl Carrier) {
    let said = b"GET /SECRET123 HTTP/1.1\r\nHost: r2\r\n\r\n";
    for said in [&said[..], &fetch("SECRET 1\n"), HELLO] {
        answer(r2, Service::Secret, said);
    }
}

pub(crate) fn chat_says_nothing_of_it(r2: &mut impl Carrier) {
    let kali = r2.connect(Service::Chat);
    r2.send(kali, b"/who\n");
    assert_eq!(r2.line(kali), "* here: R2 KALI\n");
    for said in [&fetch("\n/nick Bob\nhello\n")[..], HELLO] {
        assert!(answer(r2, Service::Chat, said).starts_with("* "));
        assert_eq!(r2.line(kali), "* KALI-2 joined\n");
        assert_eq!(r2.line(kali), "* KALI-2 left\n");
    }
    r2.send(kali, b"GET / HTTP/1.1\n");
    assert_eq!(r2.line(kali), "KALI: GET / HTTP/1.1\n");
}

/// It says so whether the request comes with the last segment of the handshake, or right behind it.
pub(crate) fn the_status_page_is_not_for_browsers(r2: &mut impl Carrier) {
    for said in [&fetch("DEL notes\n")[..], b"\r\nHEAD / HTTP/1.0\n", HELLO] {
        let told = answer(r2, Service::Status, said);
        assert!(told.starts_with("this is R2's status page, "), "{told}");
    }
    let peer = r2.connect(Service::Status);
    r2.send(peer, b"GET notes.txt\n");
    let (heard, end) = r2.read_to_end(peer);
    assert_eq!(end, End::Fin);
    r2.half_close(peer);
    assert!(text(heard).starts_with("version: "));
}
