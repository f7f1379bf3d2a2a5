//! Regular expressions of schemas: what they match, as far as it can easily be told.

use std::{cell::RefCell, collections::HashMap};

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// The most characters of an example.
const MAX_EXAMPLE: usize = 10_000;

/// How many compiled patterns are kept; a form has tens.
const MAX_KEPT: usize = 500;

thread_local! {
    static KEPT: RefCell<HashMap<String, Option<Regex>>> = RefCell::default();
}

/// Whether `text` matches `pattern`; `None` for a pattern that is not understood here.
pub(super) fn matches(pattern: &str, text: &str) -> Option<bool> {
    KEPT.with_borrow_mut(|kept| {
        if kept.len() > MAX_KEPT {
            kept.clear();
        }
        if !kept.contains_key(pattern) {
            kept.insert(pattern.to_owned(), Regex::new(pattern).ok());
        }
        let regex = kept.get(pattern)?.as_ref()?;
        Some(regex.is_match(text))
    })
}

/// The most characters of a text that matches the whole `pattern`; `None` if there is no
/// limit or it is not known.
pub(super) fn longest(pattern: &str) -> Option<u64> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let properties = hir.properties();
    let is_whole = properties.look_set_prefix().contains(Look::Start)
        && properties.look_set_suffix().contains(Look::End);
    // The length is in bytes; a character has at least one.
    let longest = properties.maximum_len().filter(|_| is_whole)?;
    u64::try_from(longest).ok()
}

/// A text that matches `pattern`: a short one, or one with every repetition repeated `extra` times
/// more.
pub(super) fn example(pattern: &str, extra: u32) -> Option<String> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let mut text = String::new();
    write(&hir, extra, &mut text)?;
    // Lookarounds and word boundaries are not handled above.
    matches(pattern, &text)?.then_some(text)
}

fn write(hir: &Hir, extra: u32, text: &mut String) -> Option<()> {
    if text.len() > MAX_EXAMPLE {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => text.push(member(class)?),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            let count = repetition.min.saturating_add(extra).min(most);
            for _ in 0..count {
                let before = text.len();
                write(&repetition.sub, extra, text)?;
                if text.len() == before {
                    break;
                }
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, extra, text)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, extra, text))?,
        HirKind::Alternation(parts) => write(parts.first()?, extra, text)?,
    }
    Some(())
}

/// A member of a character class, an ordinary one if there is any.
fn member(class: &Class) -> Option<char> {
    let ordinary = ['a', 'A', '1', '0', ' '];
    match class {
        Class::Unicode(class) => {
            let has = |wanted: &char| {
                class
                    .iter()
                    .any(|range| range.start() <= *wanted && *wanted <= range.end())
            };
            ordinary
                .into_iter()
                .find(has)
                .or_else(|| class.iter().next().map(|range| range.start()))
        }
        Class::Bytes(class) => class.iter().next().map(|range| char::from(range.start())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_matches_its_pattern() {
        for pattern in [
            "^[0-9]{11}$",
            "^(A|B)-\\d+$",
            "[a-zæøå]+",
            "^\\w{2,5}@x\\.no$",
            "",
        ] {
            for extra in [0, 3] {
                let example = example(pattern, extra).unwrap();
                assert!(
                    regex::Regex::new(pattern).unwrap().is_match(&example),
                    "{pattern}: {example}"
                );
            }
        }
    }

    #[test]
    fn a_pattern_that_is_not_understood_has_no_example_and_no_length() {
        for pattern in ["(?=x)y", "(", "a{100000}{100000}"] {
            assert_eq!(
                (example(pattern, 0), longest(pattern)),
                (None, None),
                "{pattern}"
            );
        }
    }

    #[test]
    fn only_an_anchored_pattern_limits_the_length() {
        assert_eq!(longest("^[0-9]{4}$"), Some(4));
        assert_eq!(longest("[0-9]{4}"), None);
        assert_eq!(longest("^[0-9]+$"), None);
    }
}
