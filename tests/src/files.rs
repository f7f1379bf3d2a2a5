//! Temporary folders with the routes, apps and A instances that a story creates.

use std::path::{Path, PathBuf};

use local_altinn::App;
use local_world::deployment::{sample_apps, sample_routes};
use serde_json::Value;
use tempfile::TempDir;

use crate::story::{CASEWORK, PERMIT};

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// Creates an empty folder.
    ///
    /// # Panics
    /// When no temporary folder can be created.
    #[must_use]
    pub fn empty() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be created"))
    }

    /// Copies the files of another folder.
    ///
    /// # Panics
    /// When they cannot be read.
    #[must_use]
    pub fn copy(from: &Path) -> Self {
        let folder = Self::empty();
        for file in std::fs::read_dir(from).expect("the folder can be read") {
            let path = file.expect("the folder can be read").path();
            if let Some(name) = path.file_name().filter(|_| path.is_file()) {
                std::fs::copy(&path, folder.path().join(name)).expect("a file can be copied");
            }
        }
        folder
    }

    /// Adds or replaces a file.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(name, content);
        self
    }

    /// Writes or replaces a file.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).expect("a file can be written");
    }

    /// The path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// The text of the sample route, for a story to change.
///
/// # Panics
/// When the sample cannot be read.
#[must_use]
pub fn permit_route() -> String {
    std::fs::read_to_string(sample_routes().join("permit-to-casework.yaml"))
        .expect("the sample route can be read")
}

/// A route that gives each measure of a permit a case.
#[must_use]
pub fn measures_route(name: &str) -> String {
    format!(
        "name: {name}
from: {{ app: {PERMIT}, when: {{ process: completed }}, since: 2026-11-01 }}
to:
  app: {CASEWORK}
  owner: {{ organisation: \"'310075728'\" }}
  root: melding
model:
  soknad: {{ tittel: tiltak.beskrivelse, referanse: instance.id, merknad: tiltak.kode }}
each: tiltak in data.model.tiltak
key: tiltak.kode
"
    )
}

/// A directory with these routes, by file name, and the schema that the sample route uses.
#[must_use]
pub fn routes<'a>(routes: impl IntoIterator<Item = (&'a str, String)>) -> Folder {
    let schema: PathBuf = sample_routes().join("casework.schema.json");
    let schema = std::fs::read(schema).expect("the sample schema can be read");
    let folder = Folder::empty().with("casework.schema.json", schema);
    routes.into_iter().fold(folder, |folder, (name, text)| {
        folder.with(&format!("{name}.yaml"), text)
    })
}

/// The sample route with one number of B's form declared as text, in its mapping and its schema: B's model class
/// cannot deserialise the form.
///
/// # Panics
/// When the sample cannot be read.
#[must_use]
pub fn mistaken_route() -> Folder {
    let mistaken = permit_route().replace("areal: tiltak.areal", "areal: tiltak.kode");
    let folder = routes([("permit-to-casework", mistaken)]);
    let file = folder.path().join("casework.schema.json");
    let schema = std::fs::read_to_string(file).expect("the sample schema can be read");
    let mut schema: Value = serde_json::from_str(&schema).expect("the sample schema is JSON");
    let area = schema.pointer_mut("/$defs/vedtak/properties/areal");
    *area.expect("a measure has an area") = serde_json::json!({ "type": "string" });
    folder.write("casework.schema.json", schema.to_string());
    folder
}

/// A copy of the files of a sample app.
///
/// # Panics
/// When the sample cannot be read.
#[must_use]
pub fn app_folder(id: &str) -> Folder {
    let original = sample_apps().join(id);
    let folder = Folder::copy(&original);
    let models = folder.path().join("models");
    std::fs::create_dir(&models).expect("a folder can be created");
    for file in std::fs::read_dir(original.join("models")).expect("the models can be read") {
        let file = file.expect("the models can be read");
        std::fs::copy(file.path(), models.join(file.file_name())).expect("a model can be copied");
    }
    folder
}

/// A sample app with a changed `applicationmetadata.json`.
///
/// # Panics
/// When the sample cannot be read, or the change makes the app invalid.
pub fn app(id: &str, change: impl FnOnce(&mut Value)) -> App {
    let folder = app_folder(id);
    let metadata = folder.path().join("applicationmetadata.json");
    let text = std::fs::read_to_string(&metadata).expect("the metadata can be read");
    let mut document: Value = serde_json::from_str(&text).expect("the metadata is JSON");
    change(&mut document);
    folder.write("applicationmetadata.json", document.to_string());
    App::load(folder.path()).expect("the changed app is an app")
}
