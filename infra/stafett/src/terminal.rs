//! Writes to a terminal, or to a pipe whose reader may be gone.

use std::{
    borrow::Cow,
    io::{self, ErrorKind, IsTerminal, Write},
};

/// A text without terminal control characters: A's data and file names may contain anything.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let is_of_direction = |c| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || is_of_direction(c);
    if text.contains(obeyed) {
        text.replace(obeyed, "\u{FFFD}").into()
    } else {
        text.into()
    }
}

/// Prints a text for people, without terminal control characters.
pub(crate) fn print(text: &str) -> io::Result<()> {
    write(io::stdout().lock(), &harmless(text))
}

/// Prints a text with our own colour sequences, or without them if colours are off.
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
        // The reader of the pipe has left, as `head` does. The exit code still tells the result.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("cannot write to standard output: {error}"),
        )),
        Ok(()) => Ok(()),
    }
}

/// Prints a note to standard error.
pub(crate) fn note(text: &str) {
    // If standard error is closed too, the note is lost.
    let _ = writeln!(io::stderr(), "{}", harmless(text));
}

/// Whether standard error is a terminal.
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
