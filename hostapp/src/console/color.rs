//! A colour for each sender.

use std::borrow::Cow;
use std::io;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use r2_core::limits::LABEL_MAX;

use super::Screen;

/// The colours that can be read on a dark and on a light background.
const HUES: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Red,
];

/// Gives R2, KALI and her first followers a hue each.
const SPREAD: u32 = 37;

/// Whether `screen` is a terminal that has colours and whose user wants them: `NO_COLOR`, `CLICOLOR` and `TERM=dumb`
/// are respected.
pub(super) fn wanted(screen: Screen) -> bool {
    use io::IsTerminal;
    let (is_terminal, choice) = match screen {
        Screen::Output => (io::stdout().is_terminal(), AutoStream::choice(&io::stdout())),
        Screen::Error => (io::stderr().is_terminal(), AutoStream::choice(&io::stderr())),
    };
    // Where `CI` is set, `AutoStream` would have colours on any terminal.
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    is_terminal && !dumb && choice != ColorChoice::Never
}

/// Colours the label of every line of chat, and dims what R2 itself says; the bytes as they are where no colours
/// are `wanted`.
pub(super) fn paint(lines: &[u8], wanted: bool) -> Cow<'_, [u8]> {
    if !wanted {
        return Cow::Borrowed(lines);
    }
    let painted = lines.split_inclusive(|byte| *byte == b'\n').flat_map(|line| {
        let (front, rest, style) = parts(line);
        let (on, off) = (style.render().to_string(), style.render_reset().to_string());
        [on.as_bytes(), front, off.as_bytes(), rest].concat()
    });
    Cow::Owned(painted.collect())
}

/// What of a line is painted, what is not, and how.
fn parts(line: &[u8]) -> (&[u8], &[u8], Style) {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let (length, style) = if text.starts_with(b"* ") {
        (text.len(), Style::new().dimmed())
    } else {
        match text
            .iter()
            .position(|byte| *byte == b':')
            .filter(|colon| *colon <= LABEL_MAX)
        {
            Some(colon) => (colon, hue(&text[..colon])),
            None => (0, Style::new()),
        }
    };
    let (front, rest) = line.split_at(length);
    (front, rest, style)
}

/// The same for the same name wherever it is shown, and others for R2 and the first peers.
fn hue(name: &[u8]) -> Style {
    let sum = name.iter().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(SPREAD).wrapping_add(u32::from(*byte))
    });
    HUES[sum as usize % HUES.len()].on_default().bold()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(lines: &str) -> String {
        String::from_utf8(paint(lines.as_bytes(), true).into_owned()).unwrap()
    }

    #[test]
    fn a_label_has_its_senders_colour_and_what_r2_says_is_dim() {
        assert_eq!(
            painted("R2: Hi: you\n* KALI joined\n"),
            "\u{1b}[1m\u{1b}[36mR2\u{1b}[0m: Hi: you\n\u{1b}[2m* KALI joined\u{1b}[0m\n"
        );
    }

    #[test]
    fn r2_and_the_first_peers_differ() {
        let mut hues: Vec<_> = ["R2", "KALI", "KALI-2", "KALI-3", "KALI-4"]
            .map(|name| format!("{:?}", hue(name.as_bytes())))
            .to_vec();
        hues.sort();
        hues.dedup();
        assert_eq!(hues.len(), 5);
    }

    #[test]
    fn what_has_no_label_and_what_wants_no_colour_stays_as_it_is() {
        let long = format!("{}: x", "x".repeat(LABEL_MAX + 1));
        for line in ["hello\n", "", "\n", long.as_str()] {
            assert_eq!(painted(line), line);
        }
        assert_eq!(&*paint(b"R2: Hi\n", false), b"R2: Hi\n");
    }
}
