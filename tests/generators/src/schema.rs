//! The JSON schemas of forms, in the ways in which they are written.

use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};

use crate::{
    choices::Choices,
    form::{Field, Form, Number, Text},
};

/// A JSON schema of a form.
pub fn document(form: &Form, choices: &mut Choices<'_>) -> Json {
    let mut writer = Writer {
        choices,
        definitions: Map::new(),
    };
    let mut document = writer.schema(form);
    if !writer.definitions.is_empty()
        && let Some(document) = document.as_object_mut()
    {
        document.insert("$defs".to_owned(), writer.definitions.into());
    }
    document
}

struct Writer<'c, 't> {
    choices: &'c mut Choices<'t>,
    definitions: Map<String, Json>,
}

impl Writer<'_, '_> {
    fn schema(&mut self, form: &Form) -> Json {
        match form {
            Form::Text(text) => self.text(text),
            Form::Number(number) => schema_of_number(number),
            Form::Boolean => json!({"type": "boolean"}),
            Form::Mixed => json!({"type": ["string", "number"]}),
            Form::List {
                item,
                has_holes,
                least,
                most,
            } => {
                let mut schema = self.schema(item);
                if *has_holes {
                    schema = self.or_null(schema);
                }
                let mut schema = json!({"type": "array", "items": self.written(schema)});
                if *least > 0 {
                    schema["minItems"] = (*least).into();
                }
                if let Some(most) = most {
                    schema["maxItems"] = (*most).into();
                }
                schema
            }
            Form::Group(fields) => self.group(fields),
        }
    }

    fn group(&mut self, fields: &[Field]) -> Json {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in fields {
            let mut schema = self.schema(&field.form);
            if field.is_required {
                required.push(field.name);
            }
            if field.is_nullable {
                schema = self.or_null(schema);
            }
            properties.insert(field.name.to_owned(), self.written(schema));
        }
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        schema
    }

    fn text(&mut self, text: &Text) -> Json {
        match text {
            Text::Free { least, most } => {
                let mut schema = json!({"type": "string"});
                if *least > 0 {
                    schema["minLength"] = (*least).into();
                }
                if let Some(most) = most {
                    schema["maxLength"] = (*most).into();
                }
                schema
            }
            Text::Listed(codes) => match self.choices.below(3) {
                0 => json!({"type": "string", "enum": codes}),
                1 => json!({"enum": codes}),
                _ => match codes.as_slice() {
                    [code] => json!({"const": code}),
                    codes => {
                        let each = codes.iter().map(|code| json!({"const": code}));
                        json!({"anyOf": each.collect::<Vec<_>>()})
                    }
                },
            },
            Text::Date => json!({"type": "string", "format": "date"}),
            Text::DateTime => json!({"type": "string", "format": "date-time"}),
            Text::Time => json!({"type": "string", "format": "time"}),
            Text::Pattern(pattern) => json!({"type": "string", "pattern": pattern.expression}),
        }
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

fn schema_of_number(number: &Number) -> Json {
    let mut schema = json!({"type": if number.is_whole { "integer" } else { "number" }});
    if !number.listed.is_empty() {
        let listed = number.listed.iter().map(|number| in_json(*number));
        schema["enum"] = listed.collect::<Vec<_>>().into();
        return schema;
    }
    if let Some(class) = number.class {
        schema["@xsdType"] = class.into();
    }
    if let Some(least) = number.minimum {
        let keyword = if number.is_above {
            "exclusiveMinimum"
        } else {
            "minimum"
        };
        schema[keyword] = in_json(least);
    }
    if let Some(most) = number.maximum {
        let keyword = if number.is_below {
            "exclusiveMaximum"
        } else {
            "maximum"
        };
        schema[keyword] = in_json(most);
    }
    if let Some(step) = number.step {
        schema["multipleOf"] = in_json(step);
    }
    schema
}

/// A number of JSON with the digits of the decimal.
pub fn in_json(number: Decimal) -> Json {
    serde_json::from_str(&number.to_string()).unwrap_or_default()
}
