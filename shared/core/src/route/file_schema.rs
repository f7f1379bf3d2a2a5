//! Parts of the JSON schema of a route file, with which editors complete and check the file.
//!
//! The schema is generated from the types that read the file. Rules that are code there (exactly one of two fields, a field
//! that requires another) are added here.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A route's name.
pub(super) const SLUG: &str = "^[a-z][a-z0-9-]{0,62}$";
/// An app.
pub(super) const APP: &str = "^[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9-]{0,62}$";
/// A date, or a date and time.
pub(super) const DAY: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
/// The name of an XML element.
pub(super) const ELEMENT: &str = r"^[\p{L}_][\p{L}\p{N}_.-]*$";
/// A field of a form, as a dotted path.
pub(super) const PATH: &str = r"^[\p{L}_][\p{L}\p{N}_-]*(\.[\p{L}_][\p{L}\p{N}_-]*)*$";
/// `name in list`.
pub(super) const BINDING: &str = r"^\s*[A-Za-z_][A-Za-z0-9_]*\s+in\s+\S";

/// The values of `when.process`.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[expect(dead_code, reason = "its schema is what is used")]
pub(super) enum Process {
    /// A's process has ended.
    Completed,
}

/// The values of `to.mode`.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[expect(dead_code, reason = "its schema is what is used")]
pub(super) enum Mode {
    /// By the simplified request of Altinn's guide.
    Prefill,
}

/// An expression. A number or a boolean is an expression too.
pub(super) struct Leaf;

impl JsonSchema for Leaf {
    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An expression (Jinja syntax) over `instance`, `data.<data type>` and the names of `each`.",
            "type": ["string", "number", "boolean"],
            "minLength": 1,
        })
    }
}

/// A group of B's form.
pub(super) struct Group;

impl JsonSchema for Group {
    fn schema_name() -> Cow<'static, str> {
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
    fn schema_name() -> Cow<'static, str> {
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
        json_schema!({ "anyOf": [leaf, group] })
    }
}

/// Requires exactly one of the group's fields.
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

/// Requires `substatus` or `complete: true`.
pub(super) fn not_empty(schema: &mut Schema) {
    schema.insert(
        "anyOf".into(),
        json!([
            { "required": ["substatus"] },
            { "required": ["complete"], "properties": { "complete": { "const": true } } },
        ]),
    );
}

/// Requires `mode` and `stamp` together.
pub(super) fn mode_needs_stamp(schema: &mut Schema) {
    schema.insert(
        "dependentRequired".into(),
        json!({ "mode": ["stamp"], "stamp": ["mode"] }),
    );
}

/// Adds the rules that concern several groups of a route.
pub(super) fn whole_route(schema: &mut Schema) {
    schema.insert("title".into(), "Route".into());
    // The reader accepts a route without `model`, to explain in its own error what that is for.
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
    use crate::route::file_schema;

    #[test]
    fn every_field_of_every_group_is_described() {
        let schema = file_schema();
        let groups = std::iter::once(&schema).chain(
            schema["$defs"]
                .as_object()
                .into_iter()
                .flat_map(|it| it.values()),
        );
        for group in groups {
            for (name, field) in group["properties"].as_object().into_iter().flatten() {
                let described = field.get("description").is_some() || field.get("$ref").is_some();
                assert!(described, "{name}: {field}");
            }
        }
    }
}
