//! What a schema finds wrong with a form, said at the fields.

use jsonschema::{Validator, error::ValidationErrorKind as Wrong};
use minijinja::{Value as Shown, context};
use serde_json::Value;

use super::{Field, Kind, id, row, within};

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// The field's place.
    pub(super) place: String,
    label: String,
    /// Names the text that says what is wrong.
    key: &'static str,
    /// A number in the text.
    limit: Option<String>,
    /// Where there is no text of ours: what the validator says, without the value.
    other: Option<String>,
}

impl Violation {
    pub(super) fn shown(&self) -> Shown {
        context! { key => self.key, limit => self.limit.clone(), other => self.other.clone() }
    }

    /// For a list of everything that is wrong.
    pub(crate) fn entry(&self) -> Shown {
        context! { id => id(&self.place), label => self.label.clone(), ..self.shown() }
    }
}

/// What is wrong with the form at `place`.
pub(crate) fn violations(
    schema: &Validator,
    fields: &[Field],
    place: &str,
    form: &Value,
) -> Vec<Violation> {
    let found = schema.iter_errors(form).map(|error| {
        let pointer = error.instance_path().to_string();
        let (mut at, mut label) = find(fields, place, &pointer);
        let (key, limit) = match error.kind() {
            Wrong::Required { property } => {
                let missing = property.as_str().unwrap_or_default();
                let pointer = format!(
                    "{pointer}/{}",
                    missing.replace('~', "~0").replace('/', "~1")
                );
                (at, label) = find(fields, place, &pointer);
                ("wrong-required", None)
            }
            Wrong::Type { .. } => ("wrong-type", None),
            Wrong::Pattern { .. } => ("wrong-pattern", None),
            Wrong::MaxLength { limit } => ("wrong-longer", Some(limit.to_string())),
            Wrong::MinLength { limit } => ("wrong-shorter", Some(limit.to_string())),
            Wrong::MaxItems { limit } => ("wrong-more", Some(limit.to_string())),
            Wrong::MinItems { limit } => ("wrong-fewer", Some(limit.to_string())),
            Wrong::Maximum { limit } => ("wrong-greater", Some(limit.to_string())),
            Wrong::Minimum { limit } => ("wrong-less", Some(limit.to_string())),
            Wrong::Enum { .. } => ("wrong-choice", None),
            _ => ("wrong-other", None),
        };
        Violation {
            place: at,
            label,
            key,
            limit,
            other: (key == "wrong-other").then(|| error.masked().to_string()),
        }
    });
    found.collect()
}

/// The place and the label of the field that a JSON pointer leads to.
fn find(fields: &[Field], place: &str, pointer: &str) -> (String, String) {
    let mut place = place.to_owned();
    let mut label = String::new();
    let mut within_group = fields;
    let mut current: Option<&Field> = None;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if let Some(Kind::Rows { item, .. }) = current.map(|field| &field.kind) {
            let index = part.parse().unwrap_or(0);
            place = row(&place, index);
            label = format!("{label} {}", index + 1);
            current = Some(item.as_ref());
        } else {
            place = within(&place, &part);
            current = within_group.iter().find(|field| field.name == part);
            label = current.map_or(part, |field| field.label.clone());
        }
        if let Some(Kind::Group(fields)) = current.map(|field| &field.kind) {
            within_group = fields;
        }
    }
    (place, label)
}
