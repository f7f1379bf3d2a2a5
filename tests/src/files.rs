//! Temporary folders with the routes, apps and A instances that a story creates.

use std::path::Path;

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

/// A directory with these routes, by file name.
#[must_use]
pub fn routes<'a>(routes: impl IntoIterator<Item = (&'a str, String)>) -> Folder {
    routes
        .into_iter()
        .fold(Folder::empty(), |folder, (name, text)| {
            folder.with(&format!("{name}.yaml"), text)
        })
}

/// The sample route with a text for a number of B's form, and a sample app B whose schema takes both. Its model class takes
/// the number only, and cannot deserialise the form.
///
/// # Panics
/// When a sample cannot be read.
#[must_use]
pub fn mistaken_route() -> (Folder, App) {
    let mistaken = permit_route().replace("areal: tiltak.areal", "areal: tiltak.kode");
    let b = app_of(CASEWORK, |folder| {
        folder.write("models/Melding.cs", CASEWORK_CLASS);
        change_schema(folder, |schema| {
            let area = schema.pointer_mut("/$defs/vedtak/properties/areal");
            *area.expect("a measure has an area") =
                serde_json::json!({ "type": ["number", "string"] });
        });
    });
    (routes([("permit-to-casework", mistaken)]), b)
}

/// The class of the sample app B's form, as Altinn Studio generates it of the sample's schema.
const CASEWORK_CLASS: &str = r#"
[XmlRoot(ElementName = "melding")]
public class Melding
{
    [XmlElement("soknad", Order = 1)]
    [JsonProperty("soknad")]
    public Soknad soknad { get; set; }
}
public class Soknad
{
    [XmlElement("tittel", Order = 1)]
    public string tittel { get; set; }
    [XmlElement("referanse", Order = 2)]
    public string referanse { get; set; }
    [XmlElement("innsender", Order = 3)]
    public string innsender { get; set; }
    [XmlElement("mottatt", Order = 4)]
    public DateTime? mottatt { get; set; }
    [XmlElement("merknad", Order = 5)]
    public string merknad { get; set; }
    [XmlElement("vedtak", Order = 6)]
    public List<Vedtak> vedtak { get; set; }
}
public class Vedtak
{
    [XmlElement("kode", Order = 1)]
    public string kode { get; set; }
    [XmlElement("beskrivelse", Order = 2)]
    public string beskrivelse { get; set; }
    [XmlElement("areal", Order = 3)]
    public decimal? areal { get; set; }
}
"#;

/// Changes the schema of a sample app's form.
///
/// # Panics
/// When it cannot be read.
pub fn change_schema(app: &Folder, change: impl FnOnce(&mut Value)) {
    change_json(app, "models/model.schema.json", change);
}

fn change_json(folder: &Folder, name: &str, change: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(folder.path().join(name)).expect("the file can be read");
    let mut document: Value = serde_json::from_str(&text).expect("the file is JSON");
    change(&mut document);
    folder.write(name, document.to_string());
}

/// A sample app with a changed `applicationmetadata.json`.
///
/// # Panics
/// When the sample cannot be read, or the change makes the app invalid.
pub fn app(id: &str, change: impl FnOnce(&mut Value)) -> App {
    app_of(id, |folder| {
        change_json(folder, "applicationmetadata.json", change)
    })
}

/// A sample app with changed files.
///
/// # Panics
/// When the sample cannot be read, or the change makes the app invalid.
pub fn app_of(id: &str, change: impl FnOnce(&Folder)) -> App {
    let original = sample_apps().join(id);
    let folder = Folder::copy(&original);
    let models = folder.path().join("models");
    std::fs::create_dir(&models).expect("a folder can be created");
    for file in std::fs::read_dir(original.join("models")).expect("the models can be read") {
        let file = file.expect("the models can be read");
        std::fs::copy(file.path(), models.join(file.file_name())).expect("a model can be copied");
    }
    change(&folder);
    App::load(folder.path()).expect("the changed app is an app")
}
