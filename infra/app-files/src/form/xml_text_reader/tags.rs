//! Reads names, start tags, references and the XML declaration.

use super::{
    chars::{XmlStr, is_name_char, is_name_start, is_space},
    fault::{Fault, check_chars, end_of_file, unexpected},
};

pub(super) struct Tag<'t> {
    /// With its prefix.
    pub(super) name: &'t str,
    pub(super) at: usize,
    pub(super) attributes: Vec<RawAttribute<'t>>,
    pub(super) is_empty: bool,
    pub(super) end: usize,
}

pub(super) struct RawAttribute<'t> {
    pub(super) name: &'t str,
    pub(super) at: usize,
    pub(super) value: String,
}

pub(super) enum Reference<'t> {
    Char(char),
    Entity(&'t str),
}

fn rest(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

fn skip_spaces(text: &str, at: usize) -> usize {
    let rest = rest(text, at);
    at + rest.len() - rest.trim_start_matches(is_space).len()
}

/// Reads the name at byte `at`, with its prefix.
pub(super) fn name(text: &str, at: usize) -> Result<&str, Fault> {
    let mut end = at;
    let mut parts = 0;
    loop {
        match rest(text, end).chars().next() {
            None => return Err(end_of_file(text, "Name")),
            Some(char) if !is_name_start(char) => {
                let reason = format!(
                    "Name cannot begin with the {} character, hexadecimal value 0x{:02X}.",
                    quoted(char),
                    u32::from(char)
                );
                return Err(Fault::syntax(end, reason));
            }
            Some(_) => {}
        }
        let part = rest(text, end);
        end += part.find(|char| !is_name_char(char)).unwrap_or(part.len());
        parts += 1;
        if parts == 1 && rest(text, end).starts_with(':') {
            end += 1;
            continue;
        }
        return Ok(text.get(at..end).unwrap_or_default());
    }
}

fn quoted(char: char) -> String {
    format!("'{}'", if char == '\0' { '.' } else { char })
}

/// Reads the start tag whose name begins at byte `at`.
pub(super) fn start(text: &str, at: usize) -> Result<Tag<'_>, Fault> {
    let name = name(text, at)?;
    let mut next = at + name.len();
    let mut attributes = Vec::new();
    let mut after_value = false;
    loop {
        let spaced = skip_spaces(text, next);
        let had_space = spaced > next;
        next = spaced;
        let tag = |attributes, is_empty, end| {
            Ok(Tag {
                name,
                at,
                attributes,
                is_empty,
                end,
            })
        };
        match rest(text, next).chars().next() {
            None if attributes.is_empty() && !had_space => return Err(end_of_file(text, "Name")),
            None => return Err(Fault::syntax(next, "Unexpected end of file has occurred.")),
            Some('>') => return tag(attributes, false, next + 1),
            Some('/') => {
                if rest(text, next + 1).starts_with('>') {
                    return tag(attributes, true, next + 2);
                }
                return Err(unexpected(text, next + 1, "'>'"));
            }
            Some(char) if !had_space && after_value => {
                let reason = format!("'{char}' is an unexpected token. Expecting white space.");
                return Err(Fault::syntax(next, reason));
            }
            Some(char) if !had_space => {
                let reason = format!(
                    "The {} character, hexadecimal value 0x{:02X}, cannot be included in a name.",
                    quoted(char),
                    u32::from(char)
                );
                return Err(Fault::syntax(next, reason));
            }
            Some(_) => {}
        }
        let (attribute, end) = self::attribute(text, next)?;
        attributes.push(attribute);
        (next, after_value) = (end, true);
    }
}

/// Reads the attribute at byte `at`. Also returns the byte after it. Line breaks in the value stay as they are.
fn attribute(text: &str, at: usize) -> Result<(RawAttribute<'_>, usize), Fault> {
    let name = name(text, at)?;
    let equals = skip_spaces(text, at + name.len());
    if !rest(text, equals).starts_with('=') {
        return Err(unexpected(text, equals, "'='"));
    }
    let opening = skip_spaces(text, equals + 1);
    let quote = rest(text, opening)
        .chars()
        .next()
        .filter(|char| matches!(char, '"' | '\''))
        .ok_or_else(|| unexpected(text, opening, "'\"' or '''"))?;
    let mut value = String::new();
    let mut next = opening + 1;
    loop {
        let rest = rest(text, next);
        let plain = rest
            .find([quote, '<', '&'])
            .ok_or_else(|| Fault::syntax(text.len(), "There is an unclosed literal string."))?;
        let piece = rest.get(..plain).unwrap_or_default();
        check_chars(piece, next)?;
        value.push_str(piece);
        next += plain;
        match self::rest(text, next).chars().next() {
            Some('&') => {
                let (reference, end) = reference(text, next)?;
                match reference {
                    Reference::Char(char) => value.push(char),
                    // .NET's reader does not expand entities in attributes.
                    Reference::Entity(name) => value.push_str(&format!("&{name};")),
                }
                next = end;
            }
            Some('<') => {
                let reason = format!("{}, is an invalid attribute character.", XmlStr('<'));
                return Err(Fault::syntax(next, reason));
            }
            _ => return Ok((RawAttribute { name, at, value }, next + 1)),
        }
    }
}

/// Reads the reference whose `&` is at byte `at`. Also returns the byte after it. A number may stand for any character,
/// because .NET does not check it.
pub(super) fn reference(text: &str, at: usize) -> Result<(Reference<'_>, usize), Fault> {
    let begin = at + 1;
    let inner = rest(text, begin);
    if let Some(number) = inner.strip_prefix('#') {
        let (digits, radix, skipped, kind) = match number.strip_prefix('x') {
            Some(hex) => (hex, 16, 2, "hexadecimal"),
            None => (number, 10, 1, "decimal"),
        };
        let length = digits
            .find(|char: char| !char.is_digit(radix))
            .unwrap_or(digits.len());
        let end = begin + skipped + length;
        if length == 0 || !rest(text, end).starts_with(';') {
            let reason = format!("Invalid syntax for a {kind} numeric entity reference.");
            return Err(Fault::syntax(end, reason));
        }
        let code = u32::from_str_radix(digits.get(..length).unwrap_or_default(), radix)
            .ok()
            .filter(|code| *code <= 0x0010_ffff)
            .ok_or_else(|| Fault::syntax(end, "Invalid value of a character entity reference."))?;
        // Half of a surrogate pair, which the app replaces on writing.
        let char = char::from_u32(code).unwrap_or('\u{fffd}');
        return Ok((Reference::Char(char), end + 1));
    }
    let name = name(text, begin).map_err(|fault| Fault {
        reason: "An error occurred while parsing EntityName.".to_owned(),
        ..fault
    })?;
    let end = begin + name.len();
    if !rest(text, end).starts_with(';') {
        return Err(unexpected(text, end, "';'"));
    }
    let reference = match name {
        "amp" => Reference::Char('&'),
        "lt" => Reference::Char('<'),
        "gt" => Reference::Char('>'),
        "quot" => Reference::Char('"'),
        "apos" => Reference::Char('\''),
        name => Reference::Entity(name),
    };
    Ok((reference, end + 1))
}

/// Reads the XML declaration at the start of the text. Returns the byte after it. The encoding does not matter, because
/// the app has already decoded the bytes.
pub(super) fn declaration(text: &str) -> Result<usize, Fault> {
    let invalid = |at| Fault::syntax(at, "Syntax for an XML declaration is invalid.");
    let mut next = "<?xml".len();
    let mut expected: &[&str] = &["version"];
    loop {
        let spaced = skip_spaces(text, next);
        if rest(text, spaced).starts_with("?>") && expected != ["version"] {
            return Ok(spaced + 2);
        }
        if spaced == next {
            return Err(invalid(spaced));
        }
        let (attribute, end) = attribute(text, spaced).map_err(|fault| Fault {
            at: fault.at,
            ..invalid(spaced)
        })?;
        let value_at = end - 1 - attribute.value.len();
        match attribute.name {
            name if !expected.contains(&name) => return Err(invalid(spaced)),
            "version" if attribute.value != "1.0" => {
                let reason = format!("Version number '{}' is invalid.", attribute.value);
                return Err(Fault::syntax(value_at, reason));
            }
            "version" => expected = &["encoding", "standalone"],
            "encoding" => expected = &["standalone"],
            _ if !matches!(attribute.value.as_str(), "yes" | "no") => {
                return Err(invalid(value_at));
            }
            _ => expected = &[],
        }
        next = end;
    }
}
