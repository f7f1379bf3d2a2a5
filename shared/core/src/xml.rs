//! Writes B's form as XML that .NET's `XmlSerializer` reads: elements in the draft's order, lists as repeated elements,
//! null fields omitted, numbers with their digits and without exponents.

use quick_xml::escape::escape;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::number;

/// Why a draft cannot be written as XML. Names the field, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {}", self.field(), self.problem())]
pub enum XmlError {
    /// A text contains a character that XML 1.0 does not allow.
    Character {
        /// The field, as a dotted path.
        field: String,
        /// The character's code point.
        character: u32,
    },
    /// A name from A's data is not a valid element name.
    Name {
        /// The group that contains it, as a dotted path.
        field: String,
    },
    /// A list contains a list, which has no form in XML.
    NestedList {
        /// The field, as a dotted path.
        field: String,
    },
    /// A number is beyond the range of every number of .NET.
    Number {
        /// The field, as a dotted path.
        field: String,
    },
}

impl XmlError {
    /// The field, as a dotted path.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::Character { field, .. }
            | Self::Name { field }
            | Self::NestedList { field }
            | Self::Number { field } => field,
        }
    }

    /// What is wrong, without the field.
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::Character { character, .. } => format!(
                "has the character U+{character:04X}, which XML cannot carry: remove it in the expression with `| replace`, or correct A's data"
            ),
            Self::Name { .. } => "a field's name is not the name of an XML element".to_owned(),
            Self::NestedList { .. } => "a list in a list has no place in a form".to_owned(),
            Self::Number { .. } => {
                "is a number with an exponent beyond the range of .NET's double".to_owned()
            }
        }
    }
}

/// Whether `name` is a valid element name for a form: an XML name without a colon.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
        && characters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// Whether XML 1.0 allows `character` (production 2).
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Writes the XML document of a form, with `root` as its root element.
///
/// # Errors
/// [`XmlError`], which names the field.
pub fn write(root: &str, model: &Map<String, Value>) -> Result<String, XmlError> {
    let mut document = String::from(r#"<?xml version="1.0" encoding="utf-8"?>"#);
    document.push('<');
    document.push_str(root);
    document.push('>');
    write_fields(&mut document, model, "model")?;
    close(&mut document, root);
    Ok(document)
}

fn write_fields(
    document: &mut String,
    fields: &Map<String, Value>,
    path: &str,
) -> Result<(), XmlError> {
    for (name, value) in fields {
        if !is_name(name) {
            return Err(XmlError::Name {
                field: path.to_owned(),
            });
        }
        let field = format!("{path}.{name}");
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let field = format!("{field}[{index}]");
                    if item.is_array() {
                        return Err(XmlError::NestedList { field });
                    }
                    write_element(document, name, item, &field)?;
                }
            }
            value => write_element(document, name, value, &field)?,
        }
    }
    Ok(())
}

fn write_element(
    document: &mut String,
    name: &str,
    value: &Value,
    field: &str,
) -> Result<(), XmlError> {
    if value.is_null() {
        return Ok(());
    }
    document.push('<');
    document.push_str(name);
    document.push('>');
    match value {
        Value::Object(fields) => write_fields(document, fields, field)?,
        Value::String(text) => {
            if let Some(character) = text.chars().find(|c| !is_allowed(*c)) {
                return Err(XmlError::Character {
                    field: field.to_owned(),
                    character: character.into(),
                });
            }
            // A parser would read an unescaped carriage return as a line feed (XML 1.0, 2.11).
            document.push_str(&escape(text.as_str()).replace('\r', "&#13;"));
        }
        Value::Number(number) => {
            let text = number::plain(number).ok_or_else(|| XmlError::Number {
                field: field.to_owned(),
            })?;
            document.push_str(&text);
        }
        Value::Bool(flag) => document.push_str(if *flag { "true" } else { "false" }),
        Value::Null | Value::Array(_) => {}
    }
    close(document, name);
    Ok(())
}

fn close(document: &mut String, name: &str) {
    document.push_str("</");
    document.push_str(name);
    document.push('>');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::{Reader, events::Event};
    use serde_json::json;

    use super::*;

    fn written(model: Value) -> Result<String, XmlError> {
        let Value::Object(model) = model else {
            unreachable!()
        };
        let document = write("melding", &model)?;
        let head = r#"<?xml version="1.0" encoding="utf-8"?>"#;
        Ok(document.strip_prefix(head).unwrap().to_owned())
    }

    #[test]
    fn a_form_is_written_in_order_with_repeated_lists_and_without_nulls() {
        let model = json!({"z": {"b": "x", "a": 3}, "rows": [{"k": "A"}, {"k": "B"}], "no": [], "null": null, "yes": true});
        assert_eq!(
            written(model).unwrap(),
            "<melding><z><b>x</b><a>3</a></z><rows><k>A</k></rows><rows><k>B</k></rows><yes>true</yes></melding>"
        );
    }

    #[test]
    fn a_number_has_the_digits_of_the_draft_and_no_exponent() {
        let model = serde_json::from_str(
            r#"{"n": [1, 100.00, 12345678901234567.89, 922337203685477.5807, 1E+21, 1e-7, -0.50, -0, 18446744073709551616]}"#,
        );
        assert_eq!(
            written(model.unwrap()).unwrap(),
            "<melding><n>1</n><n>100.00</n><n>12345678901234567.89</n><n>922337203685477.5807</n><n>1000000000000000000000</n>\
             <n>0.0000001</n><n>-0.50</n><n>-0</n><n>18446744073709551616</n></melding>"
        );
    }

    #[test]
    fn a_number_that_no_field_can_hold_is_an_error() {
        let model = serde_json::from_str(r#"{"a": {"b": 1e999999999}}"#).unwrap();
        let error = written(model).unwrap_err();
        assert_eq!(error.field(), "model.a.b");
        assert!(!error.to_string().contains('9'), "{error}");
    }

    #[test]
    fn an_error_gives_the_field_and_the_code_point_but_no_value() {
        let error = written(json!({"a": [{"b": "hemmelig \u{8}"}]})).unwrap_err();
        assert_eq!(
            error,
            XmlError::Character {
                field: "model.a[0].b".into(),
                character: 8
            }
        );
        assert!(!error.to_string().contains("hemmelig"));
        assert_eq!(
            written(json!({"a b": 1})),
            Err(XmlError::Name {
                field: "model".into()
            })
        );
        assert_eq!(
            written(json!({"a": [[1]]})),
            Err(XmlError::NestedList {
                field: "model.a[0]".into()
            })
        );
    }

    /// The text of the only `t` element, as read by a real parser.
    fn read_back(document: &str) -> String {
        let mut reader = Reader::from_str(document);
        let mut text = String::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Text(part) => text.push_str(&part.xml10_content()),
                Event::GeneralRef(entity) => match entity.resolve_char_ref().unwrap() {
                    Some(character) => text.push(character),
                    None => text
                        .push_str(quick_xml::escape::resolve_predefined_entity(&entity).unwrap()),
                },
                Event::Eof => return text,
                _ => {}
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_unchanged_or_refused(text in any::<String>()) {
            match written(json!({"t": text})) {
                Ok(document) => prop_assert_eq!(read_back(&document), text),
                Err(XmlError::Character { character, .. }) => {
                    prop_assert!(text.chars().any(|c| u32::from(c) == character && !is_allowed(c)));
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}
