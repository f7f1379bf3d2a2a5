//! Samples beside an app: instances as `cargo run -- --input` takes them.

use std::{fs, path::PathBuf};

use serde_json::{Map, Value};

use crate::altinn::{App, LocalAltinn};

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
        for (data_type, model) in &app.0.models {
            let read = |extension: &str| {
                let file = self.folder.join(data_type).with_extension(extension);
                fs::read(file).ok()
            };
            let form = match (read("json"), read("xml")) {
                (Some(json), _) => model.read_json(&json).ok(),
                (None, Some(xml)) => model.read_xml(&xml).ok(),
                (None, None) => None,
            };
            if let Some(form) = form {
                let mut form = model.to_json(&form, false);
                remove_nulls(&mut form);
                forms.insert(data_type.clone(), form);
            }
        }
        forms
    }

    /// The party that owns it, where the register has it.
    pub(super) fn party(&self, altinn: &LocalAltinn) -> Option<u32> {
        let text = fs::read(self.folder.join("instance.json")).ok()?;
        let instance: Value = serde_json::from_slice(&text).ok()?;
        let owner = &instance["instanceOwner"];
        let register = altinn.register();
        let known = owner["personNumber"]
            .as_str()
            .and_then(|number| register.by_person_number(number))
            .or_else(|| register.by_organisation_number(owner["organisationNumber"].as_str()?))
            .or_else(|| register.by_party_id(owner["partyId"].as_str()?.parse().ok()?));
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
