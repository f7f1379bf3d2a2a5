//! Writes B's form as XML that .NET's `XmlSerializer` reads: lists as repeated elements, null fields omitted, numbers with
//! their digits and without exponents.
//!
//! Where B's schema is known, attributes, text content and the order of the elements are those of B's class; otherwise every
//! field is an element, in the draft's order. No namespace is written: app-lib also reads a form without the one of its class
//! (tests/xmlserializer).

use quick_xml::escape::escape;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    class::{Class, Classes, Kind, Place, Property},
    number,
    schema::Schema,
};

/// Why a draft cannot be written as XML. Names the field, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {}", self.field(), self.problem())]
pub enum XmlError {
    /// A text contains a character that XML 1.0 does not allow, or that B replaces.
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

    /// The same error under another name of the field.
    #[must_use]
    pub fn renamed(mut self, rename: impl FnOnce(&str) -> String) -> Self {
        match &mut self {
            Self::Character { field, .. }
            | Self::Name { field }
            | Self::NestedList { field }
            | Self::Number { field } => *field = rename(field),
        }
        self
    }

    /// What is wrong, without the field.
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::Character { character, .. } => {
                let is_in_xml = char::from_u32(*character).is_some_and(is_in_xml);
                let why = if is_in_xml {
                    "B does not keep"
                } else {
                    "XML cannot carry"
                };
                format!(
                    "has the character U+{character:04X}, which {why}: remove it in the expression with `| replace`, or correct A's data"
                )
            }
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

/// Whether XML 1.0 allows `character` (production 2), and B's app keeps it (tests/xmlserializer: app-lib replaces C1 controls
/// and U+FEFF when it writes).
fn is_allowed(character: char) -> bool {
    is_in_xml(character) && !matches!(character, '\u{7F}'..='\u{9F}' | '\u{FEFF}')
}

fn is_in_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Writes the XML document of a form, with `root` as its root element, as the class of B's schema reads it. Elements stand in
/// the order of `model`.
///
/// # Errors
/// [`XmlError`], which names the field.
pub fn write(
    root: &str,
    schema: Option<&Schema>,
    model: &Map<String, Value>,
) -> Result<String, XmlError> {
    let classes = schema.and_then(Schema::classes);
    let mut writer = Writer {
        classes,
        document: String::from(r#"<?xml version="1.0" encoding="utf-8"?>"#),
    };
    writer.object(
        root,
        model,
        classes.map(|classes| classes.class(0)),
        "model",
    )?;
    Ok(writer.document)
}

struct Writer<'w> {
    classes: Option<&'w Classes>,
    document: String,
}

impl<'w> Writer<'w> {
    /// Writes an element with fields. `class` is what B reads it as, where that is known.
    fn object(
        &mut self,
        name: &str,
        fields: &Map<String, Value>,
        class: Option<&'w Class>,
        path: &str,
    ) -> Result<(), XmlError> {
        let unnamed = fields.keys().any(|name| !is_name(name));
        if unnamed {
            return Err(XmlError::Name {
                field: path.to_owned(),
            });
        }
        let field = |property: &Property| {
            let value = fields.get(&property.json)?;
            Some((value, format!("{path}.{}", property.json)))
        };
        self.document.push('<');
        self.document.push_str(name);
        for (_, property) in class
            .into_iter()
            .flat_map(|class| class.at(Place::Attribute))
        {
            if let Some((value, field)) = field(property)
                && let Some(text) = text(value, Some(property), &field)?
            {
                let text = escape(&text).replace('\t', "&#9;").replace('\n', "&#10;");
                self.document
                    .push_str(&format!(" {}=\"{}\"", property.xml, carried(&text)));
            }
        }
        self.document.push('>');
        // In the order of the model, which is arranged already.
        for (name, value) in fields {
            let property = class.and_then(|class| class.property(name));
            if property.is_none_or(|property| property.place == Place::Element) {
                let element = property.map_or(name.as_str(), |property| &property.xml);
                self.field(element, value, property, &format!("{path}.{name}"))?;
            }
        }
        for (_, property) in class.into_iter().flat_map(|class| class.at(Place::Text)) {
            if let Some((value, field)) = field(property)
                && let Some(text) = text(value, Some(property), &field)?
            {
                self.document.push_str(&carried(&escape(&text)));
            }
        }
        self.close(name);
        Ok(())
    }

    fn field(
        &mut self,
        name: &str,
        value: &Value,
        property: Option<&Property>,
        field: &str,
    ) -> Result<(), XmlError> {
        let Value::Array(items) = value else {
            return self.element(name, value, property, field);
        };
        for (index, item) in items.iter().enumerate() {
            let field = format!("{field}[{index}]");
            if item.is_array() {
                return Err(XmlError::NestedList { field });
            }
            self.element(name, item, property, &field)?;
        }
        Ok(())
    }

    fn element(
        &mut self,
        name: &str,
        value: &Value,
        property: Option<&Property>,
        field: &str,
    ) -> Result<(), XmlError> {
        if let Value::Object(fields) = value {
            let class = match (property.map(|it| it.kind), self.classes) {
                (Some(Kind::Class(class)), Some(classes)) => Some(classes.class(class)),
                _ => None,
            };
            // B would make 0 of a number that is not there.
            if class.is_some_and(|class| lacks_content(class, fields)) {
                return Ok(());
            }
            return self.object(name, fields, class, field);
        }
        if let Some(text) = text(value, property, field)? {
            self.document.push('<');
            self.document.push_str(name);
            self.document.push('>');
            self.document.push_str(&carried(&escape(&text)));
            self.close(name);
        }
        Ok(())
    }

    fn close(&mut self, name: &str) {
        self.document.push_str("</");
        self.document.push_str(name);
        self.document.push('>');
    }
}

/// Whether an element that is a text with attributes has neither a text nor an attribute but those that B's class sets.
fn lacks_content(class: &Class, fields: &Map<String, Value>) -> bool {
    let is_text = class.at(Place::Text).next().is_some() && class.elements().next().is_none();
    is_text
        && fields.iter().all(|(name, value)| {
            let property = class.property(name);
            let is_empty = value.is_null() || value.as_str() == Some("");
            property.is_some_and(|it| it.stated.fixed || it.place == Place::Text && is_empty)
        })
}

/// Escaped text with carriage returns that a parser does not read as line feeds (XML 1.0, 2.11).
fn carried(escaped: &str) -> String {
    escaped.replace('\r', "&#13;")
}

/// The text of a single value; `None` for what has none.
fn text(
    value: &Value,
    property: Option<&Property>,
    field: &str,
) -> Result<Option<String>, XmlError> {
    match value {
        Value::String(text) => match text.chars().find(|c| !is_allowed(*c)) {
            None => Ok(Some(text.clone())),
            Some(character) => Err(XmlError::Character {
                field: field.to_owned(),
                character: character.into(),
            }),
        },
        Value::Number(given) => {
            let is_whole = property.is_some_and(Property::is_whole);
            let whole = number::whole(given).filter(|_| is_whole);
            let text = whole.or_else(|| number::plain(given));
            text.map(Some).ok_or_else(|| XmlError::Number {
                field: field.to_owned(),
            })
        }
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => Ok(None),
    }
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
        let document = write("melding", None, &model)?;
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
    fn the_class_of_bs_schema_decides_what_is_an_attribute_an_element_and_text() {
        let fixed = json!({"type": "string", "@xsdType": "XmlAttribute", "const": "19022"});
        let schema = json!({"info": {"meldingsnavn": "melding"}, "properties": {"melding": {"$ref": "#/definitions/m"}}, "definitions": {
            "m": {"properties": {
                "dataFormatId": {"type": "string", "@xsdAttribute": true}, "rader": {"type": "array", "items": {"$ref": "#/definitions/rad"}},
                "epost": {"$ref": "#/definitions/epost"}, "t": {"type": "integer"},
            }},
            "rad": {"properties": {"b": {"$ref": "#/definitions/epost"}, "a": {"type": "string"}}},
            "epost": {"@xsdType": "XmlSimpleContentExtension", "properties": {"orid": fixed, "value": {"type": "string", "@xsdText": true}}},
        }});
        let schema = Schema::compile(schema, "b.schema.json").unwrap();
        let Value::Object(model) = json!({
            "t": 3.0, "epost": {"value": "a@b.no", "orid": "19022"}, "dataFormatId": "5 < \"7\"\n",
            "rader": [{"a": "x", "b": {"value": "1\r\n"}}, {"b": {"orid": "19022"}, "a": "y"}],
        }) else {
            unreachable!()
        };
        let written = write("melding", Some(&schema), &schema.ordered(model)).unwrap();
        assert_eq!(
            written
                .strip_prefix(r#"<?xml version="1.0" encoding="utf-8"?>"#)
                .unwrap(),
            "<melding dataFormatId=\"5 &lt; &quot;7&quot;&#10;\"><rader><b>1&#13;\n</b><a>x</a></rader><rader><a>y</a></rader>\
             <epost orid=\"19022\">a@b.no</epost><t>3</t></melding>"
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
