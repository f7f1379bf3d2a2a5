//! The character classes of XML 1.0.

use std::fmt;

/// A character as .NET's messages show it, with its code.
pub(super) struct XmlStr(pub(super) char);

impl fmt::Display for XmlStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.0 == '\0' { '.' } else { self.0 };
        write!(
            f,
            "'{shown}', hexadecimal value 0x{:02X}",
            u32::from(self.0)
        )
    }
}

/// White space, production 3.
pub(super) fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\r' | '\n')
}

/// A character, production 2.
pub(super) fn is_char(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// A character that can start a name: production 4 of the fourth edition as .NET implements it, without characters beyond
/// the first plane.
pub(super) fn is_name_start(char: char) -> bool {
    char == '_' || (u32::from(char) <= 0xffff && char.is_alphabetic())
}

/// A character that can follow in a name.
pub(super) fn is_name_char(char: char) -> bool {
    matches!(char, '-' | '.' | '\u{b7}')
        || is_name_start(char)
        || (u32::from(char) <= 0xffff && (char.is_numeric() || is_combining(char)))
}

fn is_combining(char: char) -> bool {
    matches!(char, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{203f}' | '\u{2040}' | '\u{20d0}'..='\u{20dc}')
}
