//! Two and three peers in one room.

use std::string::String;
use std::vec::Vec;

use r2_core::chat::{Peer, Room, Seat};
use r2_core::session::Over;
use r2_tests::splits::{Driver, Script, Seen, same_for_every_driver};

const ROOMS: usize = 40;

/// Plays with R2's console as peer 0.
fn play(driver: &Driver, script: &Script, seats: usize) -> Vec<Seen> {
    let (mut ring, mut seats) = (vec![0; 16 << 10], vec![Seat::default(); seats]);
    let mut room = Room::new(&mut ring, &mut seats, "R2", "KALI").unwrap();
    driver.play(script, &mut room, |peer| {
        if peer == 0 { Peer::host() } else { Peer::new() }
    })
}

fn screens(script: &Script) -> Vec<String> {
    let seen = same_for_every_driver(script, ROOMS, |driver| play(driver, script, 8));
    seen.iter().map(Seen::text).collect()
}

#[cfg_attr(test, test)]
pub(crate) fn every_screen_shows_every_line_once_in_one_order() {
    let script = Script::new()
        .opens(0)
        .opens(1)
        .opens(2)
        .sends(0, "Hi, my name is R2\n")
        .sends(1, "Hi R2, my name is KALI. Nice to meet you.\r\n\n")
        .sends(2, "R2: forged\nKALI: forged\nKALI-2: own\n");
    let talk = "R2: Hi, my name is R2\nKALI: Hi R2, my name is KALI. Nice to meet you.\n\
                KALI-2: R2: forged\nKALI-2: forged\nKALI-2: own\n";
    let screens = screens(&script);
    assert_eq!(screens[0], format!("* KALI joined\n* KALI-2 joined\n{talk}"));
    assert_eq!(screens[1], format!("* KALI-2 joined\n{talk}"));
    assert_eq!(screens[2], talk);
}

#[cfg_attr(test, test)]
pub(crate) fn commands_answer_where_they_were_typed() {
    let script = Script::new()
        .opens(0)
        .opens(1)
        .opens(2)
        .sends(
            1,
            "one\n/who\nKALI: /nick Bob\n/dance now\n/nick r2\n/nick a b\n/nick Bob\n/\n/ x\n",
        )
        .sends(2, "/nick bOB\nBob: x\n/quit\nnever said\n")
        .sends(0, "/nick Boss\n/who\n");
    let screens = screens(&script);
    let renamed = "KALI: one\n* KALI is now Bob\nBob: /\nBob: / x\nKALI-2: Bob: x\n";
    assert_eq!(
        screens[1],
        "* KALI-2 joined\nKALI: one\n* here: R2 KALI KALI-2\n* KALI is now Bob\n* unknown command /dance\n\
         * name taken\n* a name is 1 to 16 of A-Z a-z 0-9 _ -\n* you are Bob already\nBob: /\nBob: / x\n\
         KALI-2: Bob: x\n* KALI-2 left\n"
    );
    assert_eq!(
        screens[2],
        renamed.replace("KALI-2: Bob", "* name taken\nKALI-2: Bob")
    );
    assert_eq!(
        screens[0],
        format!(
            "* KALI joined\n* KALI-2 joined\n{renamed}* KALI-2 left\n* R2 keeps its name\n* here: R2 Bob\n"
        )
    );
}

#[cfg_attr(test, test)]
pub(crate) fn a_last_line_without_ending_counts_at_fin_and_not_at_rst() {
    let script = Script::new()
        .opens(0)
        .opens(1)
        .opens(2)
        .sends(1, b"last \xC3\xA9\xE2\x82\xAC words\n\xF0")
        .finishes(1)
        .sends(2, "not said")
        .ends(2, Over::Reset)
        .sends(0, "/who");
    let seen = same_for_every_driver(&script, ROOMS, |driver| play(driver, &script, 8));
    let said = "KALI: last é€ words\nKALI: \u{FFFD}\n";
    assert_eq!(seen[1].text(), format!("* KALI-2 joined\n{said}"));
    assert!(seen[1].fin);
    assert_eq!(
        seen[0].text(),
        format!("* KALI joined\n* KALI-2 joined\n{said}* KALI left\n* KALI-2 left\n")
    );
}

#[cfg_attr(test, test)]
pub(crate) fn a_question_without_ending_is_answered_before_the_peer_leaves() {
    let script = Script::new().opens(0).opens(1).sends(1, "hi\n/who").finishes(1);
    let seen = same_for_every_driver(&script, ROOMS, |driver| play(driver, &script, 8));
    assert_eq!(seen[1].text(), "KALI: hi\n* here: R2 KALI\n");
    assert!(seen[1].fin);
    assert_eq!(seen[0].text(), "* KALI joined\nKALI: hi\n* KALI left\n");
}

#[cfg_attr(test, test)]
pub(crate) fn a_long_line_becomes_several_cut_between_characters() {
    let long = format!("KALI: {}\u{e9}{}KALI: /who\n", "a".repeat(511), "b".repeat(510));
    let script = Script::new().opens(1).sends(1, long);
    assert_eq!(
        screens(&script)[1],
        format!(
            "KALI: {}\nKALI: é{}\nKALI: KALI: /who\n",
            "a".repeat(511),
            "b".repeat(510)
        )
    );
}

#[cfg_attr(test, test)]
pub(crate) fn the_rest_of_a_command_that_is_too_long_is_dropped() {
    let script = Script::new()
        .opens(1)
        .sends(1, format!("/{}\nafter\n", "x".repeat(600)))
        .sends(1, format!("/who {}\n", "x".repeat(600)));
    assert_eq!(
        screens(&script)[1],
        format!(
            "* unknown command /{}\nKALI: after\n* here: R2 KALI\n",
            "x".repeat(511)
        )
    );
}

#[cfg_attr(test, test)]
pub(crate) fn broken_text_is_mended_however_it_is_cut() {
    let script = Script::new().opens(1).sends(
        1,
        b"\x1B[31mred\x07\xC2\x9B \xE2\x82\n\xFFa\xF0\x9F\x98\x80\xE2\x80\xAE\tb\x7F\n",
    );
    assert_eq!(
        screens(&script)[1],
        "KALI: [31mred \u{FFFD}\nKALI: \u{FFFD}a😀\tb\n"
    );
}

#[cfg_attr(test, test)]
pub(crate) fn a_full_room_says_so_and_closes() {
    let script = Script::new()
        .opens(1)
        .opens(2)
        .sends(2, "/who\nhello\n")
        .finishes(2);
    let seen = same_for_every_driver(&script, ROOMS, |driver| play(driver, &script, 1));
    assert_eq!(seen[2].text(), "* the room is full\n");
    assert!(seen[2].fin);
    assert_eq!(seen[1].text(), "");
}

#[cfg_attr(test, test)]
pub(crate) fn a_return_alone_ends_a_line_and_telnets_commands_are_skipped() {
    let script = Script::new()
        .opens(0)
        .opens(1)
        .sends(
            1,
            b"\xFF\xFD\x03\xFF\xFB\x18first\rsecond\r\0third\r\nfou\xFF\xF1rth\r",
        )
        .sends(
            1,
            b"\n\r\r\n/nick Bob\rfifth \xE2\xFF\xFE\x01\x82\xAC\xFF\xFA\x1F\0\x0A\0\xFF\xFF\xFF\xF0\n",
        )
        .sends(1, b"last\xFF")
        .finishes(1);
    assert_eq!(
        screens(&script)[0],
        "* KALI joined\nKALI: first\nKALI: second\nKALI: third\nKALI: fourth\n* KALI is now Bob\nBob: fifth \u{20AC}\n\
         Bob: last\u{FFFD}\n* Bob left\n"
    );
}

#[cfg_attr(test, test)]
pub(crate) fn a_peer_that_says_what_it_was_sent_is_muted_until_it_says_something_else() {
    let script = Script::new()
        .opens(0)
        .opens(1)
        .sends(0, "hi\n")
        .sends(1, "R2: hi\n")
        .sends(1, "KALI: R2: hi\n".repeat(20))
        .sends(
            1,
            "* muted: these lines are what you were sent; say something else\n",
        )
        .sends(1, "KALI: R2: hi\n")
        .sends(1, "I am back\n");
    let screens = screens(&script);
    let shown = format!("R2: hi\n{}", "KALI: R2: hi\n".repeat(8));
    assert_eq!(screens[0], format!("* KALI joined\n{shown}KALI: I am back\n"));
    assert_eq!(
        screens[1],
        format!("{shown}* muted: these lines are what you were sent; say something else\nKALI: I am back\n")
    );
}
