//! The files in an app's `models` folder: JSON schemas, XML root elements and prefill.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;
use stafett_core::{class::root, metadata::DataType};

use crate::{code::Code, error::AppFilesError, layout, text, unsupported::Unsupported, xml_tree};

/// How a form is prefilled from the registers when it is created (`{data type}.prefill.json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Prefill {
    /// Whether prefill replaces values that are already set.
    pub allow_overwrite: bool,
    /// From a field of an organisation in the Central Coordinating Register (`OrgNumber`, `Name`, …) to the path in the
    /// form.
    #[serde(rename = "ER")]
    pub organisation: BTreeMap<String, String>,
    /// From a field of a person in the National Population Register (`SSN`, `Name`, …) to the path in the form.
    #[serde(rename = "DSF")]
    pub person: BTreeMap<String, String>,
}

/// What the model files say, by form data type.
#[derive(Default)]
pub(super) struct ModelFiles {
    pub(super) schemas: BTreeMap<String, Value>,
    pub(super) schema_files: BTreeMap<String, PathBuf>,
    pub(super) roots: BTreeMap<String, String>,
    pub(super) prefill: BTreeMap<String, Prefill>,
    pub(super) unsupported: Vec<Unsupported>,
}

/// Reads the model files of these form data types.
pub(super) fn read(
    folder: &Path,
    forms: &[&DataType],
    code: &Code,
) -> Result<ModelFiles, AppFilesError> {
    let files = if folder.is_dir() {
        layout::entries(folder)?
    } else {
        Vec::new()
    };
    let mut models = ModelFiles::default();
    for form in forms {
        let class = form.class_name();
        let find = |suffix: &str| find(&files, suffix, &form.id, class);
        let schema = find(".schema.json");
        let mut root = code.root(class);
        if let Some(path) = schema {
            let document = text::read_json(path)?;
            root = root.or_else(|| root::element(&document).map(str::to_owned));
            models
                .schemas
                .insert(form.id.clone(), root::rooted(document, Some(class)));
            models.schema_files.insert(form.id.clone(), path.clone());
        }
        if root.is_none()
            && let Some(path) = find(".xsd")
        {
            let xsd = xml_tree::parse(path, &text::read(path)?)?;
            root = xsd
                .first("element")
                .and_then(|element| element.attribute("name"))
                .map(str::to_owned);
        }
        if let Some(root) = root {
            models.roots.insert(form.id.clone(), root);
        }
        if let Some(path) = find(".prefill.json") {
            let (prefill, unsupported) = read_prefill(path)?;
            models.prefill.insert(form.id.clone(), prefill);
            models.unsupported.extend(unsupported);
        }
    }
    Ok(models)
}

/// Finds the file of a form. Altinn looks for the data type's id, but Altinn Studio names files after the class, whose name
/// usually differs only in case.
fn find<'f>(files: &'f [PathBuf], suffix: &str, id: &str, class: &str) -> Option<&'f PathBuf> {
    let stem = |file: &'f PathBuf| file.file_name()?.to_str()?.strip_suffix(suffix);
    let find =
        |matches: &dyn Fn(&str) -> bool| files.iter().find(|file| stem(file).is_some_and(matches));
    find(&|stem| stem == id)
        .or_else(|| find(&|stem| stem.eq_ignore_ascii_case(id)))
        .or_else(|| find(&|stem| stem.eq_ignore_ascii_case(class)))
}

/// The whole prefill file. A local Altinn has registers for the known part only.
#[derive(Deserialize)]
struct PrefillFile {
    #[serde(flatten)]
    known: Prefill,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

fn read_prefill(path: &Path) -> Result<(Prefill, Vec<Unsupported>), AppFilesError> {
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
        .map(|(name, _)| Unsupported {
            file: path.to_owned(),
            what: format!("no prefill from `{name}`: there is no such register here"),
        })
        .collect();
    Ok((file.known, rest))
}
