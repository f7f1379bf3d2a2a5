//! `models/`: JSON schemas, XML root elements and prefill of an app's forms.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, json};
use stafett_core::metadata::DataType;

use super::{AppFilesError, Prefill, Unheeded, code::Code, layout, text, xml};

/// What the folder of models says.
#[derive(Default)]
pub(super) struct Models {
    pub(super) schemas: BTreeMap<String, Value>,
    pub(super) schema_files: BTreeMap<String, PathBuf>,
    pub(super) roots: BTreeMap<String, String>,
    pub(super) prefill: BTreeMap<String, Prefill>,
    pub(super) unheeded: Vec<Unheeded>,
}

/// Reads what belongs to these form data types.
pub(super) fn read(
    folder: &Path,
    forms: &[&DataType],
    code: &Code,
) -> Result<Models, AppFilesError> {
    let files = if folder.is_dir() {
        layout::entries(folder)?
    } else {
        Vec::new()
    };
    let mut models = Models::default();
    for form in forms {
        let class = class_name(form);
        let find = |suffix: &str| find(&files, suffix, &form.id, class);
        let schema = find(".schema.json");
        let mut root = code.root(class);
        if let Some(path) = schema {
            let document = text::read_json(path)?;
            root = root.or_else(|| document["@xsdRootElement"].as_str().map(str::to_owned));
            models
                .schemas
                .insert(form.id.clone(), rooted(document, class));
            models.schema_files.insert(form.id.clone(), path.clone());
        }
        if root.is_none()
            && let Some(path) = find(".xsd")
        {
            let xsd = xml::parse(path, &text::read(path)?)?;
            root = xsd
                .first("element")
                .and_then(|element| element.attribute("name"))
                .map(str::to_owned);
        }
        if let Some(root) = root {
            models.roots.insert(form.id.clone(), root);
        }
        if let Some(path) = find(".prefill.json") {
            let (prefill, unheeded) = read_prefill(path)?;
            models.prefill.insert(form.id.clone(), prefill);
            models.unheeded.extend(unheeded);
        }
    }
    Ok(models)
}

/// The class without its namespace.
pub(super) fn class_name(form: &DataType) -> &str {
    let class = form
        .app_logic
        .as_ref()
        .and_then(|logic| logic.class_ref.as_deref())
        .unwrap_or_default();
    class.rsplit_once('.').map_or(class, |(_, name)| name)
}

/// Altinn looks for the data type's id; Altinn Studio writes the model's name, which is usually the
/// same but for case.
fn find<'f>(files: &'f [PathBuf], suffix: &str, id: &str, class: &str) -> Option<&'f PathBuf> {
    let stem = |file: &'f PathBuf| file.file_name()?.to_str()?.strip_suffix(suffix);
    let by = |is: &dyn Fn(&str) -> bool| files.iter().find(|file| stem(file).is_some_and(is));
    by(&|stem| stem == id)
        .or_else(|| by(&|stem| stem.eq_ignore_ascii_case(id)))
        .or_else(|| by(&|stem| stem.eq_ignore_ascii_case(class)))
}

/// The schema whose root is the model's class. In older schemas the root only leads to it
/// (Altinn/app-frontend-react: src/utils/schemaUtils.ts).
fn rooted(mut document: Value, class: &str) -> Value {
    let Some(root) = class_of_the_model(&document, class) else {
        return document;
    };
    if let Some(document) = document.as_object_mut() {
        for keyword in ["properties", "required", "type", "oneOf", "anyOf", "allOf"] {
            document.shift_remove(keyword);
        }
        document.insert("$ref".to_owned(), json!(root));
    }
    document
}

/// Where in the schema the model's class is, where it is not the root itself.
fn class_of_the_model(document: &Value, class: &str) -> Option<String> {
    let exists = |reference: &String| {
        reference
            .strip_prefix("#/")
            .and_then(|rest| document.pointer(&format!("/{rest}")))
            .is_some()
    };
    let info = &document["info"];
    if let Some(root) = info["rootNode"].as_str() {
        return Some(root.to_owned()).filter(exists);
    }
    let message = info["meldingsnavn"]
        .as_str()
        .and_then(|name| document["properties"][name]["$ref"].as_str());
    if let Some(reference) = message {
        return Some(reference.to_owned()).filter(exists);
    }
    if document["properties"].is_object() && document["@xsdRootElement"].is_string() {
        return None;
    }
    ["$defs", "definitions"]
        .map(|definitions| format!("#/{definitions}/{class}"))
        .into_iter()
        .find(exists)
}

/// As it is written; more of it than a local Altinn has registers for.
#[derive(Deserialize)]
struct PrefillFile {
    #[serde(flatten)]
    known: Prefill,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

fn read_prefill(path: &Path) -> Result<(Prefill, Vec<Unheeded>), AppFilesError> {
    let document = text::read(path)?;
    let file: PrefillFile = serde_json::from_str(&document).map_err(|error| {
        AppFilesError::content(path, Some(error.line()), format!("not prefill: {error}"))
    })?;
    let known = ["allowOverwrite", "ER", "DSF"];
    let rest = file
        .rest
        .iter()
        .filter(|(name, value)| {
            !known.contains(&name.as_str())
                && !name.starts_with('$')
                && value.as_object().is_some_and(|fields| !fields.is_empty())
        })
        .map(|(name, _)| Unheeded {
            file: path.to_owned(),
            what: format!("no prefill from `{name}`: there is no such register here"),
        })
        .collect();
    Ok((file.known, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_only_leads_to_the_class_is_rooted_there() {
        let class = json!({"type": "object", "properties": {"navn": {"type": "string"}}});
        for document in [
            json!({"info": {"rootNode": "#/$defs/Skjema"}, "properties": {"x": {"$ref": "#/$defs/Skjema"}}, "$defs": {"Skjema": class}}),
            json!({"info": {"meldingsnavn": "melding"}, "properties": {"melding": {"$ref": "#/definitions/Skjema"}}, "definitions": {"Skjema": class}}),
            json!({"oneOf": [{"$ref": "#/$defs/Skjema"}], "$defs": {"Skjema": class}}),
        ] {
            let rooted = rooted(document.clone(), "Skjema");
            let reference = rooted["$ref"].as_str().unwrap_or_default();
            assert!(reference.ends_with("/Skjema"), "{document}");
            assert_eq!(rooted["properties"], Value::Null, "{document}");
        }
    }

    #[test]
    fn a_schema_whose_root_is_the_class_stays_as_it_is() {
        for document in [
            json!({"type": "object", "properties": {"navn": {"type": "string"}}}),
            json!({"info": {"rootNode": ""}, "type": "object", "properties": {}, "$defs": {"model": {}}}),
            json!({"info": {"rootNode": "#/$defs/gone"}, "type": "object", "properties": {}}),
        ] {
            assert_eq!(rooted(document.clone(), "model"), document);
        }
    }
}
