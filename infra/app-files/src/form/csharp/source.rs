//! Parses the declarations in a C# file.

use std::collections::BTreeMap;

use stafett_core::class::Place;

use super::{
    attribute::{self, Attribute},
    member::Member,
    tokens::{Token, tokens},
};

/// The declarations of a file.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    pub(super) classes: Vec<ClassSource>,
    /// The XML names of each enumeration's values. Enumerations with explicit numbers are omitted.
    pub(super) enumerations: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default)]
pub(super) struct ClassSource {
    pub(super) name: String,
    /// `ElementName` of its `XmlRoot`.
    pub(super) root: Option<String>,
    pub(super) namespace: String,
    pub(super) members: Vec<Member>,
    /// When a `ShouldSerialize` method omits a property, by property.
    pub(super) omissions: BTreeMap<String, Omission>,
    /// Whether everything in the class is understood.
    pub(super) is_understood: bool,
}

/// The values for which a `ShouldSerialize` method omits a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Omission {
    Null,
    /// The default of a type that cannot be null.
    Default,
    Unknown,
}

/// The type of a member.
struct MemberType {
    /// Of a list, the type of its items.
    type_name: String,
    is_list: bool,
    is_nullable: bool,
}

pub(super) fn parse(text: &str) -> Declarations {
    let tokens = tokens(text);
    let mut parser = Parser {
        tokens: &tokens,
        declarations: Declarations::default(),
    };
    parser.file();
    parser.declarations
}

struct Parser<'t> {
    tokens: &'t [Token],
    declarations: Declarations,
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

    /// Takes the next token if it is this mark.
    fn take(&mut self, mark: char) -> bool {
        let is_next = self.peek().is_some_and(|token| token.is(mark));
        if is_next {
            self.next();
        }
        is_next
    }

    /// Takes the next token if it is a word.
    fn word(&mut self) -> Option<&'t str> {
        match self.peek()? {
            Token::Word(word) => {
                self.next();
                Some(word)
            }
            _ => None,
        }
    }

    /// Takes the tokens up to the closing mark; the opening one is already taken.
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
                declarations: Declarations::default(),
            };
            while let Some(path) = list.word() {
                let arguments = if list.take('(') {
                    attribute::arguments(list.enclosed('(', ')'))
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
                // Modifiers come between the attributes and the keyword.
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
            is_understood: true,
            ..ClassSource::default()
        };
        for attribute in attributes {
            match attribute.name() {
                "XmlRoot" => {
                    class.root = attribute.first_or("ElementName");
                    class.namespace = attribute.named("Namespace").unwrap_or_default();
                }
                "XmlType" => class.is_understood &= attribute.named("Namespace").is_none(),
                "XmlInclude" | "JsonConverter" => class.is_understood = false,
                _ => {}
            }
        }
        if !self.take('{') {
            class.is_understood = false;
            while self.peek().is_some() && !self.take('{') {
                self.next();
            }
        }
        let body = self.enclosed('{', '}');
        let mut members = Parser {
            tokens: body,
            declarations: Declarations::default(),
        };
        while members.peek().is_some() {
            if members.member(&mut class).is_none() {
                class.is_understood = false;
                break;
            }
        }
        self.declarations.classes.push(class);
        self.declarations
            .classes
            .append(&mut members.declarations.classes);
        self.declarations
            .enumerations
            .append(&mut members.declarations.enumerations);
    }

    fn enumeration(&mut self) {
        let Some(name) = self.word() else { return };
        if !self.take('{') {
            return;
        }
        let body = self.enclosed('{', '}');
        let mut parser = Parser {
            tokens: body,
            declarations: Declarations::default(),
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
        self.declarations
            .enumerations
            .insert(name.to_owned(), values);
    }

    /// Reads one member of a class; `None` if it is not understood.
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
        let MemberType {
            type_name,
            is_list,
            is_nullable,
        } = self.member_type(word)?;
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
        class.members.push(attribute::apply(member, &attributes)?);
        Some(())
    }

    /// Reads the type of a member, which begins with `word`; `None` if it is a generic type that is not understood.
    fn member_type(&mut self, word: &str) -> Option<MemberType> {
        let without_namespace = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
        let mut type_name = without_namespace(word);
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
            type_name = without_namespace(item);
        }
        let is_nullable = self.take('?') && !is_list || is_nullable;
        Some(MemberType {
            type_name,
            is_list,
            is_nullable,
        })
    }

    /// Reads the literal of an initialiser. The inner `None` means that it sets the default.
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

    /// Reads a method. Only `ShouldSerialize` methods matter: others do not affect what is stored.
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

/// When a `ShouldSerialize` method with this body omits the property.
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
