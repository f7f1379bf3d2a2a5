//! What may be written to a terminal, and how: also to a pipe that nobody reads any more.

use std::{
    borrow::Cow,
    io::{self, ErrorKind, IsTerminal, Write},
};

/// A text without what a terminal would obey: A's data and file names may hold anything.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let is_of_direction = |c| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || is_of_direction(c);
    if text.contains(obeyed) {
        text.replace(obeyed, "\u{FFFD}").into()
    } else {
        text.into()
    }
}

/// Prints a text for people, without what a terminal would obey.
pub(crate) fn print(text: &str) -> io::Result<()> {
    write(io::stdout().lock(), &harmless(text))
}

/// Prints a text whose escape sequences are colours of ours; where none are wanted, it has none.
pub(crate) fn print_styled(text: &str) -> io::Result<()> {
    write(anstream::stdout().lock(), text)
}

/// Prints a text for tools, as it is.
pub(crate) fn print_plain(text: &str) -> io::Result<()> {
    write(io::stdout().lock(), text)
}

fn write(mut out: impl Write, text: &str) -> io::Result<()> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        // Who reads along has seen enough, as `head` has: the exit code still tells the rest.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("cannot write to standard output: {error}"),
        )),
        Ok(()) => Ok(()),
    }
}

/// Tells of something beside what was asked for.
pub(crate) fn note(text: &str) {
    // Where not even that can be written, there is nobody to be told.
    let _ = writeln!(io::stderr(), "{}", harmless(text));
}

/// Whether somebody looks at what goes to standard error.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_sequence_reaches_the_terminal() {
        assert_eq!(
            harmless("a\u{1b}[2Jb\u{9b}c\r\n\td\u{202E}e"),
            "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}\n\td\u{FFFD}e"
        );
        assert!(matches!(harmless("Søknad\n"), Cow::Borrowed(_)));
    }
}
