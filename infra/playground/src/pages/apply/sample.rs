//! Samples beside an app: instances as `cargo run -- --input` takes them.

use std::{fs, path::PathBuf};

use serde_json::{Map, Value};

use stafett_core::tolerant::field;

use local_altinn::{
    App, LocalAltinn,
    element_files::{ElementFiles, is_json},
};

/// A sample of an app.
pub(super) struct Sample {
    pub(super) name: String,
    folder: PathBuf,
}

impl Sample {
    /// The samples of an app, by name.
    pub(super) fn all(apps: &[PathBuf], app: &str) -> Vec<Self> {
        let folders = apps.iter().map(|apps| apps.join(app).join("samples"));
        let mut samples: Vec<Self> = folders
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .filter_map(|entry| {
                let folder = entry.ok()?.path();
                let name = folder.file_name()?.to_str()?.to_owned();
                let is_sample = folder.join("instance.json").is_file();
                is_sample.then_some(Self { name, folder })
            })
            .collect();
        samples.sort_by(|one, other| one.name.cmp(&other.name));
        samples
    }

    /// Its forms, by data type. One that cannot be read is left out: it is for a start only.
    pub(super) fn forms(&self, app: &App) -> Map<String, Value> {
        let mut forms = Map::new();
        let instance = self.instance().unwrap_or_default();
        let elements = field(&instance, "data").as_array();
        let elements = elements.map(Vec::as_slice).unwrap_or_default();
        let Ok(files) = ElementFiles::find(&self.folder, elements) else {
            return forms;
        };
        for (index, element) in elements.iter().enumerate() {
            let data_type = field(element, "dataType").as_str().unwrap_or_default();
            let model = app.model(data_type);
            let (Some(model), Some(file)) = (model, files.of(index)) else {
                continue;
            };
            let Ok(bytes) = fs::read(file) else { continue };
            let form = if is_json(file, &bytes) {
                model.read_json(&bytes)
            } else {
                model.read_xml(&bytes)
            };
            if let Ok(form) = form {
                let mut form = model.to_json(&form, false);
                remove_nulls(&mut form);
                forms.entry(data_type).or_insert(form);
            }
        }
        forms
    }

    fn instance(&self) -> Option<Value> {
        let text = fs::read(self.folder.join("instance.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The party that owns it, where the register has it.
    pub(super) fn party(&self, altinn: &LocalAltinn) -> Option<u32> {
        let instance = self.instance()?;
        let owner = field(&instance, "instanceOwner");
        let register = altinn.register();
        let known = field(owner, "personNumber")
            .as_str()
            .and_then(|number| register.by_person_number(number))
            .or_else(|| {
                register.by_organisation_number(field(owner, "organisationNumber").as_str()?)
            })
            .or_else(|| register.by_party_id(field(owner, "partyId").as_str()?.parse().ok()?));
        known.map(|party| party.party_id())
    }
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(properties) => {
            properties.retain(|_, value| !value.is_null());
            properties.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}
