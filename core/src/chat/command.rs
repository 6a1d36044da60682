//! What a line that begins with `/` asks for.

/// A command of a chat line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// `/nick NAME`: the peer wants that name, which is not checked yet.
    Nick(&'a str),
    /// `/who`: the peer wants to know who is here.
    Who,
    /// `/help`: the peer wants to know the commands.
    Help,
    /// `/quit`: the peer leaves.
    Quit,
    /// Another word, with its `/`.
    Unknown(&'a str),
}

impl<'a> Command<'a> {
    /// The command that `line` is; `None` for text. A `/` with no word directly behind it is text.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let end = line.find(|c: char| c.is_ascii_whitespace()).unwrap_or(line.len());
        let (word, argument) = line.split_at_checked(end)?;
        match word {
            "/nick" => Some(Self::Nick(argument.trim_ascii())),
            "/who" => Some(Self::Who),
            "/help" => Some(Self::Help),
            "/quit" => Some(Self::Quit),
            _ if word.len() > 1 && word.starts_with('/') => Some(Self::Unknown(word)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_and_a_word_are_a_command() {
        assert_eq!(Command::parse("/nick  Bob "), Some(Command::Nick("Bob")));
        assert_eq!(Command::parse("/nick"), Some(Command::Nick("")));
        assert_eq!(Command::parse("/who"), Some(Command::Who));
        assert_eq!(Command::parse("/help"), Some(Command::Help));
        assert_eq!(Command::parse("/quit\tnow"), Some(Command::Quit));
        assert_eq!(Command::parse("/dance with me"), Some(Command::Unknown("/dance")));
    }

    #[test]
    fn a_slash_alone_is_text() {
        for text in ["/", "/ who", "", " /who", "who", "/\tx"] {
            assert_eq!(Command::parse(text), None, "{text}");
        }
    }
}
