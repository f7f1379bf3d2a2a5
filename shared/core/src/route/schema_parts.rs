//! What the JSON schema of a route file says beside what the types of the file say: patterns, and
//! what is checked by code, such as one of two fields, or one that needs another.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A route's name.
pub(super) const SLUG: &str = "^[a-z][a-z0-9-]{0,62}$";
/// An app.
pub(super) const APP: &str = "^[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9-]{0,62}$";
/// A day, or a moment.
pub(super) const DAY: &str = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))?$";
/// The name of an XML element.
pub(super) const ELEMENT: &str = r"^[\p{L}_][\p{L}\p{N}_.-]*$";
/// A field of a form, dotted.
pub(super) const PATH: &str = r"^[\p{L}_][\p{L}\p{N}_-]*(\.[\p{L}_][\p{L}\p{N}_-]*)*$";
/// `name in list`.
pub(super) const BINDING: &str = r"^[ \t\r\n]*[\p{L}_][\p{L}\p{N}_]*[ \t\r\n]+in[ \t\r\n]+\S";

/// The one gate that has a name.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[expect(dead_code, reason = "its schema is what is used")]
pub(super) enum Process {
    /// A's process has ended.
    Completed,
}

/// The one mode that has a name.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[expect(dead_code, reason = "its schema is what is used")]
pub(super) enum Mode {
    /// By the simplified request of Altinn's guide.
    Prefill,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[expect(dead_code, reason = "its schema is what is used")]
pub(super) enum Order {
    /// In the order of B's schema.
    Schema,
    /// As the route lists them.
    Route,
}

/// Which B are read back.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[expect(dead_code, reason = "its schema is what is used")]
pub(super) enum Verify {
    /// All.
    Always,
    /// The first with each version of the route and of B's schema, and one in a hundred of the others.
    Sampled,
    /// None.
    Never,
}

/// An expression, which is read as it is written: what YAML takes for a number or a truth value is one too.
pub(super) struct Leaf;

impl JsonSchema for Leaf {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An expression over `instance`, `data.<data type>` and the names of `each`.",
            "type": ["string", "number", "boolean"],
            "minLength": 1,
        })
    }
}

/// A group of B's form.
pub(super) struct Group;

impl JsonSchema for Group {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Group".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let node = generator.subschema_for::<Node>();
        json_schema!({
            "description": "The fields of a group of B's form.",
            "type": "object",
            "patternProperties": { ELEMENT: node },
            "additionalProperties": false,
        })
    }
}

/// A field or group of B's form.
struct Node;

impl JsonSchema for Node {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Node".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let node = generator.subschema_for::<Node>();
        let leaf = generator.subschema_for::<Leaf>();
        let group = json!({
            "description": "A group of fields; with `$each`, one such group per item of a list.",
            "type": "object",
            "properties": {
                "$each": {
                    "description": "A repeating group: `name in list`.",
                    "type": "string",
                    "pattern": BINDING,
                    "examples": ["decision in data.model.decisions"],
                },
            },
            "patternProperties": { ELEMENT: node },
            "additionalProperties": false,
        });
        let accepting = json!({
            "description": "An expression, and the warnings about it that the author accepts.",
            "type": "object",
            "properties": {
                "$value": leaf,
                "$accept": {
                    "description": "The codes of the warnings of `check`.",
                    "type": "array",
                    "items": { "type": "string" },
                    "minItems": 1,
                    "examples": [["may-be-empty"]],
                },
                "$because": {
                    "description": "Why they are accepted.",
                    "type": "string",
                    "minLength": 1,
                },
            },
            "required": ["$value", "$accept", "$because"],
            "additionalProperties": false,
        });
        json_schema!({ "anyOf": [leaf, group, accepting] })
    }
}

/// Exactly one of the group's fields stands.
pub(super) fn exactly_one(schema: &mut Schema) {
    let fields = schema.get("properties").and_then(Value::as_object);
    let one: Vec<Value> = fields
        .into_iter()
        .flat_map(|fields| fields.keys())
        .map(|field| json!({ "required": [field] }))
        .collect();
    schema.remove("required");
    schema.insert("oneOf".into(), one.into());
}

/// One of the group's fields at least stands.
pub(super) fn at_least_one(schema: &mut Schema) {
    schema.insert("minProperties".into(), json!(1));
}

/// Something follows: a substatus, or the confirmation.
pub(super) fn not_empty(schema: &mut Schema) {
    schema.insert(
        "anyOf".into(),
        json!([
            { "required": ["substatus"] },
            { "required": ["complete"], "properties": { "complete": { "const": true } } },
        ]),
    );
}

/// `mode: prefill` and `stamp` belong together, and go without further forms.
pub(super) fn mode_needs_stamp(schema: &mut Schema) {
    schema.insert(
        "dependentRequired".into(),
        json!({ "mode": ["stamp"], "stamp": ["mode"] }),
    );
    schema.insert(
        "dependentSchemas".into(),
        json!({ "mode": { "properties": { "forms": { "maxProperties": 0 } } } }),
    );
}

/// The reader lets it be missing to say what it is for.
pub(super) fn form_needs_model(schema: &mut Schema) {
    schema.insert("required".into(), json!(["model"]));
}

/// What one group of a route says about another.
pub(super) fn whole_route(schema: &mut Schema) {
    schema.insert("title".into(), "Route".into());
    // The reader lets it be missing to say what it is for.
    schema.insert("required".into(), json!(["name", "from", "to", "model"]));
    schema.insert(
        "dependentRequired".into(),
        json!({ "each": ["key"], "key": ["each"] }),
    );
    let since = json!({ "properties": { "from": { "required": ["since"] } } });
    let completes = json!({
        "required": ["then"],
        "properties": { "then": { "required": ["complete"], "properties": { "complete": { "const": true } } } },
    });
    let ended = json!({ "properties": { "from": { "properties": { "when": { "required": ["process"] } } } } });
    schema.insert(
        "allOf".into(),
        json!([
            {
                "$comment": "`since` is needed unless A is completed.",
                "anyOf": [since, completes],
            },
            {
                "$comment": "Altinn deletes a confirmed instance at once if it is deleted before its process has ended.",
                "if": completes,
                "then": ended,
            },
        ]),
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::moment;

    proptest! {
        #[test]
        fn an_editor_takes_for_a_day_or_a_moment_what_the_reader_takes(
            text in "20[0-9]{2}-(0[0-9]|1[0-3])-[0-2][0-9]([Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?([Zz]|[+-][0-2][0-9]:[0-6][0-9])?)?[ x]?",
        ) {
            let schema = jsonschema::validator_for(&json!({ "pattern": DAY })).unwrap();
            let is_read = moment::day(&text).is_some() || moment::parse(&text).is_some();
            // The pattern does not know how long a month is.
            let is_possible = !text.contains("-02-29");
            prop_assert!(!is_possible || schema.is_valid(&json!(text)) == is_read, "{text}");
        }
    }
}
