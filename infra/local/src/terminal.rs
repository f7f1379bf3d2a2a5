//! What may be written to a terminal.

use std::{borrow::Cow, io::IsTerminal};

/// A text without what a terminal would obey: A's data and file names may hold anything.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if text.contains(obeyed) {
        text.replace(obeyed, "\u{FFFD}").into()
    } else {
        text.into()
    }
}

/// Prints a text for people.
pub(crate) fn print(text: &str) {
    print!("{}", harmless(text));
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
            harmless("a\u{1b}[2Jb\u{9b}c\r\n\td"),
            "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}\n\td"
        );
        assert!(matches!(harmless("Søknad\n"), Cow::Borrowed(_)));
    }
}
