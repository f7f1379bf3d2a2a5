//! A route, an A instance and B's metadata for tests.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use stafett_core::{
    instance::Instance, metadata::ApplicationMetadata, preflight::TargetApp, prepare::InstanceData,
    route::Route,
};

use crate::{located_route::LocatedRoute, places::Places};

/// A route of every kind of field.
pub(crate) const ROUTE: &str = "\
name: permit-to-casework
from: { app: ttd/permit, when: { process: completed }, since: 2026-11-01 }
to:
  app: ttd/casework
  owner: { organisation: \"'310075728'\" }
  schema: casework.schema.json
model:
  soknad:
    referanse: instance.id
    tittel: \"'Søknad fra ' ~ data.model.soker.navn\"
    merknad: data.model.merknad
    antall: data.model.tiltak | length
    vedtak:
      $each: tiltak in data.model.tiltak
      kode: tiltak.kode
      areal: tiltak.areal
attachments:
  - { from: ref-data-as-pdf, to: vedlegg, required: true }
  - { from: tegning, to: tegning }
due: P30D
then:
  substatus: { label: Sendt }
";

/// [`ROUTE`] with a second form of B.
pub(crate) fn two_forms() -> String {
    let forms = "  dataType: model
  schema: casework.schema.json
  forms:
    vurdering:
      schema: casework.schema.json
      model:
        soknad:
          referanse: instance.id
          tittel: data.model.soker.navn
";
    ROUTE.replacen("  schema: casework.schema.json\n", forms, 1)
}

/// B's app with a second form.
pub(crate) fn b_of_two_forms() -> TargetApp {
    b(|metadata| {
        let second = json!({"id": "vurdering", "appLogic": {"classRef": "Vurdering"}});
        metadata["dataTypes"].as_array_mut().unwrap().push(second);
    })
}

/// A route with one B per heir.
pub(crate) const FAN_OUT: &str = "\
name: estate
from: { app: ttd/permit, when: { process: completed }, since: 2026-11-01 }
to: { app: ttd/casework, owner: { person: heir.id } }
model: { soknad: { tittel: heir.name } }
each: heir in data.model.heirs
key: heir.id
";

const SCHEMA: &str = r#"{"type": "object", "properties": {"soknad": {"type": "object", "properties": {
    "tittel": {"type": "string", "maxLength": 40}, "referanse": {"type": "string"}, "merknad": {"type": "string"}, "antall": {"type": "integer"},
    "vedtak": {"type": "array", "items": {"type": "object", "properties": {"kode": {"type": "string"}, "areal": {"type": "number"}}}}
}}}}"#;

/// A route in a file.
pub(crate) struct File {
    pub(crate) route: Route,
    path: PathBuf,
    places: Places,
}

impl File {
    pub(crate) fn of(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("casework.schema.json"), SCHEMA).unwrap();
        let path = directory.path().join("route.yaml");
        fs::write(&path, text).unwrap();
        Self {
            route: Route::read(&path).unwrap(),
            path: "route.yaml".into(),
            places: Places::of(text),
        }
    }

    /// The route with a piece of its text replaced, which stands there once.
    pub(crate) fn with(text: &str, old: &str, new: &str) -> Self {
        assert_eq!(text.matches(old).count(), 1, "{old}");
        Self::of(&text.replacen(old, new, 1))
    }

    pub(crate) fn located(&self) -> LocatedRoute<'_> {
        LocatedRoute {
            route: &self.route,
            file: &self.path,
            places: &self.places,
        }
    }
}

/// An A instance, as `change` leaves its instance and its form.
pub(crate) fn source(change: impl FnOnce(&mut Value, &mut Value)) -> InstanceData {
    let element = |id: u8, data_type: &str, filename: &str| {
        json!({
            "id": format!("0e5b1c2d-8f10-4c6e-9a0b-77c4e1d2a3{id:02}"), "dataType": data_type, "filename": filename,
            "contentType": "application/pdf", "size": 100, "created": "2026-11-20T09:12:44Z",
        })
    };
    let mut instance = json!({
        "id": "51001234/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77", "appId": "ttd/permit", "org": "ttd",
        "instanceOwner": {"partyId": "51001234", "personNumber": "12837832290"},
        "process": {"started": "2026-11-20T09:01:10Z", "ended": "2026-11-20T09:12:45Z"},
        "status": {"isArchived": true},
        "data": [element(3, "ref-data-as-pdf", "permit.pdf"), element(2, "tegning", "plan.pdf")],
    });
    let mut form = json!({
        "soker": {"navn": "Kari Bygger"}, "merknad": null,
        "tiltak": [{"kode": "TB", "areal": 24.5}, {"kode": "GA", "areal": null}],
        "heirs": [{"id": "12837832290", "name": "Kari"}, {"id": "15897499870", "name": "Ola"}],
    });
    change(&mut instance, &mut form);
    let metadata = json!({"id": "ttd/permit", "dataTypes": [{"id": "model", "maxCount": 1}]});
    InstanceData::new(
        Instance::from_json(instance).unwrap(),
        &ApplicationMetadata::from_json(&metadata).unwrap(),
        [("model".to_owned(), vec![form])],
    )
}

/// The A instance as it is.
pub(crate) fn plain() -> InstanceData {
    source(|_, _| {})
}

/// B's app, which serves no schema, with its metadata as `change` leaves them.
pub(crate) fn b(change: impl FnOnce(&mut Value)) -> TargetApp {
    let mut metadata = json!({
        "id": "ttd/casework", "org": "ttd",
        "dataTypes": [
            {"id": "model", "allowedContentTypes": ["application/xml"], "appLogic": {"classRef": "Melding"}},
            {"id": "vedlegg", "allowedContentTypes": ["application/pdf"], "maxSize": 10},
            {"id": "tegning", "allowedContentTypes": ["application/pdf", "image/png"]},
        ],
    });
    change(&mut metadata);
    TargetApp::without_schemas(ApplicationMetadata::from_json(&metadata).unwrap())
}
