//! Regular expressions of schemas: what they match, as far as it can easily be told.

use std::{cell::RefCell, collections::HashMap};

use regex::Regex;
use regex_syntax::hir::{Hir, HirKind, Look};

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

/// The fewest characters of a text in which `pattern` matches; 0 where that is not known.
pub(super) fn shortest(pattern: &str) -> u64 {
    fn of(hir: &Hir) -> u64 {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => 0,
            HirKind::Literal(text) => String::from_utf8_lossy(&text.0).chars().count() as u64,
            HirKind::Class(_) => 1,
            HirKind::Repetition(repeated) => of(&repeated.sub).saturating_mul(repeated.min.into()),
            HirKind::Capture(capture) => of(&capture.sub),
            HirKind::Concat(parts) => parts.iter().map(of).fold(0, u64::saturating_add),
            HirKind::Alternation(parts) => parts.iter().map(of).min().unwrap_or(0),
        }
    }
    regex_syntax::parse(pattern).map_or(0, |hir| of(&hir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_anchored_pattern_limits_the_length() {
        assert_eq!(longest("^[0-9]{4}$"), Some(4));
        assert_eq!(longest("[0-9]{4}"), None);
        assert_eq!(longest("^[0-9]+$"), None);
    }

    #[test]
    fn a_pattern_asks_for_characters_wherever_it_matches() {
        assert_eq!(shortest("^[0-9]{4}$"), 4);
        assert_eq!(shortest("(kr )?[0-9]+,[0-9]{2}"), 4);
        assert_eq!(shortest("æøå|ab"), 2);
        assert_eq!(shortest("^.*$"), 0);
        assert_eq!(shortest("("), 0);
    }
}
