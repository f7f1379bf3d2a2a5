//! Writing forms to data elements and reading them back.

use std::collections::BTreeMap;

use app_files::form::{Form, FormError, Model};
use bytes::Bytes;

use crate::app::{AppDefinition, DataField, DataType};
use crate::instance::{Element, Instance};
use crate::register::Party;

pub(super) const XML: &str = "application/xml";
pub(super) const JSON: &str = "application/json";

/// Content type and bytes of a stored form: JSON if that is the data type's first allowed content type, XML otherwise
/// (Altinn/app-lib-dotnet: src/Altinn.App.Core/Helpers/Serialization/ModelSerializationService.cs).
pub(super) fn encode(model: &Model, data_type: &DataType, form: &mut Form) -> (String, Bytes) {
    model.add_row_ids(form, uuid::Uuid::new_v4);
    let json_first = data_type
        .allowed_content_types()
        .and_then(|types| types.first())
        .is_some_and(|first| first == JSON);
    if json_first {
        (JSON.to_owned(), Bytes::from(model.to_json_text(form, true)))
    } else {
        (XML.to_owned(), model.to_xml(form))
    }
}

/// Reads the form in a stored element.
pub(super) fn decode(model: &Model, element: &Element) -> Result<Form, FormError> {
    if element.content_type.contains("json") {
        model.read_json(&element.bytes)
    } else {
        model.read_xml(&element.bytes)
    }
}

/// Writes a form to an element, and its fields to the instance's data values and presentation texts.
pub(crate) fn store_form(
    app: &AppDefinition,
    instance: &mut Instance,
    element: &mut Element,
    mut form: Form,
) {
    let (Some(model), Some(data_type)) = (
        app.models.get(&element.data_type),
        app.data_type(&element.data_type),
    ) else {
        return;
    };
    (element.content_type, element.bytes) = encode(model, data_type, &mut form);
    let fields = [
        (&app.metadata.data_fields, &mut instance.data_values),
        (
            &app.metadata.presentation_fields,
            &mut instance.presentation_texts,
        ),
    ];
    for (fields, texts) in fields {
        copy_fields(model, &data_type.id, &form, fields, texts);
    }
}

/// Copies the fields of a form to the instance. Stops at the first field of another data type, as the app does.
fn copy_fields(
    model: &Model,
    data_type: &str,
    form: &Form,
    fields: &[DataField],
    texts: &mut Option<BTreeMap<String, String>>,
) {
    if fields.is_empty() {
        return;
    }
    let texts = texts.get_or_insert_default();
    for field in fields
        .iter()
        .take_while(|field| field.data_type_id == data_type)
    {
        // Storage ignores an empty text and keeps the old one (measured, tests/recorded/create-form-nil.json).
        if let Some(text) = model.text_at(form, &field.path).filter(|it| !it.is_empty()) {
            texts.insert(field.id.clone(), text);
        }
    }
}

/// Fills in the fields that the app prefills from the register.
pub(super) fn prefill(
    app: &AppDefinition,
    data_type: &str,
    form: &mut Form,
    owner: Option<Party<'_>>,
) -> Result<(), FormError> {
    let (Some(model), Some(settings), Some(owner)) = (
        app.models.get(data_type),
        app.settings.prefill.get(data_type),
        owner,
    ) else {
        return Ok(());
    };
    let (fields, register): (_, [(&str, &str); 3]) = match owner {
        Party::Organisation(organisation) => (
            &settings.organisation,
            [
                ("OrgNumber", &organisation.org_number),
                ("Name", &organisation.name),
                ("UnitType", &organisation.unit_type),
            ],
        ),
        Party::Person(person) => (
            &settings.person,
            [("SSN", &person.ssn), ("Name", &person.name), ("", "")],
        ),
    };
    for (name, path) in fields {
        if let Some((_, value)) = register.iter().find(|(known, _)| known == name) {
            model.prefill(form, path, value, settings.allow_overwrite)?;
        }
    }
    Ok(())
}
