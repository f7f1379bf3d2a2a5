//! Characters that an expression cannot have, named for what they are: many look like another one.

use super::error::{SyntaxError, SyntaxProblem};

/// Characters that are mistaken for others, what they are, and what is meant.
const ODD: [(char, &str, &str); 19] = [
    ('\u{a0}', "a no-break space", "a blank"),
    ('\u{202f}', "a narrow no-break space", "a blank"),
    ('\u{2009}', "a thin space", "a blank"),
    ('\u{3000}', "an ideographic space", "a blank"),
    ('\u{200b}', "a zero width space", "nothing"),
    ('\u{feff}', "a byte order mark", "nothing"),
    ('\u{ad}', "a soft hyphen", "nothing"),
    ('\u{2018}', "a curly quote", "`'`"),
    ('\u{2019}', "a curly quote", "`'`"),
    ('\u{201c}', "a curly quote", "`\"`"),
    ('\u{201d}', "a curly quote", "`\"`"),
    ('\u{ab}', "a guillemet", "`'`"),
    ('\u{bb}', "a guillemet", "`'`"),
    ('\u{b4}', "an acute accent", "`'`"),
    ('`', "a backtick", "`'`"),
    (
        '\u{2010}',
        "a hyphen that is not the one of the keyboard",
        "`-`",
    ),
    ('\u{2011}', "a no-break hyphen", "`-`"),
    ('\u{2013}', "a dash", "`-`"),
    (
        '\u{2212}',
        "a minus sign that is not the one of the keyboard",
        "`-`",
    ),
];

/// The error for a character with which no token begins.
pub(super) fn character(character: char, at: usize) -> SyntaxError {
    let range = at..at + character.len_utf8();
    let code = format!("U+{:04X}", u32::from(character));
    let (problem, help) = match ODD.iter().find(|(odd, ..)| *odd == character) {
        Some((_, name, "nothing")) => (
            format!("{name} ({code}) stands here, which cannot be seen"),
            Some("remove it".to_owned()),
        ),
        Some((_, name, meant)) => (
            format!("{name} ({code}) stands here"),
            Some(format!("write {meant}")),
        ),
        None if is_combining(character) => (
            format!("a combining accent ({code}) stands here"),
            Some("write the letter and its accent as one character, such as `å`".to_owned()),
        ),
        None => (
            format!("`{character}` ({code}) has no meaning in an expression"),
            Some(
                match character {
                    '?' => "a choice is `x if condition else y`, and what is below something empty is empty without `?`",
                    '$' => "a path such as `data.model.name` stands for itself, without `${}`",
                    _ => "a text stands in quotes",
                }
                .to_owned(),
            ),
        ),
    };
    SyntaxError::new(SyntaxProblem::Syntax, problem, help, range)
}

fn is_combining(character: char) -> bool {
    matches!(u32::from(character), 0x0300..=0x036f)
}

/// A letter of another alphabet in a name, which looks like a Latin one, in words.
#[must_use]
pub fn foreign_letter(name: &str) -> Option<String> {
    let alphabet = |c: char| match u32::from(c) {
        0x0370..=0x03ff => Some("Greek"),
        0x0400..=0x052f => Some("Cyrillic"),
        _ => None,
    };
    name.chars().find_map(|character| {
        let alphabet = alphabet(character)?;
        let code = u32::from(character);
        Some(format!(
            "`{character}` in `{name}` is a {alphabet} letter (U+{code:04X})"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_character_is_named() {
        for (odd, name) in [
            ('\u{a0}', "no-break space (U+00A0)"),
            ('’', "curly quote (U+2019)"),
            ('–', "dash (U+2013)"),
            ('\u{30a}', "combining accent (U+030A)"),
            ('€', "`€` (U+20AC)"),
        ] {
            let error = character(odd, 3);
            assert!(error.problem.contains(name), "{}", error.problem);
            assert_eq!(error.range, Some(3..3 + odd.len_utf8()));
        }
        assert!(
            foreign_letter("nаvn")
                .unwrap()
                .contains("Cyrillic letter (U+0430)")
        );
        assert_eq!(foreign_letter("fødselsnummer"), None);
    }
}
