//! Reads a document type declaration. Only internal entities are used; nothing is fetched.

use std::collections::BTreeMap;

use super::{
    chars::is_space,
    fault::{Fault, end_of_file},
    tags,
};

/// Reads the declaration at byte `start`. Returns the internal entities and the byte after the declaration.
pub(super) fn read(text: &str, start: usize) -> Result<(BTreeMap<&str, &str>, usize), Fault> {
    let mut entities = BTreeMap::new();
    let mut next = start + "<!DOCTYPE".len();
    let mut is_inside = false;
    let end = || end_of_file(text, "DTD");
    loop {
        let rest = text.get(next..).unwrap_or_default();
        let first = rest.chars().next().ok_or_else(end)?;
        let length_to_end_of = |what: &str| {
            rest.find(what)
                .map(|length| length + what.len())
                .ok_or_else(end)
        };
        next += match first {
            '[' => {
                is_inside = true;
                1
            }
            ']' => {
                is_inside = false;
                1
            }
            '>' if !is_inside => return Ok((entities, next + 1)),
            _ if rest.starts_with("<!--") => length_to_end_of("-->")?,
            _ if rest.starts_with("<?") => length_to_end_of("?>")?,
            _ if rest.starts_with("<!ENTITY") => {
                let (entity, length) = entity(rest).ok_or_else(end)?;
                if let Some((name, value)) = entity {
                    // The first declaration of a name counts.
                    entities.entry(name).or_insert(value);
                }
                length
            }
            '"' | '\'' => {
                1 + rest
                    .get(1..)
                    .and_then(|rest| rest.find(first))
                    .ok_or_else(end)?
                    + 1
            }
            char => char.len_utf8(),
        };
    }
}

/// Reads an entity declaration. Returns its name and value if it is an internal general entity, and its length in bytes.
fn entity(declaration: &str) -> Option<(Option<(&str, &str)>, usize)> {
    let spaces = |text: &str| text.len() - text.trim_start_matches(is_space).len();
    let length_of = |rest: &str| {
        let mut quote = None;
        let end = rest.find(|char| match quote {
            Some(open) if char == open => {
                quote = None;
                false
            }
            None if matches!(char, '"' | '\'') => {
                quote = Some(char);
                false
            }
            None => char == '>',
            Some(_) => false,
        });
        end.map(|end| end + 1)
    };
    let head = "<!ENTITY".len();
    let rest = declaration.get(head..)?;
    let length = head + length_of(rest)?;
    let begin = head + spaces(rest);
    let Ok(name) = tags::name(declaration, begin) else {
        return Some((None, length));
    };
    let value = declaration.get(begin + name.len()..length)?;
    let value = value.trim_start_matches(is_space);
    let internal = value
        .chars()
        .next()
        .filter(|char| matches!(char, '"' | '\''));
    let internal = internal.and_then(|quote| value.get(1..)?.split_once(quote));
    Some((internal.map(|(value, _)| (name, value)), length))
}
