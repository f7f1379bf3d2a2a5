//! The Norwegian alphabetical order.
//!
//! As far as Norwegian texts go, the order is that of CLDR for `nb`, which .NET and browsers have, too:
//!
//! * Spaces are first, then other signs (as in Unicode), digits and letters: `Ås kommune` is before `Åse`. Digits count one
//!   by one: `10` is before `9`.
//! * The letters are a to z, æ, ø and å. Letters of other scripts follow.
//! * `aa` counts as å wherever it stands, also in `Aalto` and `Isaac`: the letters do not tell how it is pronounced.
//! * ä counts as æ, ö and œ as ø, ü as y, ð as d, þ as th, ß as ss. Any other letter with an accent or a stroke counts as the
//!   letter without it: é as e, đ as d. The Sami ŋ and ŧ follow n and t.
//! * Only between texts that are equal so far do accents count: `ide` is before `idé`; after that case: `per` is before
//!   `Per`; after that the characters themselves, so that texts are equal only if they are the same.

use std::{cmp::Ordering, iter};

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// Compares two texts in the Norwegian alphabetical order, which is a total order.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let letters = |text| elements(text).filter_map(Element::letter);
    let accents = |text| elements(text).map(Element::accent);
    let cases = |text| elements(text).map(Element::case);
    letters(a)
        .cmp(letters(b))
        .then_with(|| accents(a).cmp(accents(b)))
        .then_with(|| cases(a).cmp(cases(b)))
        .then_with(|| a.cmp(b))
}

/// A letter without accent and case, or another character, in the order of the alphabet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Letter {
    Space,
    Sign(char),
    Digit(char),
    /// One of a to z, or one that follows it.
    AToZ(char, Option<char>),
    Æ,
    Ø,
    Å,
    Other(char),
}

/// What the order looks at.
#[derive(Clone, Copy)]
enum Element {
    Letter(Letter, Case),
    /// An accent or stroke on the letter before.
    Accent(char),
}

/// How a letter is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Case {
    Lower,
    Upper,
    /// `aa` for å.
    TwoLower,
    /// `Aa` for Å.
    Title,
    /// `AA` for Å.
    TwoUpper,
}

impl Element {
    fn new(c: char) -> Self {
        match c {
            // CLDR's order, in which an acute accent is before a grave one.
            '\u{301}' => return Self::Accent('\u{300}'),
            '\u{300}' => return Self::Accent('\u{301}'),
            c if is_combining_mark(c) => return Self::Accent(c),
            _ => {}
        }
        let letter = match c.to_lowercase().next().unwrap_or(c) {
            c @ 'a'..='z' => Letter::AToZ(c, None),
            'ŋ' => Letter::AToZ('n', Some('ŋ')),
            'ŧ' => Letter::AToZ('t', Some('ŧ')),
            'æ' => Letter::Æ,
            'ø' => Letter::Ø,
            'å' => Letter::Å,
            c if c.is_alphabetic() => Letter::Other(c),
            c if c.is_numeric() => Letter::Digit(c),
            c if c.is_whitespace() => Letter::Space,
            c => Letter::Sign(c),
        };
        let case = if c.is_uppercase() {
            Case::Upper
        } else {
            Case::Lower
        };
        Self::Letter(letter, case)
    }

    fn letter(self) -> Option<Letter> {
        match self {
            Self::Letter(letter, _) => Some(letter),
            Self::Accent(_) => None,
        }
    }

    /// The accent; for a letter, `None`, which is less than any accent on the letter before. `aa` is an accented å.
    fn accent(self) -> Option<char> {
        match self {
            Self::Letter(_, Case::Lower | Case::Upper) => None,
            Self::Letter(_, Case::TwoLower | Case::Title | Case::TwoUpper) => Some('\0'),
            Self::Accent(accent) => Some(accent),
        }
    }

    fn case(self) -> Option<Case> {
        match self {
            Self::Letter(_, case) => Some(case),
            Self::Accent(_) => None,
        }
    }
}

/// The elements of a text. `aa` is one.
fn elements(text: &str) -> impl Iterator<Item = Element> {
    let mut characters = norwegian(text).flat_map(spelled).peekable();
    iter::from_fn(move || {
        let c = characters.next()?;
        let case = match (c, characters.peek()) {
            ('a', Some('a')) => Case::TwoLower,
            ('A', Some('a')) => Case::Title,
            ('A', Some('A')) => Case::TwoUpper,
            _ => return Some(Element::new(c)),
        };
        characters.next();
        Some(Element::Letter(Letter::Å, case))
    })
}

/// The characters of a text, each followed by its accents, with æ for ä, ø for ö, y for ü, and å as one character.
fn norwegian(text: &str) -> impl Iterator<Item = char> {
    let mut characters = text.nfd().peekable();
    iter::from_fn(move || {
        let c = characters.next()?;
        Some(match (c, characters.peek()) {
            ('a', Some('\u{30a}')) => {
                characters.next();
                'å'
            }
            ('A', Some('\u{30a}')) => {
                characters.next();
                'Å'
            }
            ('a', Some('\u{308}')) => 'æ',
            ('A', Some('\u{308}')) => 'Æ',
            ('o', Some('\u{308}' | '\u{30b}')) => 'ø',
            ('O', Some('\u{308}' | '\u{30b}')) => 'Ø',
            ('u', Some('\u{308}' | '\u{30b}')) => 'y',
            ('U', Some('\u{308}' | '\u{30b}')) => 'Y',
            _ => c,
        })
    })
}

/// The letters and the stroke that a letter counts as, if Unicode does not decompose it.
fn spelled(c: char) -> impl Iterator<Item = char> {
    const STROKE: char = '\u{335}';
    const OTHER_STROKE: char = '\u{336}';
    let (first, second, stroke) = match c {
        'đ' => ('d', None, STROKE),
        'Đ' => ('D', None, STROKE),
        'ð' => ('d', None, OTHER_STROKE),
        'Ð' => ('D', None, OTHER_STROKE),
        'ħ' => ('h', None, STROKE),
        'Ħ' => ('H', None, STROKE),
        'ł' => ('l', None, STROKE),
        'Ł' => ('L', None, STROKE),
        'œ' => ('ø', None, STROKE),
        'Œ' => ('Ø', None, STROKE),
        'þ' => ('t', Some('h'), STROKE),
        'Þ' => ('T', Some('h'), STROKE),
        'ß' => ('s', Some('s'), STROKE),
        'ẞ' => ('S', Some('S'), STROKE),
        _ => return [Some(c), None, None].into_iter().flatten(),
    };
    [Some(first), second, Some(stroke)].into_iter().flatten()
}

#[cfg(test)]
mod tests;
