//! The attributes of C# declarations, and what they say about a member.

use stafett_core::class::Place;

use super::{member::Member, tokens::Token};

/// An attribute.
#[derive(Debug)]
pub(super) struct Attribute {
    /// The name as it is written, perhaps with a namespace.
    pub(super) path: String,
    pub(super) arguments: Vec<Vec<Token>>,
}

/// Splits the arguments of an attribute at the commas outside brackets.
pub(super) fn arguments(tokens: &[Token]) -> Vec<Vec<Token>> {
    let mut depth = 0_i32;
    let mut arguments = vec![Vec::new()];
    for token in tokens {
        match token {
            Token::Mark('(' | '{' | '[') => depth += 1,
            Token::Mark(')' | '}' | ']') => depth -= 1,
            _ => {}
        }
        if depth == 0 && token.is(',') {
            arguments.push(Vec::new());
        } else if let Some(last) = arguments.last_mut() {
            last.push(token.clone());
        }
    }
    arguments.retain(|argument| !argument.is_empty());
    arguments
}

impl Attribute {
    /// The name, without its namespace and without `Attribute` at the end.
    pub(super) fn name(&self) -> &str {
        let name = self.path.rsplit('.').next().unwrap_or(&self.path);
        match name.strip_suffix("Attribute") {
            Some("Xml") | None => name,
            Some(short) => short,
        }
    }

    /// The value of a named argument.
    pub(super) fn named(&self, name: &str) -> Option<String> {
        self.arguments
            .iter()
            .find_map(|argument| match &argument[..] {
                [
                    Token::Word(key),
                    mark,
                    Token::Literal(value) | Token::Word(value),
                ] if key == name && (mark.is('=') || mark.is(':')) => Some(value.clone()),
                _ => None,
            })
    }

    /// The first argument if it is a string, or else the named one.
    pub(super) fn first_or(&self, name: &str) -> Option<String> {
        match self.arguments.first().map(Vec::as_slice) {
            Some([Token::Literal(value)]) => Some(value.clone()),
            _ => self.named(name),
        }
    }
}

/// Applies its attributes to a member; `None` if one of them affects serialization in a way that is not understood.
pub(super) fn apply(mut member: Member, attributes: &[Attribute]) -> Option<Member> {
    for attribute in attributes {
        let is_newtonsoft = attribute.path.starts_with("Newtonsoft.");
        match attribute.name() {
            "XmlElement" => {
                if attribute.named("Namespace").is_some() || attribute.named("Type").is_some() {
                    return None;
                }
                member.xml = attribute.first_or("ElementName");
                member.order = match attribute.named("Order") {
                    Some(order) => Some(order.parse().ok()?),
                    None => None,
                };
                member.data_type = attribute.named("DataType");
                member.is_nillable = attribute.named("IsNullable").as_deref() == Some("true");
            }
            "XmlAttribute" => {
                if attribute.named("Namespace").is_some() {
                    return None;
                }
                member.place = Place::Attribute;
                member.xml = attribute.first_or("AttributeName");
                member.data_type = attribute.named("DataType");
            }
            "XmlText" => {
                member.place = Place::Text;
                member.data_type = attribute.named("DataType");
            }
            "JsonPropertyName" => member.json = attribute.first_or("name"),
            // The row id has it. Studio excludes no other property from JSON.
            "JsonIgnore" if is_newtonsoft || member.type_name == "Guid" => {}
            "XmlIgnore"
            | "XmlArray"
            | "XmlArrayItem"
            | "XmlAnyElement"
            | "XmlAnyAttribute"
            | "XmlChoiceIdentifier"
            | "JsonIgnore"
            | "JsonConverter"
            | "DefaultValue" => return None,
            _ => {}
        }
    }
    Some(member)
}
