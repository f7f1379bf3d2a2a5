//! Instances with one oddity each, and routes that meet it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Scene;

/// The reasons that the instances lead to.
pub(super) const REASONS: &[&str] = &[
    "gate_closed",
    "attachment_missing",
    "attachment_scanned",
    "attachment_infected",
    "source_deleted",
    "mapping_failed",
    "keys_ambiguous",
    "draft_refused",
];
/// At least so many B are made of them.
pub(super) const DRAFTS: usize = 25;

/// Folders of apps, routes and A instances; removed when dropped.
pub(super) struct Given {
    folder: TempDir,
    instances: Vec<PathBuf>,
}

const SETTINGS: &str = "
events: true
tasks:
  - { id: Task_1, type: data, name: Utfylling }
  - { id: Task_2, type: confirmation, name: Bekreft }
policy: { serviceOwner: [read, write, instantiate, complete] }
";

const ROUTES: [(&str, &str); 5] = [
    (
        "plain",
        "model: { tekst: data.model.tekst, tall: data.model.tall, dag: \"data.model.tid[:10]\", epost: data.model.epost.value, merke: data.model.epost.orid }
attachments: [{ from: vedlegg, to: vedlegg }, { from: fritt, to: fritt }]",
    ),
    ("text", "model: { tekst: \"'x' ~ data.model.tekst\" }"),
    (
        "required",
        "model: { tekst: \"'fast'\" }
attachments: [{ from: fritt, to: fritt, required: true }]",
    ),
    ("one-list", "model: { tekst: data.liste.tekst }"),
    (
        "rows",
        "model: { tekst: rad.navn }
each: rad in data.model.rader
key: rad.id",
    ),
];

impl Given {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        let mut given = Self {
            folder,
            instances: Vec::new(),
        };
        given.write_apps();
        for (name, rest) in ROUTES {
            let gate = if name == "text" {
                "task: Task_2"
            } else {
                "process: completed"
            };
            let text = format!(
                "name: {name}\nfrom: {{ app: ttd/kilde, when: {{ {gate} }}, since: 2026-11-01 }}\n\
                 to: {{ app: ttd/mottak, owner: {{ organisation: \"'310075728'\" }}, root: Model }}\n{rest}\n"
            );
            given.write("routes", &format!("{name}.yaml"), &text);
        }
        given.write_instances();
        given
    }

    pub(super) fn scene(&self) -> Scene {
        Scene {
            apps: vec![self.folder.path().join("apps")],
            routes: self.folder.path().join("routes"),
            folders: self.instances.clone(),
        }
    }

    fn write(&self, folder: &str, name: &str, content: &str) {
        let file = self.folder.path().join(folder).join(name);
        let parent = file
            .parent()
            .map(Path::to_owned)
            .expect("it lies in a folder");
        std::fs::create_dir_all(parent).expect("a folder can be created");
        std::fs::write(file, content).expect("a file can be written");
    }

    fn write_apps(&self) {
        let form = |id: &str| {
            json!({"id": id, "allowedContentTypes": ["application/xml"], "taskId": "Task_1", "maxCount": 1,
                   "appLogic": {"autoCreate": id == "model", "classRef": "Altinn.App.Models.Model"}})
        };
        for (app, schema) in [("kilde", source()), ("mottak", target())] {
            let mut types = vec![
                form("model"),
                json!({"id": "vedlegg", "allowedContentTypes": ["application/pdf"], "maxCount": 0}),
                json!({"id": "fritt", "allowedContentTypes": [], "maxCount": 0}),
            ];
            let folder = format!("apps/{app}");
            if app == "kilde" {
                types.push(form("liste"));
                self.write(&folder, "models/liste.schema.json", &schema.to_string());
            }
            let metadata = json!({
                "id": format!("ttd/{app}"), "org": "ttd", "title": {"nb": app}, "dataTypes": types,
                "partyTypesAllowed": {"person": false, "organisation": false, "subUnit": false, "bankruptcyEstate": false},
            });
            self.write(&folder, "applicationmetadata.json", &metadata.to_string());
            self.write(&folder, "app.yaml", SETTINGS);
            self.write(&folder, "models/model.schema.json", &schema.to_string());
        }
    }

    fn write_instances(&mut self) {
        self.instance("<tekst>x</tekst><tall>1.50</tall>", |_| {});
        self.instance("<tekst></tekst><tall xsi:nil=\"true\" />", |_| {});
        self.instance(
            "<tekst xsi:nil=\"true\" /><tid>2026-11-01T00:30:00+01:00</tid>",
            |_| {},
        );
        self.instance("<epost orid=\"19022\">a@b.no</epost>", |_| {});
        self.instance(
            "<epost>a@b.no</epost><tekst>out of order, and lost</tekst>",
            |_| {},
        );
        self.instance("<tekst>longer than B takes it to be</tekst>", |_| {});
        self.instance(
            "<tekst>x</tekst><rader><id>1</id><navn>a</navn></rader><rader><id>2</id></rader>",
            |_| {},
        );
        self.instance("<rader><id>1</id></rader><rader><id>1</id></rader>", |_| {});
        self.instance("<tekst>x</tekst>", |instance| {
            instance["process"] =
                json!({"started": "2026-11-20T09:01:10Z", "currentTask": {"elementId": "Task_1"}});
        });
        self.instance("<tekst>x</tekst>", |instance| {
            instance["process"] =
                json!({"started": "2026-11-20T09:01:10Z", "currentTask": {"elementId": "Task_2"}});
        });
        self.instance("<tekst>x</tekst>", |instance| {
            instance["process"]["ended"] = json!("2027-03-28T01:30:00+02:00");
        });
        self.instance("<tekst>x</tekst>", |instance| {
            instance["status"] = json!({"isSoftDeleted": true})
        });
        self.instance("<tekst>x</tekst>", |instance| {
            instance["status"] = json!({"isSoftDeleted": true, "isHardDeleted": true});
        });
        for result in ["Infected", "Pending", "Clean"] {
            self.attached("vedlegg", "application/pdf", Some("a.pdf"), |element| {
                element["fileScanResult"] = json!(result);
            });
        }
        self.attached("vedlegg", "APPLICATION/PDF", Some("scan.PDF"), |_| {});
        self.attached("vedlegg", "application/pdf", None, |_| {});
        for name in [
            "søknad æøå.pdf",
            "a+b.pdf",
            "50 % av +.pdf",
            "C:\\temp\\a.pdf",
            "\"sitat\".pdf",
            "æ%C3%A6.tar.gz",
            "a;b\"c.pdf",
            "100%25 ferdig%20.pdf",
            ".htaccess",
            "punktum.",
            "\u{202e}gpj.exe",
        ] {
            self.attached("fritt", "application/pdf", Some(name), |_| {});
        }
        let word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        self.attached("fritt", word, Some("brev"), |_| {});
        self.attached("fritt", "text/plain; charset=utf-8", Some("notat"), |_| {});
        self.attached("fritt", "image/png", Some("gone.png"), |element| {
            element["deleteStatus"] = json!({"isHardDeleted": true});
        });
        let other = "0e5b1c2d-8f10-4c6e-9a0b-77c4e1d2a3f1";
        for count in [1, 2] {
            self.instance("<tekst>x</tekst>", |instance| {
                let data = instance["data"].as_array_mut().expect("a list");
                data.extend((0..count).map(|index| {
                    let id = format!("{}{index}", &other[..other.len() - 1]);
                    json!({"id": id, "dataType": "liste", "contentType": "application/xml"})
                }));
            });
            let last = self.instances.last().cloned().expect("one was written");
            for index in 0..count {
                let file = last.join(format!("{}{index}.xml", &other[..other.len() - 1]));
                std::fs::write(file, "<Model><tekst>liste</tekst></Model>").expect("a file");
            }
        }
    }

    fn attached(
        &mut self,
        data_type: &str,
        content_type: &str,
        filename: Option<&str>,
        change: impl FnOnce(&mut Value),
    ) {
        let id = "0e5b1c2d-8f10-4c6e-9a0b-77c4e1d2a302";
        let mut element = json!({
            "id": id, "dataType": data_type, "contentType": content_type, "filename": filename,
        });
        change(&mut element);
        self.instance("<tekst>x</tekst>", |instance| {
            instance["data"]
                .as_array_mut()
                .expect("a list")
                .push(element);
        });
        let last = self.instances.last().expect("one was written");
        std::fs::write(last.join(id), "%PDF-1.4").expect("a file can be written");
    }

    /// An instance whose process has ended and whose form has this content, as `change` leaves it.
    fn instance(&mut self, form: &str, change: impl FnOnce(&mut Value)) {
        let number = self.instances.len();
        let mut instance = json!({
            "id": format!("51001234/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1{number:03}"),
            "appId": "ttd/kilde", "org": "ttd",
            "instanceOwner": {"partyId": "51001234", "personNumber": "12837832290"},
            "process": {"started": "2026-11-20T09:01:10Z", "ended": "2026-11-20T09:12:45.25Z"},
            "created": "2026-11-20T09:01:10Z", "lastChanged": "2026-11-20T09:12:46Z",
            "data": [{"id": "0e5b1c2d-8f10-4c6e-9a0b-77c4e1d2a301", "dataType": "model", "contentType": "application/xml"}],
        });
        change(&mut instance);
        let folder = format!("instances/{number:02}");
        self.write(&folder, "instance.json", &instance.to_string());
        let form = format!(
            "<Model xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">{form}</Model>"
        );
        self.write(&folder, "model.xml", &form);
        self.instances.push(self.folder.path().join(folder));
    }
}

fn source() -> Value {
    let text = json!({"type": "string"});
    json!({"type": "object", "properties": {
        "tekst": text,
        "tall": {"type": "number"},
        "tid": {"type": "string", "format": "date-time"},
        "epost": {"type": "object", "properties": {
            "value": {"type": "string", "@xsdText": true},
            "orid": {"type": "string", "@xsdAttribute": true, "const": "19022"},
        }},
        "rader": {"type": "array", "items": {"type": "object", "properties": {"id": text, "navn": text}}},
    }})
}

fn target() -> Value {
    let text = json!({"type": "string"});
    json!({"type": "object", "properties": {
        "tekst": {"type": "string", "maxLength": 20},
        "tall": {"type": "number", "maximum": 1},
        "dag": text,
        "epost": text,
        "merke": text,
    }})
}
