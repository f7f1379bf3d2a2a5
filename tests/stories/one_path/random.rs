//! Random models, routes between two apps of one, and A instances.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::Scene;

/// Levels of groups below the root.
const DEPTH: usize = 2;
const CHOICES: [&str; 3] = ["ja", "nei", "vet ikke"];
const TEXTS: [&str; 8] = [
    "",
    " ",
    "Kari",
    "Åse & <Øystein>",
    "  to ord  ",
    "\u{1F600}",
    "linje\nto",
    "0150",
];
const MOMENTS: [&str; 5] = [
    "2026-10-31T23:30:00",
    "2026-10-31T23:30:00Z",
    "2026-11-01T00:30:00+01:00",
    "2026-11-01T00:30:00.1234567-05:00",
    "2026-11-01",
];

/// Folders of apps, routes and A instances; removed when dropped.
pub(super) struct Worlds {
    folder: TempDir,
    instances: Vec<PathBuf>,
}

/// A field of a model.
enum Field {
    Text,
    Whole,
    Decimal,
    Boolean,
    Day,
    Moment,
    Choice,
    /// A text with an attribute, as in models from Seres.
    Marked,
    Texts,
    Group(Vec<(String, Field)>),
    Rows(Vec<(String, Field)>),
}

impl Worlds {
    /// So many models, each with so many instances.
    pub(super) fn new(rng: &mut Rng, models: usize, instances: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        let mut worlds = Self {
            folder,
            instances: Vec::new(),
        };
        for model in 0..models {
            let fields = group(rng, DEPTH);
            worlds.write_apps(rng, model, &fields);
            for _ in 0..instances {
                let number = worlds.instances.len();
                let folder = worlds.path().join(format!("instances/{number}"));
                instance(rng, &folder, model, &fields);
                worlds.instances.push(folder);
            }
        }
        worlds
    }

    pub(super) fn scene(&self) -> Scene {
        Scene {
            apps: vec![self.path().join("apps")],
            routes: self.path().join("routes"),
            folders: self.instances.clone(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write_apps(&self, rng: &mut Rng, model: usize, fields: &[(String, Field)]) {
        let source = object(fields, &mut |field| schema_of_a(field));
        let target = object(fields, &mut |field| schema_of_b(rng, field));
        for (app, schema) in [(format!("a{model}"), source), (format!("b{model}"), target)] {
            let folder = self.path().join("apps").join(&app);
            write(
                &folder,
                "applicationmetadata.json",
                &metadata(&app).to_string(),
            );
            write(&folder, "app.yaml", SETTINGS);
            write(&folder, "models/model.schema.json", &schema.to_string());
        }
        let route = route(rng, model, fields);
        write(
            &self.path().join("routes"),
            &format!("r{model}.yaml"),
            &route,
        );
    }
}

const SETTINGS: &str = "
events: true
tasks:
  - { id: Task_1, type: data, name: Utfylling }
  - { id: Task_2, type: confirmation, name: Bekreft }
policy: { serviceOwner: [read, write, instantiate, complete] }
";

fn write(folder: &Path, name: &str, content: &str) {
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("a folder");
    std::fs::write(file, content).expect("a file can be written");
}

fn metadata(app: &str) -> Value {
    json!({
        "id": format!("ttd/{app}"), "org": "ttd", "title": {"nb": app},
        "dataTypes": [
            {"id": "model", "allowedContentTypes": ["application/xml"], "taskId": "Task_1", "maxCount": 1,
             "appLogic": {"autoCreate": true, "classRef": "Altinn.App.Models.Model"}},
            {"id": "vedlegg", "allowedContentTypes": ["application/pdf", "image/png"], "maxCount": 3},
            {"id": "fritt", "maxCount": 0},
        ],
        "partyTypesAllowed": {"person": false, "organisation": false, "subUnit": false, "bankruptcyEstate": false},
    })
}

fn group(rng: &mut Rng, depth: usize) -> Vec<(String, Field)> {
    let fields = (0..rng.usize(1..6)).map(|index| {
        let field = match rng.u8(0..if depth == 0 { 9 } else { 12 }) {
            0 | 1 => Field::Text,
            2 => Field::Whole,
            3 => Field::Decimal,
            4 => Field::Boolean,
            5 => Field::Day,
            6 => Field::Moment,
            7 => Field::Choice,
            8 => Field::Marked,
            9 => Field::Texts,
            10 => Field::Group(group(rng, depth - 1)),
            _ => Field::Rows(group(rng, depth - 1)),
        };
        (format!("felt{index}"), field)
    });
    fields.collect()
}

/// The schema of a group, with that of its fields made by `of`.
fn object(fields: &[(String, Field)], of: &mut dyn FnMut(&Field) -> Value) -> Value {
    let mut properties = Map::new();
    for (name, field) in fields {
        let schema = match field {
            Field::Group(fields) => object(fields, of),
            Field::Rows(fields) => json!({"type": "array", "items": object(fields, of)}),
            field => of(field),
        };
        properties.insert(name.clone(), schema);
    }
    json!({"type": "object", "properties": properties})
}

fn schema_of_a(field: &Field) -> Value {
    match field {
        Field::Marked => json!({"type": "object", "properties": {
            "value": {"type": "string", "@xsdText": true},
            "orid": {"type": "string", "@xsdAttribute": true, "const": "19022"},
        }}),
        Field::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Field::Whole => json!({"type": "integer"}),
        Field::Decimal => json!({"type": "number"}),
        Field::Boolean => json!({"type": "boolean"}),
        Field::Day => json!({"type": "string", "format": "date"}),
        Field::Moment => json!({"type": "string", "format": "date-time"}),
        Field::Choice => json!({"type": "string", "enum": CHOICES}),
        Field::Text | Field::Group(_) | Field::Rows(_) => json!({"type": "string"}),
    }
}

/// The same, and now and then with a limit that some values of A exceed.
fn schema_of_b(rng: &mut Rng, field: &Field) -> Value {
    let is_limited = rng.u8(0..8) == 0;
    match field {
        Field::Marked => json!({"type": "object", "properties": {
            "verdi": {"type": "string"}, "merke": {"type": "string"},
        }}),
        Field::Text if is_limited => json!({"type": "string", "maxLength": rng.u8(1..8)}),
        Field::Whole | Field::Decimal if is_limited => {
            let mut schema = schema_of_a(field);
            schema["maximum"] = json!(rng.i32(-10..1000));
            schema
        }
        Field::Choice if is_limited => json!({"type": "string", "enum": ["ja", "nei"]}),
        field => schema_of_a(field),
    }
}

fn route(rng: &mut Rng, model: usize, fields: &[(String, Field)]) -> String {
    let gate = if rng.bool() {
        json!({"process": "completed"})
    } else {
        json!({"task": "Task_2"})
    };
    let route = json!({
        "name": format!("r{model}"),
        "from": {"app": format!("ttd/a{model}"), "when": gate, "since": "2026-11-01"},
        "to": {
            "app": format!("ttd/b{model}"), "owner": {"organisation": "'310075728'"},
            "root": "Model",
        },
        "model": mapping(rng, fields, "data.model", &mut 0),
        "attachments": [{"from": "vedlegg", "to": "vedlegg"}, {"from": "fritt", "to": "fritt", "required": rng.u8(0..4) == 0}],
    });
    // JSON is YAML.
    format!("{route:#}\n")
}

fn mapping(rng: &mut Rng, fields: &[(String, Field)], path: &str, lists: &mut usize) -> Value {
    let mut mapped = Map::new();
    for (name, field) in fields {
        let path = format!("{path}.{name}");
        let rule = match field {
            Field::Group(fields) => mapping(rng, fields, &path, lists),
            Field::Rows(fields) => {
                *lists += 1;
                let item = format!("rad{lists}");
                let mut rows = Map::new();
                rows.insert("$each".to_owned(), json!(format!("{item} in {path}")));
                let Value::Object(rest) = mapping(rng, fields, &item, lists) else {
                    unreachable!("a mapping is a group")
                };
                rows.extend(rest);
                rows.into()
            }
            Field::Marked => {
                json!({"verdi": format!("{path}.value"), "merke": format!("{path}.orid")})
            }
            field => expression(rng, field, &path).into(),
        };
        mapped.insert(name.clone(), rule);
    }
    mapped.into()
}

fn expression(rng: &mut Rng, field: &Field, path: &str) -> String {
    match (field, rng.u8(0..10)) {
        (Field::Text, 0) => format!("'x' ~ {path}"),
        (Field::Text, 1) => format!("({path} | default('-'))[:3]"),
        (Field::Text, 2) => format!("{path} | upper"),
        (Field::Whole | Field::Decimal, 0) => format!("{path} + 1"),
        (Field::Whole | Field::Decimal, 1) => format!("{path} | default(0)"),
        (Field::Boolean, 0) => format!("{path} | default(false)"),
        (Field::Moment, 0) => format!("({path} | default('2026-01-01T00:00:00'))[:10]"),
        _ => path.to_owned(),
    }
}

fn instance(rng: &mut Rng, folder: &Path, model: usize, fields: &[(String, Field)]) {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Model xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">",
    );
    elements(rng, fields, &mut xml);
    xml.push_str("</Model>");
    let element = |id: &str, data_type: &str, content_type: &str| json!({"id": id, "dataType": data_type, "contentType": content_type, "created": "2026-11-20T09:12:44.5Z"});
    let new_id = |rng: &mut Rng| uuid::Uuid::from_u128(rng.u128(..)).to_string();
    let form = new_id(rng);
    let mut data = vec![element(&form, "model", "application/xml")];
    write(folder, &format!("{form}.xml"), &xml);
    for _ in 0..rng.usize(0..4) {
        let (id, data_type) = (new_id(rng), ["vedlegg", "fritt"][rng.usize(0..2)]);
        let types = [
            "application/pdf",
            "image/png",
            "text/plain; charset=utf-8",
            "application/zip",
        ];
        let wanted = if data_type == "vedlegg" && rng.u8(0..8) > 0 {
            2
        } else {
            4
        };
        let mut attached = element(&id, data_type, types[rng.usize(0..wanted)]);
        let names = ["plan.pdf", "brev", "søknad æ.png", "a;b.txt", ".htaccess"];
        if rng.u8(0..5) > 0 {
            attached["filename"] = json!(names[rng.usize(0..names.len())]);
        }
        let results = [
            "NotApplicable",
            "Clean",
            "Clean",
            "Clean",
            "Clean",
            "Clean",
            "Pending",
            "Infected",
        ];
        attached["fileScanResult"] = json!(results[rng.usize(0..results.len())]);
        data.push(attached);
        write(folder, &id, &"x".repeat(rng.usize(1..50)));
    }
    let process = match rng.u8(0..10) {
        0 => {
            json!({"started": "2026-11-20T09:01:10Z", "currentTask": {"elementId": "Task_1", "started": "2026-11-20T09:01:10Z"}})
        }
        1 => {
            json!({"started": "2026-11-20T09:01:10Z", "currentTask": {"elementId": "Task_2", "started": "2026-11-20T09:02:10Z"}})
        }
        _ => json!({"started": "2026-11-20T09:01:10Z", "ended": "2026-11-20T09:12:45.25Z"}),
    };
    let is_deleted = rng.u8(0..20) == 0;
    let instance = json!({
        "id": format!("51001234/{}", new_id(rng)), "appId": format!("ttd/a{model}"), "org": "ttd",
        "instanceOwner": {"partyId": "51001234", "personNumber": "12837832290"},
        "process": process,
        "status": {"isSoftDeleted": is_deleted || rng.u8(0..10) == 0, "isHardDeleted": is_deleted},
        "created": "2026-11-20T09:01:10Z", "lastChanged": "2026-11-20T09:12:46Z",
        "data": data,
    });
    write(folder, "instance.json", &instance.to_string());
}

fn elements(rng: &mut Rng, fields: &[(String, Field)], xml: &mut String) {
    for (name, field) in fields {
        let repeats = match field {
            Field::Rows(_) | Field::Texts => rng.usize(0..3),
            _ => usize::from(rng.u8(0..5) > 0),
        };
        for _ in 0..repeats {
            one(rng, name, field, xml);
        }
    }
}

fn one(rng: &mut Rng, name: &str, field: &Field, xml: &mut String) {
    let value = match field {
        Field::Group(fields) | Field::Rows(fields) => {
            let _ = write!(xml, "<{name}>");
            elements(rng, fields, xml);
            let _ = write!(xml, "</{name}>");
            return;
        }
        Field::Whole | Field::Decimal | Field::Boolean | Field::Moment if rng.u8(0..8) == 0 => {
            let _ = write!(xml, "<{name} xsi:nil=\"true\" />");
            return;
        }
        Field::Text | Field::Texts | Field::Marked => TEXTS[rng.usize(0..TEXTS.len())].to_owned(),
        Field::Whole => rng.i32(..).to_string(),
        Field::Decimal => format!("{}.{:02}", rng.i64(-1_000_000..1_000_000), rng.u8(0..100)),
        Field::Boolean => ["true", "false", "1", "0"][rng.usize(0..4)].to_owned(),
        Field::Day => format!("2026-{:02}-{:02}", rng.u8(1..13), rng.u8(1..29)),
        Field::Moment => MOMENTS[rng.usize(0..MOMENTS.len())].to_owned(),
        Field::Choice => CHOICES[rng.usize(0..CHOICES.len())].to_owned(),
    };
    let value = value.replace('&', "&amp;").replace('<', "&lt;");
    let orid = match field {
        Field::Marked if rng.bool() => " orid=\"19022\"",
        _ => "",
    };
    let _ = write!(xml, "<{name}{orid}>{value}</{name}>");
}
