//! What a peer types, gathered to lines.

use heapless::String;

use super::command::Command;
use super::roster::Label;
use crate::bug::OrBug;
use crate::limits::CHAT_LINE_MAX;
use crate::text::Cleaner;

/// Which part of the peer's line the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Its beginning, perhaps with the peer's own label.
    Labelled,
    /// Its beginning, which had no label.
    First,
    /// Its beginning, behind one of its labels.
    Stripped(Whose),
    /// A later part: what stands before it was too long and is said.
    Later,
    /// A command that was too long: the rest of it is dropped.
    Cut,
}

/// Whose label stood before the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Own,
    First,
}

/// The names that a peer may put before its lines.
pub(super) struct Labels {
    /// Its own.
    pub(super) own: Label,
    /// That of the first peer, where it is a numbered one: all of them type the same mawk line. Empty where it is none.
    pub(super) first: Label,
}

/// The line that is arriving.
pub(super) struct Incoming {
    cleaner: Cleaner,
    text: String<CHAT_LINE_MAX>,
    part: Part,
}

impl Incoming {
    pub(super) const fn new() -> Self {
        Self {
            cleaner: Cleaner::new(),
            text: String::new(),
            part: Part::Labelled,
        }
    }

    /// Adds bytes of the line, none of them its ending. `labels` are the peer's; `say` takes each part of a line
    /// that is too long.
    pub(super) fn add(&mut self, bytes: &[u8], labels: &Labels, mut say: impl FnMut(&str)) {
        let Self { cleaner, text, part } = self;
        cleaner.clean(bytes, |run| add_text(text, part, run, labels, &mut say));
    }

    /// The line has ended: completes its text. It may be called again before [`reset`](Self::reset).
    pub(super) fn end(&mut self, labels: &Labels, mut say: impl FnMut(&str)) {
        let Self { cleaner, text, part } = self;
        cleaner.finish(|run| add_text(text, part, run, labels, &mut say));
        strip_label(text, part, labels);
    }

    /// The text of the line, or of its last part.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The command that the line is. Only the very beginning of a line is looked at.
    pub(super) fn command(&self) -> Option<Command<'_>> {
        match self.part {
            Part::Later => None,
            _ => Command::parse(&self.text),
        }
    }

    /// The label that stood in front of the text.
    pub(super) fn had_label<'l>(&self, labels: &'l Labels) -> Option<&'l str> {
        match self.part {
            Part::Stripped(Whose::Own) => Some(&labels.own),
            Part::Stripped(Whose::First) => Some(&labels.first),
            _ => None,
        }
    }

    /// Begins the next line.
    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }
}

fn add_text(
    text: &mut String<CHAT_LINE_MAX>,
    part: &mut Part,
    run: &str,
    labels: &Labels,
    say: &mut impl FnMut(&str),
) {
    if *part == Part::Cut || text.push_str(run).is_ok() {
        return;
    }
    for c in run.chars() {
        if text.push(c).is_ok() {
            continue;
        }
        strip_label(text, part, labels);
        if text.push(c).is_ok() {
            continue;
        }
        if matches!(part, Part::First | Part::Stripped(_)) && Command::parse(text).is_some() {
            *part = Part::Cut;
            return;
        }
        say(text);
        text.clear();
        *part = Part::Later;
        text.push(c).or_bug("the text is empty");
    }
}

/// Takes one of the peer's labels off the beginning of its line, once.
fn strip_label(text: &mut String<CHAT_LINE_MAX>, part: &mut Part, labels: &Labels) {
    if *part != Part::Labelled {
        return;
    }
    *part = Part::First;
    for (label, whose) in [(&labels.own, Whose::Own), (&labels.first, Whose::First)] {
        let behind = text
            .strip_prefix(label.as_str())
            .and_then(|rest| rest.strip_prefix(": "));
        if let Some(Ok(behind)) = behind.filter(|_| !label.is_empty()).map(String::try_from) {
            *text = behind;
            *part = Part::Stripped(whose);
            return;
        }
    }
}
