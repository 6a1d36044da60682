//! Chat with peers that send anything, and with one that stops.

use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, Instant};

use r2_tests::aftermath::{AT_ONCE, SOON, survives};
use r2_tests::lab::Lab;
use r2_tests::program::Program;
use rustix::process::Signal;

const NC: &str = "nc.openbsd -N 192.168.69.1 5000";

fn join(lab: &Lab, name: &str) -> Program {
    let peer = lab.start_kali(&format!("exec {NC}"));
    lab.r2.sees(&format!("* {name} joined\n"));
    peer
}

/// Whether a terminal may be shown it: text without control characters but TAB, and without those that turn it round.
fn is_clean(line: &str) -> bool {
    line.chars().all(|c| {
        (c == '\t' || !c.is_control())
            && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
    })
}

#[test]
fn every_byte_every_escape_and_every_turn_of_the_text() {
    survives("", AT_ONCE, SOON, |lab, _| {
        let mut kali = join(lab, "KALI");
        let witness = join(lab, "KALI-2");
        let mut expected = String::new();
        for byte in 0..=255_u8 {
            kali.types([b"[", &[byte][..], b"]\n"].concat());
            match byte {
                b'\n' | b'\r' => expected += "KALI: [\nKALI: ]\n",
                b'\t' | b' '..=b'~' => writeln!(expected, "KALI: [{}]", char::from(byte)).unwrap(),
                0..=0x1f | 0x7f => expected += "KALI: []\n",
                0x80.. => expected += "KALI: [\u{fffd}]\n",
            }
        }
        for harm in [
            "\x1b]0;title\x07",
            "\x1b[2J\x1b[H",
            "\x1bc",
            "\x1bP$q\x1b\\",
            "\x1b]52;c;cm0gLXJm\x07",
            "\u{9b}31m",
            "\u{202e}txt.exe",
            "\u{2067}\u{2069}\u{61c}\u{200f}",
        ] {
            kali.types(format!("{harm}\n"));
        }
        kali.types("the end\n");
        witness.sees("KALI: the end\n");
        let screen = witness.stdout.text();
        assert!(screen.starts_with(&expected), "{screen}");
        for line in screen.lines() {
            assert!(line.starts_with("KALI: ") && is_clean(line), "{line:?}");
        }
    });
}

#[test]
fn a_line_of_a_megabyte_is_all_there_or_counted() {
    const BYTES: usize = 1 << 20;
    survives("", AT_ONCE, SOON, |lab, _| {
        let mut kali = lab.connect(5000);
        lab.r2.sees("* KALI joined\n");
        let long: Vec<u8> = (b'a'..=b'z').cycle().take(BYTES).collect();
        kali.write_all(&long).unwrap();
        kali.write_all(b"\nend\n").unwrap();
        lab.r2.sees("KALI: end\n");
        let screen = lab.r2.stdout.text();
        let (mut shown, mut skipped) = (0, 0);
        for line in screen.lines().skip_while(|line| !line.starts_with("KALI: ")) {
            match line.strip_prefix("KALI: ") {
                Some("end") => break,
                Some(piece) => {
                    assert!(piece.len() <= 512, "{piece}");
                    shown += 1;
                }
                None => {
                    let count = line
                        .strip_prefix("* ")
                        .and_then(|l| l.strip_suffix(" lines skipped"));
                    skipped += count.expect("a count").parse::<usize>().unwrap();
                }
            }
        }
        assert_eq!(shown + skipped, BYTES / 512);
    });
}

#[test]
fn a_line_of_one_byte_every_10_ms_is_one_line() {
    survives("", AT_ONCE, SOON, |lab, _| {
        let mut kali = lab.connect(5000);
        kali.set_nodelay(true).unwrap();
        lab.r2.sees("* KALI joined\n");
        for byte in b"slow, but one line \xe2\x82\xac\n" {
            kali.write_all(&[*byte]).unwrap();
            lab.kali("sleep 0.01");
        }
        lab.r2.sees("KALI: slow, but one line \u{20ac}\n");
    });
}

#[test]
fn a_peer_that_is_stopped_delays_nobody_and_is_told_what_it_missed() {
    const LINES: usize = 40_000;
    const NO_DELAY: Duration = Duration::from_millis(200);
    survives("", AT_ONCE, SOON, |lab, _| {
        // Its kernel keeps little for it.
        lab.kali("sysctl -qw net.ipv4.tcp_rmem='4096 4096 4096'");
        let stopped = join(lab, "KALI");
        stopped.signal(Signal::STOP);
        let witness = join(lab, "KALI-2");
        let mut talker = join(lab, "KALI-3");
        let text = "x".repeat(99);
        let mut typed = String::new();
        for number in 0..LINES {
            writeln!(typed, "{number} {text}").unwrap();
        }
        talker.types(typed);
        talker.types("all of it\n");
        lab.r2.sees("KALI-3: all of it\n");
        witness.sees("KALI-3: all of it\n");
        let mut slowest = Duration::ZERO;
        for number in 0..20 {
            let said = Instant::now();
            talker.types(format!("ping {number}\n"));
            witness.sees(&format!("KALI-3: ping {number}\n"));
            slowest = slowest.max(said.elapsed());
        }
        assert!(slowest <= NO_DELAY, "{slowest:?}");
        stopped.signal(Signal::CONT);
        stopped.sees("KALI-3: ping 19\n");
        stopped.sees(" lines skipped\n");
    });
}
