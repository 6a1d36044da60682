//! Echo, discard, chargen, and the status page.

use core::fmt::{Error, Write};
use std::vec::Vec;

use r2_core::diag::{chargen::Chargen, discard::Discard, echo::Echo};
use r2_core::limits::STATUS_WAITS;
use r2_core::status::{Report, Status};
use r2_core::time::Instant;
use r2_tests::splits::{Script, same_for_every_driver};

#[cfg_attr(test, test)]
pub(crate) fn echo_sends_everything_back_and_closes() {
    let sent: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let script = Script::new().opens(0).sends(0, &sent).finishes(0);
    let seen = same_for_every_driver(&script, 20, |driver| {
        driver.play(&script, &mut (), |_| Echo::new())
    });
    assert!(seen[0].bytes == sent && seen[0].fin);
}

#[cfg_attr(test, test)]
pub(crate) fn discard_says_nothing_and_closes() {
    let script = Script::new().opens(0).sends(0, "anything\n").finishes(0);
    let seen = same_for_every_driver(&script, 2, |driver| {
        driver.play(&script, &mut (), |_| Discard::new())
    });
    assert!(seen[0].bytes.is_empty() && seen[0].fin);
}

#[cfg_attr(test, test)]
pub(crate) fn chargen_goes_on_behind_the_peers_fin() {
    let script = Script::new()
        .reads_only(0, 100)
        .opens(0)
        .sends(0, "ignored")
        .finishes(0)
        .reads_only(0, 500);
    let seen = same_for_every_driver(&script, 80, |driver| {
        driver.play(&script, &mut (), |_| Chargen::new())
    });
    assert_eq!(seen[0].bytes.len(), 500);
    assert!(seen[0].bytes.starts_with(b"!\"#$%&'()*+,-./0123456789"));
    assert!(!seen[0].fin);
}

struct Page;

impl Report for Page {
    fn line(&self, now: Instant, index: usize, out: &mut dyn Write) -> Result<bool, Error> {
        match index {
            0 => write!(out, "version: 0.1.0")?,
            1 => write!(out, "uptime_s: {}", now.as_millis() / 1000)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg_attr(test, test)]
pub(crate) fn the_status_page_comes_whole_and_closes_whatever_the_peer_does() {
    for script in [
        Script::new().opens(0).waits(STATUS_WAITS),
        Script::new().opens(0).finishes(0),
        Script::new().opens(0).sends(0, "hello\n"),
        Script::new()
            .opens(0)
            .waits(STATUS_WAITS)
            .sends(0, "GET / HTTP/1.0\r\n\r\n")
            .finishes(0),
    ] {
        let seen = same_for_every_driver(&script, 20, |driver| {
            driver.play(&script, &mut Page, |_| Status::new())
        });
        assert_eq!(seen[0].text(), "version: 0.1.0\nuptime_s: 0\n");
        assert!(seen[0].fin);
    }
}

#[cfg_attr(test, test)]
pub(crate) fn a_browser_that_asks_for_the_status_page_is_told_so_at_every_split() {
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "\r\nPOST / HTTP/1.1\n",
        "\u{16}\u{3}\u{1}",
    ] {
        let script = Script::new().opens(0).sends(0, request).finishes(0);
        let seen = same_for_every_driver(&script, 20, |driver| {
            driver.play(&script, &mut Page, |_| Status::new())
        });
        assert_eq!(
            seen[0].text(),
            "this is R2's status page, not a web server: use nc\n"
        );
        assert!(seen[0].fin);
    }
}
