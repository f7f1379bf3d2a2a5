//! A draft as B's class holds it once B has read it, and what is lost or refused on the way.

use serde_json::{Map, Number, Value};

use super::{FieldType, Violation};
use crate::{
    class::{self, Class, Classes, Kind, Place, Property, TextFormat},
    language::calendar,
    moment, number,
};

/// The draft as B's class holds it: without what is empty, numbers as numbers, and with what the class sets itself. Adds what
/// the class does not take, or not as it is.
pub(super) fn held(
    classes: &Classes,
    model: &Map<String, Value>,
    found: &mut Vec<Violation>,
) -> Value {
    let mut reader = Reader { classes, found };
    reader.object(classes.class(0), model, "model").into()
}

struct Reader<'r> {
    classes: &'r Classes,
    found: &'r mut Vec<Violation>,
}

impl Reader<'_> {
    fn refuse(&mut self, field: &str, problem: impl Into<String>) {
        self.found.push(Violation {
            field: field.to_owned(),
            problem: problem.into(),
        });
    }

    fn object(
        &mut self,
        class: &Class,
        given: &Map<String, Value>,
        path: &str,
    ) -> Map<String, Value> {
        let mut held = Map::new();
        for (name, value) in given {
            let field = format!("{path}.{name}");
            let Some(property) = class.property(name) else {
                self.refuse(
                    &field,
                    "B's schema has no such field, B would drop it silently",
                );
                continue;
            };
            let value = match value {
                Value::Array(items) if property.list => {
                    let items = items.iter().enumerate().filter(|(_, item)| !item.is_null());
                    let items: Vec<_> = items
                        .filter_map(|(index, item)| {
                            self.single(property, item, &format!("{field}[{index}]"))
                        })
                        .collect();
                    (!items.is_empty()).then_some(Value::Array(items))
                }
                Value::Null => None,
                value if property.list => {
                    self.refuse(&field, misfit(value, "a list"));
                    None
                }
                value => self.single(property, value, &field),
            };
            held.extend(value.map(|value| (name.clone(), value)));
        }
        for property in class.properties.iter().filter(|it| it.stated.fixed) {
            if !held.contains_key(&property.json) {
                let fixed = json(&property.initial);
                held.extend(fixed.map(|value| (property.json.clone(), value)));
            }
        }
        held
    }

    /// A value of a property; `None` if B's class holds none then.
    fn single(&mut self, property: &Property, value: &Value, field: &str) -> Option<Value> {
        let held = match (property.kind, value) {
            (_, Value::Null) => Ok(None),
            (Kind::Unknown, value) => Ok(Some(value.clone())),
            (Kind::Class(class), Value::Object(fields)) => {
                let class = self.classes.class(class);
                Ok(Some(self.object(class, fields, field).into()))
            }
            (Kind::Class(_), value) => Err(misfit(value, "a group of fields")),
            (kind, value @ (Value::Array(_) | Value::Object(_))) => {
                Err(misfit(value, wanted(kind)))
            }
            // The schema says whether the field also takes others.
            (Kind::Text, Value::Number(_) | Value::Bool(_)) => Ok(Some(value.clone())),
            (Kind::Text, Value::String(text)) => text_problem(property, text),
            (Kind::Boolean, value) => self.boolean(value),
            (Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::Decimal | Kind::Double, value) => {
                self.number(property, value)
            }
            (Kind::DateTime, Value::String(text)) => match moment_problem(self.classes, text) {
                Some(problem) => Err(problem.to_owned()),
                None => Ok(Some(value.clone())),
            },
            (Kind::RowId, value) => {
                let is_id = value
                    .as_str()
                    .is_some_and(|text| self.reads(Kind::RowId, text));
                // The schema does not know it.
                is_id
                    .then_some(None)
                    .ok_or_else(|| misfit(value, wanted(Kind::RowId)))
            }
            (kind, value) => {
                let is_taken = value.as_str().is_some_and(|text| self.reads(kind, text));
                is_taken
                    .then(|| Some(value.clone()))
                    .ok_or_else(|| misfit(value, wanted(kind)))
            }
        };
        held.unwrap_or_else(|problem| {
            self.refuse(field, problem);
            None
        })
    }

    fn reads(&self, kind: Kind, text: &str) -> bool {
        self.classes.read(kind, text, None).is_ok()
    }

    /// True or false, as .NET's reader takes it: also `1`, `'true'`.
    fn boolean(&self, value: &Value) -> Result<Option<Value>, String> {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match self.classes.read(Kind::Boolean, &text, None) {
            Ok(class::Value::Boolean(flag)) => Ok(Some(flag.into())),
            _ => Err(misfit(value, wanted(Kind::Boolean))),
        }
    }

    fn number(&self, property: &Property, value: &Value) -> Result<Option<Value>, String> {
        let kind = property.kind;
        let is_whole = property.is_whole();
        let given = match value {
            Value::Number(number) if is_whole => {
                // A number without a plain form is whole or no number of .NET.
                let whole = number::whole(number);
                if whole.is_none() && number::plain(number).is_some() {
                    return Err(
                        "is a number with a fraction, and B's field takes a whole number".into(),
                    );
                }
                whole
            }
            Value::Number(number) => number::plain(number),
            Value::String(text) => {
                let is_taken = match property.stated.any_size {
                    true => trimmed(text).parse::<i128>().is_ok(),
                    false => self.reads(kind, text),
                };
                let text = trimmed(text);
                let has_digits = text.bytes().any(|byte| byte.is_ascii_digit());
                let has_fraction = is_whole && text.contains('.');
                if !is_taken || !has_digits || has_fraction {
                    return Err(misfit(value, wanted(kind)));
                }
                let text = text.strip_prefix('+').unwrap_or(text);
                match text.parse::<Number>() {
                    Ok(number) => number::plain(&number),
                    Err(_) => Some(number::normalized_text(text)),
                }
            }
            other => return Err(misfit(other, wanted(kind))),
        };
        let field_type = match kind {
            Kind::Double => FieldType::Double,
            _ => FieldType::Number,
        };
        if let Some(problem) = field_type.rounds(given.as_deref()) {
            return Err(problem.to_owned());
        }
        let given = given.unwrap_or_default();
        if !property.stated.any_size && !self.reads(kind, &given) {
            let range = match kind {
                Kind::Int16 => "short, from -32768 to 32767",
                Kind::Int32 => "int, from -2147483648 to 2147483647",
                _ => "long, from -9223372036854775808 to 9223372036854775807",
            };
            return Err(format!("is beyond the range of B's field ({range})"));
        }
        let number = match value {
            Value::Number(number) if !is_whole => Some(number.clone()),
            _ => number::normalized_text(&given).parse().ok(),
        };
        Ok(number.map(Value::Number))
    }
}

/// A fixed value of a class.
fn json(value: &class::Value) -> Option<Value> {
    match value {
        class::Value::Text(text) => Some(Value::String(text.clone())),
        class::Value::Number(number) => number.parse().ok().map(Value::Number),
        class::Value::Boolean(flag) => Some(Value::Bool(*flag)),
        class::Value::Null | class::Value::List(_) | class::Value::Object(_) => None,
    }
}

/// A text, unless it is not of the format that the schema states or B's reader drops it.
fn text_problem(property: &Property, text: &str) -> Result<Option<Value>, String> {
    let is_content = property.place == Place::Text;
    if is_content && text.is_empty() {
        return Ok(None);
    }
    if is_content && text.bytes().all(|byte| b" \t\r\n".contains(&byte)) {
        return Err("is a text of blanks alone, which B would drop silently here".to_owned());
    }
    let problem = match property.stated.format {
        Some(TextFormat::Date) if moment::day(text).is_none() => {
            "is no date of the form 2026-11-20"
        }
        Some(TextFormat::Time) if calendar::parse_time(text).is_err() => {
            "is no time of the form 12:30:00"
        }
        _ => return Ok(Some(text.into())),
    };
    Err(problem.to_owned())
}

/// Why B does not read a text as the date and time that it means.
fn moment_problem(classes: &Classes, text: &str) -> Option<&'static str> {
    const WRONG: &str = "is no date and time of the form 2026-11-20T09:12:45Z";
    let reads = |text: &str| classes.read(Kind::DateTime, text, None).is_ok();
    let is_read = reads(text);
    let text = trimmed(text);
    let has_day = text.get(..10).is_some_and(|day| moment::day(day).is_some());
    if !has_day {
        let is_time = reads(&format!("2000-01-01T{text}"));
        return Some(if is_time {
            "is a time without a day, of which B would make that time of the current day"
        } else {
            WRONG
        });
    }
    if !is_read {
        return Some(WRONG);
    }
    let decimals = text.split_once('.').map_or("", |(_, decimals)| decimals);
    let count = decimals.bytes().take_while(u8::is_ascii_digit).count();
    (count > 7).then_some("has more than 7 decimals of a second, which B would round")
}

/// Whether B's class reads a text as the date and time, or the date, that it means.
pub(super) fn is_date_time(text: &str) -> bool {
    moment_problem(&Classes::default(), text).is_none()
}

/// A text without the blanks that .NET's readers of numbers and dates skip.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

fn misfit(value: &Value, wanted: &str) -> String {
    let is = match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a group of fields",
    };
    format!("is {is}, and B's field takes {wanted}")
}

/// What a property of this kind takes.
fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Class(_) => "a group of fields",
        Kind::Text => "a text",
        Kind::Int16 | Kind::Int32 | Kind::Int64 => "a whole number of the form -1234",
        Kind::Decimal | Kind::Double => "a number of the form -1234.5",
        Kind::Boolean => "true or false",
        Kind::DateTime => "a date and time of the form 2026-11-20T09:12:45Z",
        Kind::Date => "a date of the form 2026-11-20",
        Kind::Enumeration(_) => "one of its values",
        Kind::RowId => "the id of a row",
        Kind::Unknown => "anything",
    }
}
