//! The words of the expression language: which there are, and where one stands in an expression.

use std::ops::Range;

/// The filters that an expression can use (minijinja's, with the features that are on).
pub(super) const FILTERS: [&str; 47] = [
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
    "zip",
];

/// The tests that an expression can use, those with a name (minijinja's, likewise).
pub(super) const TESTS: [&str; 35] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "upper",
];

/// Where `word` first stands in `source` as a word of its own, outside of quoted texts, such that
/// what stands before it, without spaces at its end, is as wanted.
pub(super) fn find(
    source: &str,
    word: &str,
    wanted: impl Fn(&str) -> bool,
) -> Option<Range<usize>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let (mut quote, mut escaped) = (None, false);
    for (at, character) in source.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match (quote, character) {
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, _) => {
                let (before, rest) = source.split_at(at);
                let Some(after) = rest.strip_prefix(word).filter(|_| !word.is_empty()) else {
                    continue;
                };
                let alone = !before.ends_with(is_part) && !after.starts_with(is_part);
                if alone && wanted(before.trim_end()) {
                    return Some(at..at + word.len());
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::expression::Expression;

    #[test]
    fn each_filter_and_test_of_the_lists_is_known() {
        for filter in FILTERS {
            let known = Expression::compile(&format!("instance.id | {filter}"), &[]);
            assert!(known.is_ok(), "{filter}: {known:?}");
        }
        for test in TESTS {
            let known = Expression::compile(&format!("instance.id is {test}"), &[]);
            assert!(known.is_ok(), "{test}: {known:?}");
        }
    }

    #[test]
    fn a_word_is_found_where_it_stands_for_itself_and_outside_of_texts() {
        let source = "'x | up' ~ data.up ~ (data.upper | up)";
        let found = find(source, "up", |before| before.ends_with('|')).unwrap();
        assert_eq!(
            &source[..found.start],
            "'x | up' ~ data.up ~ (data.upper | "
        );
        assert_eq!(find(source, "per", |_| true), None);
        assert_eq!(find(r"'\' up' ~ 1", "up", |_| true), None);
        assert_eq!(find(source, "", |_| true), None);
    }
}
