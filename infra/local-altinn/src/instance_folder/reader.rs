//! Reads instance folders as input for routes, without running a server.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use app_files::form::Model;
use serde_json::Value;
use stafett_core::tolerant;
use tokio::sync::watch;

use super::element_files::INSTANCE_FILE;
use crate::config::Config;
use crate::instance::{Element, Instance};
use crate::load::{LoadError, read_json};
use crate::world::World;

/// Reads instance folders of some apps.
pub struct InstanceFolderReader(World);

impl std::fmt::Debug for InstanceFolderReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InstanceFolderReader")
    }
}

/// An instance with its forms. `Debug` prints nothing of it, because it holds personal data.
pub struct InstanceWithForms {
    /// The instance, as Storage gives it.
    pub instance: Value,
    /// Its forms by data type, in the app's JSON, the oldest first; also its other elements that are JSON.
    pub forms: BTreeMap<String, Vec<Value>>,
}

impl std::fmt::Debug for InstanceWithForms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InstanceWithForms")
    }
}

impl InstanceFolderReader {
    /// A reader that knows the apps and parties of `config`.
    ///
    /// # Errors
    /// Only when TLS cannot be set up, or the program was built from damaged development keys.
    pub fn new(config: Config) -> io::Result<Self> {
        // No server runs, so no background work must start.
        let (_, stopped) = watch::channel(true);
        World::new(config, "https://platform.invalid", stopped).map(Self)
    }

    /// The app (`org/app`) of the instance in a folder.
    ///
    /// # Errors
    /// When `instance.json` cannot be read, or names no app.
    pub fn app_of(folder: &Path) -> Result<String, LoadError> {
        let path = folder.join(INSTANCE_FILE);
        let document = read_json(&path)?;
        let app = tolerant::field(&document, "appId").as_str();
        app.map(str::to_owned).ok_or_else(|| LoadError::Content {
            path,
            message: "field `appId`: is missing".to_owned(),
        })
    }

    /// Reads the instance in a folder, as [`crate::LocalAltinn::import`] does.
    ///
    /// # Errors
    /// When a file is missing or wrong; the error names file and field.
    pub fn read(&self, folder: &Path) -> Result<InstanceWithForms, LoadError> {
        let instance = super::read(&self.0, folder)?;
        let mut forms = BTreeMap::new();
        if let Some(app) = self.0.app_by_id(&instance.app_id) {
            for (data_type, model) in &app.models {
                let of_type = Self::forms(folder, &instance, data_type, model)?;
                forms.insert(data_type.clone(), of_type);
            }
            let mut others: Vec<&Element> = instance
                .data
                .iter()
                .filter(|element| !app.models.contains_key(&element.data_type))
                .filter(|element| element.content_type.starts_with("application/json"))
                .collect();
            others.sort_by_key(|element| (element.created, element.id));
            for element in others {
                // What is no JSON is no data, as in the answer of A's app.
                if let Ok(json) = serde_json::from_slice(&element.bytes) {
                    let of_type = forms.entry(element.data_type.clone()).or_default();
                    of_type.push(json);
                }
            }
        }
        Ok(InstanceWithForms {
            instance: instance.storage_view(&self.0.public_url),
            forms,
        })
    }

    fn forms(
        folder: &Path,
        instance: &Instance,
        data_type: &str,
        model: &Model,
    ) -> Result<Vec<Value>, LoadError> {
        let mut elements: Vec<&Element> = instance.elements_of(data_type).collect();
        elements.sort_by_key(|element| (element.created, element.id));
        let read = |element: &Element| {
            let form = if element.content_type.contains("json") {
                model.read_json(&element.bytes)
            } else {
                model.read_xml(&element.bytes)
            };
            let form = form.map_err(|error| LoadError::Content {
                path: folder.to_owned(),
                message: format!("the form `{data_type}`: {}", error.without_values()),
            })?;
            Ok(model.to_json(&form, false))
        };
        elements.into_iter().map(read).collect()
    }
}
