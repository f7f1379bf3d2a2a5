//! The declarations in a C# file.

use std::collections::BTreeMap;

use super::Place;
use super::tokens::{Token, tokens};

/// What a file declares.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) classes: Vec<ClassSource>,
    /// Names in XML by enumeration; those with numbers of their own are left out.
    pub(super) enumerations: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default)]
pub(super) struct ClassSource {
    pub(super) name: String,
    /// `ElementName` of its `XmlRoot`.
    pub(super) root: Option<String>,
    pub(super) namespace: String,
    pub(super) members: Vec<Member>,
    /// When a `ShouldSerialize` method leaves a property out.
    pub(super) omissions: BTreeMap<String, Omission>,
    /// Whether everything in it is understood.
    pub(super) is_regular: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Omission {
    Null,
    /// The default of a type that cannot be null.
    Default,
    Unknown,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) is_nullable: bool,
    pub(super) is_list: bool,
    pub(super) place: Place,
    pub(super) xml: Option<String>,
    pub(super) json: Option<String>,
    pub(super) order: Option<i64>,
    pub(super) data_type: Option<String>,
    /// `IsNullable = true`
    pub(super) is_nillable: bool,
    /// The literal after `=`.
    pub(super) initial: Option<String>,
}

/// An attribute: its name without namespace, and its arguments.
#[derive(Debug)]
struct Attribute {
    /// With the namespace that it is written with.
    path: String,
    arguments: Vec<Vec<Token>>,
}

pub(super) fn parse(text: &str) -> Source {
    let tokens = tokens(text);
    let mut parser = Parser {
        tokens: &tokens,
        source: Source::default(),
    };
    parser.file();
    parser.source
}

struct Parser<'t> {
    tokens: &'t [Token],
    source: Source,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.first()
    }

    fn next(&mut self) -> Option<&'t Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn take(&mut self, mark: char) -> bool {
        let is_next = self.peek().is_some_and(|token| token.is(mark));
        if is_next {
            self.next();
        }
        is_next
    }

    /// The next token, where it is a word.
    fn word(&mut self) -> Option<&'t str> {
        match self.peek()? {
            Token::Word(word) => {
                self.next();
                Some(word)
            }
            _ => None,
        }
    }

    /// What is between an opening mark, already taken, and its closing one.
    fn enclosed(&mut self, open: char, close: char) -> &'t [Token] {
        let all = self.tokens;
        let mut depth = 1_usize;
        let mut length = 0;
        while let Some(token) = self.next() {
            if token.is(open) {
                depth += 1;
            } else if token.is(close) {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            length += 1;
        }
        all.get(..length).unwrap_or_default()
    }

    fn attributes(&mut self) -> Vec<Attribute> {
        let mut attributes = Vec::new();
        while self.take('[') {
            let inner = self.enclosed('[', ']');
            let mut list = Parser {
                tokens: inner,
                source: Source::default(),
            };
            while let Some(path) = list.word() {
                let arguments = if list.take('(') {
                    arguments(list.enclosed('(', ')'))
                } else {
                    Vec::new()
                };
                attributes.push(Attribute {
                    path: path.to_owned(),
                    arguments,
                });
                list.take(',');
            }
        }
        attributes
    }

    fn file(&mut self) {
        while self.peek().is_some() {
            let attributes = self.attributes();
            match self.next() {
                Some(Token::Word(word)) if word == "class" => self.class(&attributes),
                Some(Token::Word(word)) if word == "enum" => self.enumeration(),
                // Modifiers stand between the attributes and the word.
                Some(Token::Word(word)) if is_modifier(word) => {
                    while self.peek().is_some_and(
                        |token| matches!(token, Token::Word(word) if is_modifier(word)),
                    ) {
                        self.next();
                    }
                    match self.word() {
                        Some("class") => self.class(&attributes),
                        Some("enum") => self.enumeration(),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }

    fn class(&mut self, attributes: &[Attribute]) {
        let Some(name) = self.word() else { return };
        let mut class = ClassSource {
            name: name.to_owned(),
            is_regular: true,
            ..ClassSource::default()
        };
        for attribute in attributes {
            match attribute.name() {
                "XmlRoot" => {
                    class.root = attribute.first_or("ElementName");
                    class.namespace = attribute.named("Namespace").unwrap_or_default();
                }
                "XmlType" => class.is_regular &= attribute.named("Namespace").is_none(),
                "XmlInclude" | "JsonConverter" => class.is_regular = false,
                _ => {}
            }
        }
        if !self.take('{') {
            class.is_regular = false;
            while self.peek().is_some() && !self.take('{') {
                self.next();
            }
        }
        let body = self.enclosed('{', '}');
        let mut members = Parser {
            tokens: body,
            source: Source::default(),
        };
        while members.peek().is_some() {
            if members.member(&mut class).is_none() {
                class.is_regular = false;
                break;
            }
        }
        self.source.classes.push(class);
        self.source.classes.append(&mut members.source.classes);
        self.source
            .enumerations
            .append(&mut members.source.enumerations);
    }

    fn enumeration(&mut self) {
        let Some(name) = self.word() else { return };
        if !self.take('{') {
            return;
        }
        let body = self.enclosed('{', '}');
        let mut parser = Parser {
            tokens: body,
            source: Source::default(),
        };
        let mut values = Vec::new();
        while parser.peek().is_some() {
            let attributes = parser.attributes();
            let Some(value) = parser.word() else { return };
            let renamed = attributes
                .iter()
                .find(|attribute| attribute.name() == "XmlEnum")
                .and_then(|attribute| attribute.first_or("Name"));
            values.push(renamed.unwrap_or_else(|| value.to_owned()));
            if !parser.take(',') && parser.peek().is_some() {
                return;
            }
        }
        self.source.enumerations.insert(name.to_owned(), values);
    }

    /// Reads one member of a class; `None` where it is of no known form.
    fn member(&mut self, class: &mut ClassSource) -> Option<()> {
        let attributes = self.attributes();
        let mut is_public = false;
        let mut word = self.word()?;
        while is_modifier(word) {
            is_public |= word == "public";
            if word == "static" || word == "abstract" || word == "override" {
                return None;
            }
            word = self.word()?;
        }
        match word {
            "class" => {
                self.class(&attributes);
                return Some(());
            }
            "enum" => {
                self.enumeration();
                return Some(());
            }
            _ => {}
        }
        let mut type_name = word.rsplit('.').next().unwrap_or(word).to_owned();
        let mut is_list = false;
        let mut is_nullable = false;
        if self.take('<') {
            let inner = self.enclosed('<', '>');
            let [Token::Word(item), rest @ ..] = inner else {
                return None;
            };
            match type_name.as_str() {
                "List" => is_list = true,
                "Nullable" => is_nullable = true,
                _ => return None,
            }
            match rest {
                [] => {}
                [mark] if mark.is('?') => is_nullable = true,
                _ => return None,
            }
            type_name = item.rsplit('.').next().unwrap_or(item).to_owned();
        }
        let is_nullable = self.take('?') && !is_list || is_nullable;
        let name = self.word()?;
        if self.take('(') {
            return self.method(class, &type_name, name);
        }
        if !self.take('{') || !is_public {
            return None;
        }
        let accessors = self.enclosed('{', '}');
        let word = |word: &str| Token::Word(word.to_owned());
        let automatic = [word("get"), Token::Mark(';'), word("set"), Token::Mark(';')];
        if accessors != automatic {
            return None;
        }
        let initial = if self.take('=') {
            self.initial()?
        } else {
            None
        };
        let member = Member {
            name: name.to_owned(),
            type_name,
            is_nullable,
            is_list,
            place: Place::Element,
            xml: None,
            json: None,
            order: None,
            data_type: None,
            is_nillable: false,
            initial,
        };
        class.members.push(attributed(member, &attributes)?);
        Some(())
    }

    /// The literal of an initialiser; the inner `None` where it sets what would be there anyway.
    fn initial(&mut self) -> Option<Option<String>> {
        let end = self.tokens.iter().position(|token| token.is(';'))?;
        let (given, rest) = self.tokens.split_at_checked(end)?;
        self.tokens = rest.get(1..)?;
        match given {
            [Token::Literal(text)] => Some(Some(text.clone())),
            [Token::Word(word), rest @ ..] if word == "new" => {
                let is_list = matches!(rest, [Token::Word(name), ..] if name.ends_with("List"));
                is_list.then_some(None)
            }
            [Token::Word(word), mark] if mark.is('!') && (word == "null" || word == "default") => {
                Some(None)
            }
            [Token::Word(word)] if word == "null" || word == "default" => Some(None),
            [Token::Word(word)]
                if word.starts_with(|char: char| char.is_ascii_digit() || char == '-') =>
            {
                Some(Some(
                    word.trim_end_matches(['m', 'M', 'd', 'D', 'L']).to_owned(),
                ))
            }
            [Token::Word(word)] if word == "true" || word == "false" => Some(Some(word.clone())),
            _ => None,
        }
    }

    /// Only methods that say when a property is left out matter; others do not touch what is stored.
    fn method(&mut self, class: &mut ClassSource, type_name: &str, name: &str) -> Option<()> {
        self.enclosed('(', ')');
        let body = if self.take('{') {
            self.enclosed('{', '}')
        } else {
            let end = self.tokens.iter().position(|token| token.is(';'))?;
            let (body, rest) = self.tokens.split_at_checked(end)?;
            self.tokens = rest.get(1..)?;
            body
        };
        if let Some(property) = name
            .strip_prefix("ShouldSerialize")
            .filter(|_| type_name == "bool")
        {
            let omission = omission(property, body);
            class.omissions.insert(property.to_owned(), omission);
        }
        Some(())
    }
}

/// When a method with this body leaves the property out.
fn omission(property: &str, body: &[Token]) -> Omission {
    let words: String = body
        .iter()
        .filter(|token| !matches!(token, Token::Mark(';')))
        .map(|token| match token {
            Token::Word(word) | Token::Literal(word) => format!("{word} "),
            Token::Mark(mark) => mark.to_string(),
        })
        .collect();
    let words = words
        .trim_start_matches("=>")
        .trim_start_matches("return ")
        .trim_end();
    let Some(condition) = words.strip_prefix(property) else {
        return Omission::Unknown;
    };
    match condition.trim() {
        ".HasValue" | "!=null" | "is not null" => Omission::Null,
        "!=default" | "!=0" | "!=false" => Omission::Default,
        _ => Omission::Unknown,
    }
}

fn is_modifier(word: &str) -> bool {
    matches!(
        word,
        "public"
            | "private"
            | "protected"
            | "internal"
            | "sealed"
            | "partial"
            | "abstract"
            | "static"
            | "virtual"
            | "override"
            | "required"
            | "readonly"
    )
}

fn arguments(tokens: &[Token]) -> Vec<Vec<Token>> {
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
    fn name(&self) -> &str {
        let name = self.path.rsplit('.').next().unwrap_or(&self.path);
        match name.strip_suffix("Attribute") {
            Some("Xml") | None => name,
            Some(short) => short,
        }
    }

    /// The text of a named argument.
    fn named(&self, name: &str) -> Option<String> {
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

    /// The first argument, where it is a text, or the named one.
    fn first_or(&self, name: &str) -> Option<String> {
        match self.arguments.first().map(Vec::as_slice) {
            Some([Token::Literal(value)]) => Some(value.clone()),
            _ => self.named(name),
        }
    }
}

/// Adds to a member what its attributes say; `None` where one of them is not known here and matters.
fn attributed(mut member: Member, attributes: &[Attribute]) -> Option<Member> {
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
            // The row id's own; no other property is left out of JSON by Studio.
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
