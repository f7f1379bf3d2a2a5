//! Forms of A: their JSON schemas, and what the generators of instances and expressions need to know of them.

use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};

use crate::choices::Choices;

/// What a place of a form holds.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    Text(Text),
    Number(Number),
    Boolean,
    /// A text or a number.
    Mixed,
    List {
        item: Box<Form>,
        /// Whether an item may be `null`.
        has_holes: bool,
        least: usize,
        most: Option<usize>,
    },
    Group(Vec<Field>),
}

/// A field of a group.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) is_required: bool,
    pub(crate) is_nullable: bool,
    pub(crate) form: Form,
}

impl Field {
    pub(crate) fn may_be_empty(&self) -> bool {
        !self.is_required || self.is_nullable
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Text {
    Free { least: usize, most: Option<usize> },
    Listed(Vec<&'static str>),
    Date,
    DateTime,
    Time,
    Pattern(&'static Pattern),
}

/// A regular expression, the texts that match it, and how to make one.
pub(crate) struct Pattern {
    pub(crate) expression: &'static str,
    pub(crate) matches: fn(&str) -> bool,
    pub(crate) make: fn(&mut Choices<'_>) -> String,
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.expression)
    }
}

pub(crate) static PATTERNS: [Pattern; 3] = [
    Pattern {
        expression: "^[0-9]{4}$",
        matches: |text| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit()),
        make: |choices| format!("{:04}", choices.below(10_000)),
    },
    Pattern {
        expression: "^[A-ZÆØÅ]{1,6}$",
        matches: |text| {
            (1..=6).contains(&text.chars().count())
                && text
                    .chars()
                    .all(|letter| matches!(letter, 'A'..='Z' | 'Æ' | 'Ø' | 'Å'))
        },
        make: |choices| {
            let count = choices.within(1, 6);
            let letters = (0..count).map(|_| *choices.pick(&['A', 'Z', 'Æ', 'Ø', 'Å']));
            letters.collect()
        },
    },
    Pattern {
        expression: "^(kr )?[0-9]+,[0-9]{2}$",
        matches: |text| {
            let amount = text.strip_prefix("kr ").unwrap_or(text);
            amount.split_once(',').is_some_and(|(whole, cents)| {
                let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
                !whole.is_empty() && cents.len() == 2 && are_digits(whole) && are_digits(cents)
            })
        },
        make: |choices| {
            let unit = if choices.chance(30) { "kr " } else { "" };
            format!("{unit}{},{:02}", choices.below(60_000), choices.below(100))
        },
    },
];

/// A number, as far as its schema says anything of it.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    pub(crate) is_whole: bool,
    pub(crate) minimum: Option<Decimal>,
    pub(crate) is_above: bool,
    pub(crate) maximum: Option<Decimal>,
    pub(crate) is_below: bool,
    pub(crate) step: Option<Decimal>,
    pub(crate) listed: Vec<Decimal>,
}

/// Names of fields; those that are no names of the language among them.
const NAMES: [&str; 12] = [
    "navn",
    "antall",
    "dato",
    "kode",
    "rader",
    "e-post",
    "fødselsnummer",
    "in",
    "x y",
    "adresse",
    "Beløp",
    "id",
];

const CODES: [&str; 10] = [
    "A",
    "B",
    "Å",
    "ja",
    "nei",
    "2026-11-01",
    "12.50",
    "1 234,50",
    "12:30",
    "",
];

/// A JSON schema, and the form that it describes.
pub(crate) struct Schema {
    pub(crate) document: Json,
    pub(crate) form: Form,
}

/// A random schema.
pub(crate) fn schema(choices: &mut Choices<'_>) -> Schema {
    let mut writer = Writer {
        choices,
        definitions: Map::new(),
    };
    let (form, mut document) = writer.group(0);
    if !writer.definitions.is_empty()
        && let Some(document) = document.as_object_mut()
    {
        document.insert("$defs".to_owned(), writer.definitions.into());
    }
    Schema { document, form }
}

struct Writer<'c, 't> {
    choices: &'c mut Choices<'t>,
    definitions: Map<String, Json>,
}

impl Writer<'_, '_> {
    fn form(&mut self, depth: usize) -> (Form, Json) {
        let deep = if depth < 3 { 12 } else { 9 };
        match self.choices.below(deep) {
            0..=3 => self.text(),
            4..=6 => self.number(),
            7 => (Form::Boolean, json!({"type": "boolean"})),
            8 if self.choices.chance(30) => (Form::Mixed, json!({"type": ["string", "number"]})),
            8 => self.text(),
            9..=10 => self.list(depth),
            _ => self.group(depth),
        }
    }

    fn text(&mut self) -> (Form, Json) {
        let (text, schema) = match self.choices.below(8) {
            0..=2 => {
                let least = *self.choices.pick(&[0, 0, 1, 3]);
                let most = *self
                    .choices
                    .pick(&[None, Some(5), Some(10), Some(80), Some(3)]);
                let mut schema = json!({"type": "string"});
                if least > 0 {
                    schema["minLength"] = least.into();
                }
                if let Some(most) = most {
                    schema["maxLength"] = most.into();
                }
                (Text::Free { least, most }, schema)
            }
            3 => {
                let count = self.choices.within(1, 4);
                let from = self.choices.below(CODES.len());
                let codes: Vec<_> = CODES
                    .iter()
                    .cycle()
                    .skip(from)
                    .take(count)
                    .copied()
                    .collect();
                let schema = match self.choices.below(3) {
                    0 => json!({"type": "string", "enum": codes}),
                    1 => json!({"enum": codes}),
                    _ if count == 1 => json!({"const": codes[0]}),
                    _ => {
                        json!({"anyOf": codes.iter().map(|code| json!({"const": code})).collect::<Vec<_>>()})
                    }
                };
                (Text::Listed(codes), schema)
            }
            4 => (Text::Date, json!({"type": "string", "format": "date"})),
            5 => (
                Text::DateTime,
                json!({"type": "string", "format": "date-time"}),
            ),
            6 => (Text::Time, json!({"type": "string", "format": "time"})),
            _ => {
                let pattern = self.choices.pick(&PATTERNS);
                let schema = json!({"type": "string", "pattern": pattern.expression});
                (Text::Pattern(pattern), schema)
            }
        };
        (Form::Text(text), schema)
    }

    fn number(&mut self) -> (Form, Json) {
        let is_whole = self.choices.chance(50);
        let mut schema = json!({"type": if is_whole { "integer" } else { "number" }});
        let mut number = Number {
            is_whole,
            minimum: None,
            is_above: false,
            maximum: None,
            is_below: false,
            step: None,
            listed: Vec::new(),
        };
        if self.choices.chance(8) {
            number.listed = [1, 2, 40].map(Decimal::from).to_vec();
            schema["enum"] = json!([1, 2, 40]);
            return (Form::Number(number), schema);
        }
        if self.choices.chance(65) {
            let least =
                *self
                    .choices
                    .pick(&["0", "1", "-100", "-5.5", "1000000", "-4000000000000000"]);
            let least = decimal(least);
            let width = *self
                .choices
                .pick(&["10", "100", "9999.5", "8000000000000000"]);
            let most = least + decimal(width);
            // `jsonschema` compares a number that is not whole with a large whole bound as doubles.
            let may_exclude = |bound: Decimal| bound.abs() < decimal("1000000000");
            if self.choices.chance(85) {
                number.minimum = Some(least);
                number.is_above = may_exclude(least) && self.choices.chance(25);
                let keyword = if number.is_above {
                    "exclusiveMinimum"
                } else {
                    "minimum"
                };
                schema[keyword] = in_json(least);
            }
            if self.choices.chance(85) && most > Decimal::ZERO {
                number.maximum = Some(most);
                number.is_below = may_exclude(most) && self.choices.chance(25);
                let keyword = if number.is_below {
                    "exclusiveMaximum"
                } else {
                    "maximum"
                };
                schema[keyword] = in_json(most);
            }
        }
        if !is_whole && self.choices.chance(50) {
            let step = *self
                .choices
                .pick(&["0.01", "1", "0.5", "0.25", "0.00000001"]);
            let step = decimal(step);
            number.step = Some(step);
            schema["multipleOf"] = in_json(step);
        }
        (Form::Number(number), schema)
    }

    fn list(&mut self, depth: usize) -> (Form, Json) {
        let (item, schema) = self.form(depth + 1);
        let has_holes = self.choices.chance(10);
        let schema = if has_holes {
            self.or_null(schema)
        } else {
            schema
        };
        let least = *self.choices.pick(&[0, 0, 0, 1, 2]);
        let most = *self.choices.pick(&[None, None, Some(3), Some(2)]);
        let mut schema = json!({"type": "array", "items": self.written(schema)});
        if least > 0 {
            schema["minItems"] = least.into();
        }
        if let Some(most) = most {
            schema["maxItems"] = most.into();
        }
        let item = Box::new(item);
        let list = Form::List {
            item,
            has_holes,
            least,
            most,
        };
        (list, schema)
    }

    fn group(&mut self, depth: usize) -> (Form, Json) {
        let count = self.choices.within(1, if depth == 0 { 7 } else { 3 });
        let from = self.choices.below(NAMES.len());
        let names = NAMES.iter().cycle().skip(from).take(count);
        let mut fields = Vec::new();
        let mut properties = Map::new();
        let mut required = Vec::new();
        for name in names {
            let (form, mut schema) = self.form(depth + 1);
            let is_required = self.choices.chance(55);
            let is_nullable = self.choices.chance(15);
            if is_required {
                required.push(*name);
            }
            if is_nullable {
                schema = self.or_null(schema);
            }
            properties.insert((*name).to_owned(), self.written(schema));
            fields.push(Field {
                name,
                is_required,
                is_nullable,
                form,
            });
        }
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        (Form::Group(fields), schema)
    }

    /// The same schema, which also allows `null`, in one of the ways to write that.
    fn or_null(&mut self, mut schema: Json) -> Json {
        let named = schema.get("type").and_then(Json::as_str).map(str::to_owned);
        match named {
            Some(named) if schema.get("enum").is_none() && self.choices.chance(50) => {
                schema["type"] = json!([named, "null"]);
                schema
            }
            _ if self.choices.chance(50) => json!({"oneOf": [{"type": "null"}, schema]}),
            _ => json!({"anyOf": [schema, {"type": "null"}]}),
        }
    }

    /// The same schema as it is, by reference, or as a part of `allOf`.
    fn written(&mut self, schema: Json) -> Json {
        match self.choices.below(10) {
            0..=6 => schema,
            7 | 8 => {
                let name = format!("d{}", self.definitions.len());
                let reference = json!({"$ref": format!("#/$defs/{name}")});
                self.definitions.insert(name, schema);
                reference
            }
            _ => json!({"allOf": [schema]}),
        }
    }
}

pub(crate) fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

/// A number of JSON with the digits of the decimal.
pub(crate) fn in_json(number: Decimal) -> Json {
    serde_json::from_str(&number.to_string()).unwrap()
}
