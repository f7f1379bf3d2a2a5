//! `Content-Disposition` (RFC 6266), as strict as .NET's `ContentDispositionHeaderValue`.

use axum::http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The parameters that Altinn reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentDisposition {
    pub(crate) name: Option<String>,
    /// From `filename*`, else from `filename`.
    pub(crate) filename: Option<String>,
    /// From `filename`.
    pub(crate) plain_filename: Option<String>,
}

impl ContentDisposition {
    /// `None` if the header does not follow the grammar, e.g. because of an unquoted file name with spaces.
    pub(crate) fn parse(value: &HeaderValue) -> Option<Self> {
        let text = std::str::from_utf8(value.as_bytes()).ok()?;
        let (kind, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        if !is_token(kind.trim()) {
            return None;
        }
        let (mut plain, mut extended) = (None, None);
        let mut disposition = Self::default();
        while let Some(after) = rest.strip_prefix(';') {
            let after = after.trim_start();
            if after.is_empty() {
                break;
            }
            let (name, after) = after.split_once('=')?;
            let (value, after) = value_of(after.trim_start())?;
            match name.trim().to_ascii_lowercase().as_str() {
                "name" => disposition.name = Some(value),
                "filename" => plain = Some(value),
                "filename*" => extended = Some(decode_extended(&value)?),
                other if is_token(other) => {}
                _ => return None,
            }
            rest = after.trim_start();
        }
        if !rest.is_empty() && rest != ";" {
            return None;
        }
        let named = |name: Option<String>| {
            name.map(|name| as_file_name(&name))
                .filter(|name| !name.is_empty())
        };
        disposition.plain_filename = named(plain.clone());
        disposition.filename = named(extended.or(plain));
        Some(disposition)
    }
}

/// The name under which Storage stores a file that an app sends with this name. Storage decodes the name twice, and reads `+` as a space
/// (measured, tests/recorded/app-data-post-filename-twice.json). `None` for a name with a quotation mark, which Storage cannot read.
pub(crate) fn stored_filename(name: &str) -> Option<String> {
    let decoded = |name: &str| {
        percent_decode_str(&name.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    (!name.contains('"')).then(|| decoded(&decoded(name)))
}

/// The characters that an extended parameter need not encode (RFC 5987, `attr-char`).
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The header of a download, as .NET's `SetHttpFileName` writes it: the name in ASCII, quoted if it is not a token, and the extended name.
pub(crate) fn attachment(filename: &str) -> String {
    let ascii: String = filename
        .chars()
        .map(|char| match char {
            '"' | '\\' => '_',
            char if char.is_ascii_graphic() || char == ' ' => char,
            _ => '_',
        })
        .collect();
    let plain = if is_token(&ascii) {
        ascii
    } else {
        format!("\"{ascii}\"")
    };
    format!(
        "attachment; filename={plain}; filename*=UTF-8''{}",
        utf8_percent_encode(filename, ATTR_CHAR)
    )
}

fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text
            .find(|char: char| char == ';' || char.is_whitespace())
            .unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return is_token(value).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '"' => return quoted.get(index + 1..).map(|rest| (value, rest)),
            '\\' => value.push(chars.next()?.1),
            char => value.push(char),
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char))
}

fn decode_extended(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// Replaces the characters that a file name cannot have on the app's system by `_`.
fn as_file_name(name: &str) -> String {
    name.trim().trim_matches('"').replace(['\0', '/'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<ContentDisposition> {
        ContentDisposition::parse(&HeaderValue::from_str(text).unwrap())
    }

    #[test]
    fn the_extended_file_name_wins() {
        let parsed = parse(
            "form-data; name=\"vedlegg\"; filename=\"x.pdf\"; filename*=UTF-8''bl%C3%A5%2Fb.pdf",
        )
        .unwrap();
        assert_eq!(
            parsed,
            ContentDisposition {
                name: Some("vedlegg".into()),
                filename: Some("blå_b.pdf".into()),
                plain_filename: Some("x.pdf".into())
            }
        );
    }

    #[test]
    fn a_header_outside_the_grammar_is_not_parsed() {
        for text in [
            "",
            "; name=a",
            "form-data; name",
            "form-data; name=\"a",
            "attachment; filename=my file.pdf",
            "a b; name=c",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(
            parse("form-data; name=a"),
            Some(ContentDisposition {
                name: Some("a".into()),
                filename: None,
                plain_filename: None
            })
        );
    }
}
