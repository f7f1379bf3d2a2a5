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
    /// The data types of which an element cannot be read, with the reason. They have no forms here.
    pub unreadable: BTreeMap<String, LoadError>,
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
    /// When a file is missing, or the instance is wrong; the error names file and field. A form or JSON that cannot be read
    /// is no error by itself, because not every route reads it.
    pub fn read(&self, folder: &Path) -> Result<InstanceWithForms, LoadError> {
        let (instance, mut unreadable) = super::read(&self.0, folder)?;
        let mut forms = BTreeMap::new();
        if let Some(app) = self.0.app_by_id(&instance.app_id) {
            let readable = app.models.iter();
            let readable = readable.filter(|(data_type, _)| !unreadable.contains_key(*data_type));
            let readable: Vec<_> = readable.collect();
            for (data_type, model) in readable {
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
                let data_type = &element.data_type;
                // Some writers begin with a byte order mark.
                let bytes = element.bytes.strip_prefix(b"\xEF\xBB\xBF");
                match serde_json::from_slice(bytes.unwrap_or(&element.bytes)) {
                    Ok(json) => forms.entry(data_type.clone()).or_default().push(json),
                    Err(error) => {
                        let problem = LoadError::Content {
                            path: folder.to_owned(),
                            message: format!("the JSON of a `{data_type}`: {error}"),
                        };
                        unreadable.entry(data_type.clone()).or_insert(problem);
                    }
                }
            }
            forms.retain(|data_type, _| !unreadable.contains_key(data_type));
        }
        Ok(InstanceWithForms {
            instance: instance.storage_view(&self.0.public_url),
            forms,
            unreadable,
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
