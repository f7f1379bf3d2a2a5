//! Compares a B instance with one that was created without a fault.
//!
//! app-lib creates the instance first, then its elements, then the presentation texts and data values that it copies from
//! the form, and starts the process last. If it stops in between, the rest is never made (measured:
//! tests/recorded/older/v8.12.7-create-storage-429-process.json, where the last step fails).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    draft::Attachment,
    instance::{DataElement, Instance},
    metadata::{ApplicationMetadata, DataField},
    preflight::{CheckedDraft, CheckedForm},
    process::Progress,
    relay::decide::{Engine, Lacks},
};

/// The attachments of one data type and size, in the draft and in B. File names are not compared, because Storage changes
/// them (measured: tests/recorded/create-filename-plus).
#[derive(Debug, Default)]
pub struct Alike<'a> {
    /// The draft's attachments.
    pub wanted: Vec<&'a Attachment>,
    /// The elements of B that may be them.
    pub there: Vec<&'a DataElement>,
}

impl Alike<'_> {
    /// How many of them B lacks.
    #[must_use]
    pub fn lacking(&self) -> usize {
        self.wanted.len().saturating_sub(self.there.len())
    }
}

/// The draft's attachments by data type and size, each group with the elements of `b` that may be them.
#[must_use]
pub fn alike<'a>(checked: &'a CheckedDraft, b: &'a Instance) -> Vec<Alike<'a>> {
    let mut groups: BTreeMap<(&str, u64), Alike<'a>> = BTreeMap::new();
    for attachment in &checked.draft.attachments {
        let key = (attachment.data_type.as_str(), attachment.size);
        groups.entry(key).or_default().wanted.push(attachment);
    }
    for element in b.data.iter().filter(|element| element.is_live()) {
        if let Some(group) = groups.get_mut(&(element.data_type.as_str(), element.size)) {
            group.there.push(element);
        }
    }
    groups.into_values().collect()
}

/// What `b` lacks compared to a B that was created without a fault.
#[must_use]
pub fn lacks(
    checked: &CheckedDraft,
    metadata: &ApplicationMetadata,
    b: &Instance,
    progress: Progress,
) -> Lacks {
    let forms = checked.forms.as_ref().zip(checked.draft.models.as_ref());
    Lacks {
        form: lacking_forms(checked, b).next().is_some(),
        attachments: alike(checked, b).iter().map(Alike::lacking).sum(),
        copies: forms
            .into_iter()
            .any(|(form, model)| lacks_copies(form, model, metadata, b)),
        start: !progress.started,
    }
}

/// Whether a B of which the draft is not known was created without a fault: its app saves the process last, when all
/// elements are stored (Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs), and its workflow
/// engine has nothing to do.
pub fn is_whole<'a>(
    form_types: impl IntoIterator<Item = &'a str>,
    b: &Instance,
    progress: Progress,
) -> bool {
    let mut form_types = form_types.into_iter();
    let has_forms = form_types.all(|form_type| !b.elements(form_type).is_empty());
    has_forms && progress.started && progress.engine == Engine::Idle
}

/// The draft's forms that B lacks.
pub fn lacking_forms<'a>(
    checked: &'a CheckedDraft,
    b: &'a Instance,
) -> impl Iterator<Item = &'a CheckedForm> {
    let forms = checked.forms.iter();
    forms.filter(|form| b.elements(&form.data_type).is_empty())
}

/// The forms of B whose fields its app has not copied, although it stored them.
#[must_use]
pub fn uncopied<'a>(
    checked: &CheckedDraft,
    metadata: &ApplicationMetadata,
    b: &'a Instance,
) -> Vec<&'a DataElement> {
    let forms = checked.forms.as_ref().zip(checked.draft.models.as_ref());
    forms
        .into_iter()
        .filter(|(form, model)| lacks_copies(form, model, metadata, b))
        .filter_map(|(form, _)| b.elements(&form.data_type).first().copied())
        .collect()
}

/// Whether B lacks a presentation text or data value that its app copies from this form.
fn lacks_copies(
    form: &CheckedForm,
    model: &Map<String, Value>,
    metadata: &ApplicationMetadata,
    b: &Instance,
) -> bool {
    let copied = |fields: &[DataField], there: &BTreeMap<String, String>| {
        expected(fields, &form.data_type, model).all(|id| there.contains_key(id))
    };
    !copied(&metadata.data_fields, &b.data_values)
        || !copied(&metadata.presentation_fields, &b.presentation_texts)
}

/// The ids of the fields that B's app copies when it stores this form. app-lib stops at the first field of another data
/// type (Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/Data/InstanceDataUnitOfWork.cs).
fn expected<'a>(
    fields: &'a [DataField],
    form_type: &'a str,
    model: &'a Map<String, Value>,
) -> impl Iterator<Item = &'a str> {
    let of_form = |field: &&DataField| field.data_type_id.as_deref() == Some(form_type);
    fields
        .iter()
        .take_while(of_form)
        .filter(|field| {
            field
                .path
                .as_deref()
                .is_some_and(|path| has_value(model, path))
        })
        .map(|field| field.id.as_str())
}

/// Whether the form has a single value at a dotted path. Names are compared without case, as app-lib does.
fn has_value(model: &Map<String, Value>, path: &str) -> bool {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let value = model
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value);
    match (value, rest) {
        (Some(Value::Object(group)), Some(rest)) => has_value(group, rest),
        (Some(Value::String(text)), None) => !text.is_empty(),
        (Some(Value::Number(_) | Value::Bool(_)), None) => true,
        // A path to or through a list names no single value.
        _ => false,
    }
}

#[cfg(test)]
mod tests;
