//! What the text of an expression says before it is evaluated.

use stafett_core::route::Expression;

/// The names in `source` outside quotes that are not fields of something else.
fn names(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut quote, mut start, mut before) = (None, None, ' ');
    let mut characters = source.char_indices().chain([(source.len(), ' ')]);
    while let Some((at, character)) = characters.next() {
        let is_part = character.is_alphanumeric() || character == '_';
        match quote {
            Some(_) if character == '\\' => {
                characters.next();
            }
            Some(open) if open == character => quote = None,
            Some(_) => {}
            None => {
                if is_part && start.is_none() {
                    start = Some((at, before));
                } else if !is_part && let Some((from, before)) = start.take() {
                    let name = &source[from..at];
                    let is_name = !name.starts_with(|c: char| c.is_ascii_digit());
                    if is_name && before != '.' {
                        found.push(name);
                    }
                }
                if matches!(character, '\'' | '"') {
                    quote = Some(character);
                }
            }
        }
        if !character.is_whitespace() {
            before = character;
        }
    }
    found
}

/// Whether an expression reads nothing of A, and so has the same value for every instance.
///
/// A path that is sliced, as in `data.model.title[:10]`, is not among the names that the compiler reports.
pub(super) fn is_constant<'l>(
    expression: &Expression,
    mut locals: impl Iterator<Item = &'l str>,
) -> bool {
    let names = names(expression.source());
    let reads = |name: &str| names.contains(&name);
    expression.names().next().is_none()
        && !reads("instance")
        && !reads("data")
        && !locals.any(reads)
}

/// Whether an expression says what to do if a field is empty.
pub(super) fn has_default(expression: &Expression) -> bool {
    names(expression.source())
        .iter()
        .any(|name| matches!(*name, "default" | "d" | "defined" | "if" | "undefined"))
}

/// The path, if the expression is only a path.
pub(super) fn path<'e, 'l>(
    expression: &'e Expression,
    mut locals: impl Iterator<Item = &'l str>,
) -> Option<&'e str> {
    let source = expression.source().trim();
    let is_path = expression.paths().any(|path| path == source);
    (is_path || locals.any(|local| local == source)).then_some(source)
}

/// The path of the list whose items an expression gives unchanged: the list itself, or what is left
/// of it by filters that change no item.
pub(super) fn list<'e, 'l>(
    expression: &'e Expression,
    locals: impl Iterator<Item = &'l str>,
) -> Option<&'e str> {
    const KEEPING: [&str; 9] = [
        "default",
        "list",
        "reject",
        "rejectattr",
        "reverse",
        "select",
        "selectattr",
        "sort",
        "unique",
    ];
    let locals: Vec<&str> = locals.collect();
    if let Some(path) = path(expression, locals.iter().copied()) {
        return Some(path);
    }
    let source = expression.source();
    let (first, filters) = source.split_once('|')?;
    let first = first.trim();
    let is_path = expression.paths().any(|path| path == first) || locals.contains(&first);
    let keeps = |filter: &str| {
        let name = filter.trim().split('(').next().unwrap_or_default().trim();
        KEEPING.contains(&name)
    };
    // A bar inside a text or an argument gives a filter with an unknown name.
    (is_path && filters.split('|').all(keeps)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(source: &str) -> Expression {
        Expression::compile(source, &["row".to_owned()]).unwrap()
    }

    #[test]
    fn an_expression_that_names_nothing_of_a_is_constant() {
        for (source, expected) in [
            ("'310075728'", true),
            ("1 + 2", true),
            ("'data.model.x ' ~ \"row\"", true),
            ("{'data': 1}.data", true),
            ("data.model.x", false),
            ("data.model.x[:3]", false),
            ("row[:3]", false),
            ("row", false),
            ("row | default('x')", false),
            ("'it\\'s' ~ instance.id", false),
        ] {
            assert_eq!(
                is_constant(&compiled(source), ["row"].into_iter()),
                expected,
                "{source}"
            );
        }
    }

    #[test]
    fn filters_that_keep_the_items_are_ignored() {
        for (source, expected) in [
            ("data.m.rows", Some("data.m.rows")),
            ("row", Some("row")),
            ("data.m.rows | selectattr('a') | list", Some("data.m.rows")),
            ("data.m.rows | map(attribute='a')", None),
            ("data.m.rows | default([]) ", Some("data.m.rows")),
            ("data.m.rows[1:]", None),
        ] {
            assert_eq!(
                list(&compiled(source), ["row"].into_iter()),
                expected,
                "{source}"
            );
        }
    }
}
