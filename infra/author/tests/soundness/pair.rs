//! Two apps and a route between them, as `check` and the function see them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use app_files::{AppFiles, Apps, form::Model};
use author::{Finding, check::check};
use jiff::Timestamp;
use jsonschema::Validator;
use serde_json::{Map, Value as Json, json};
use stafett_core::{
    instance::Instance,
    preflight::{self, Content},
    route::{Route, Routes},
    transform,
};

use crate::route::{Group, written};

/// The root element of B's form.
const ROOT: &str = "melding";

/// Two apps with one form each; A may have several of another one with the same schema.
pub(crate) struct Pair {
    folder: PathBuf,
    apps: Apps,
    b: AppFiles,
    /// B's schema, by a validator that is not Stafett's.
    validator: Validator,
    /// B's class, as Studio generates it.
    model: Model,
}

/// A route that the function reads.
pub(crate) struct Loaded(Route);

/// What became of one instance.
pub(crate) enum Made {
    /// The function makes no draft: why.
    No(String),
    /// A draft that B does not take or loses something of: why.
    Wrong(String),
    /// A draft that B takes as it is.
    Right(Map<String, Json>),
}

impl Pair {
    /// Writes the apps' files into `folder`.
    pub(crate) fn new(folder: &Path, a: &Json, b: &Json) -> Self {
        let flere = json!({"id": "flere", "appLogic": {"classRef": "Flere"}, "maxCount": 0});
        let apps = folder.join("apps");
        app(&apps, "a", a, &["model", "flere"], Some(flere));
        app(&apps, "b", b, &["model"], None);
        fs::create_dir_all(folder.join("routes")).unwrap();
        Self {
            folder: folder.to_owned(),
            b: AppFiles::read(&apps.join("b")).unwrap(),
            apps: Apps::read_all(&[apps]).unwrap(),
            validator: jsonschema::options()
                .should_validate_formats(true)
                .with_format("time", is_time)
                .with_format("date-time", is_date_time)
                .build(b)
                .unwrap(),
            model: Model::compile(ROOT, b.clone()).unwrap(),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("routes/r.yaml")
    }

    /// Writes the route's file, and gives its text.
    fn write(&self, model: &Group) -> String {
        let model = Json::from(written(model));
        let text = format!(
            "name: r\nfrom: {{ app: ttd/a, when: {{ process: completed }}, since: 2026-11-01 }}\nto: {{ app: ttd/b, owner: {{ organisation: \"'310075728'\" }}, root: {ROOT}, complete: true }}\nmodel: {model}\n"
        );
        fs::write(self.file(), &text).unwrap();
        text
    }

    /// What `check` says of a route.
    pub(crate) fn check(&self, model: &Group) -> (Vec<Finding>, Vec<String>, String) {
        let text = self.write(model);
        let now = "2026-11-01T00:00:00Z".parse().unwrap();
        let report = check(&self.file(), &self.apps, now).unwrap();
        (report.findings, report.unchecked, text)
    }

    /// The route that was checked last, as the function reads it.
    pub(crate) fn load(&self) -> Loaded {
        let (mut routes, errors) = Routes::read(&[self.file()]);
        assert!(errors.is_empty(), "{errors:?}");
        Loaded(routes.remove(0).1)
    }

    /// What the function makes of an instance of A, judged as B would.
    pub(crate) fn made(
        &self,
        Loaded(route): &Loaded,
        storage: &Json,
        data: &Map<String, Json>,
    ) -> Made {
        let mut document = json!({
            "id": "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77", "appId": "ttd/a", "org": "ttd",
            "instanceOwner": {"partyId": "50085321"}, "created": "2026-11-01T08:00:00Z",
            "process": {"started": "2026-11-01T08:00:00Z", "ended": "2026-11-02T10:15:30Z", "currentTask": null},
            "data": [],
        });
        document["dueBefore"] = storage["dueBefore"].clone();
        let instance = Instance::from_json(document).unwrap();
        let drafts = match transform::drafts(route, &instance, data, Timestamp::UNIX_EPOCH) {
            Ok(drafts) => drafts,
            Err(error) => return Made::No(error.to_string()),
        };
        let [draft] = <[_; 1]>::try_from(drafts).expect("one draft");
        let draft = match draft.draft {
            Ok(draft) => draft,
            Err(error) => return Made::No(error.to_string()),
        };
        let checked = match preflight::check(draft, &route.to, &self.b.target_app()) {
            Ok(checked) => checked,
            Err(objections) => return Made::No(objections.to_string()),
        };
        let Content::Xml(xml) = &checked.forms.main.content else {
            return Made::Wrong("the form is not XML".to_owned());
        };
        let model = without_empty_lists(Json::Object(checked.draft.models.main));
        if let Some(error) = self.validator.iter_errors(&model).next() {
            return Made::Wrong(format!(
                "B's schema does not allow the draft: {error} at {}: {model}",
                error.instance_path()
            ));
        }
        let read = match self.model.read_xml(xml.as_bytes()) {
            Ok(read) => self.model.to_json(&read, false),
            Err(error) => return Made::Wrong(format!("B does not read {xml}: {error}")),
        };
        if let Some(lost) = crate::kept::lost(&model, &read, "") {
            return Made::Wrong(format!("B loses {lost}: {xml}"));
        }
        match model {
            Json::Object(model) => Made::Right(model),
            _ => Made::Wrong("the draft is no group".to_owned()),
        }
    }
}

/// The draft as XML can carry it: of an empty list there is no element.
fn without_empty_lists(value: Json) -> Json {
    match value {
        Json::Object(fields) => {
            let fields = fields.into_iter();
            let fields =
                fields.filter(|(_, value)| value.as_array().is_none_or(|it| !it.is_empty()));
            fields
                .map(|(name, value)| (name, without_empty_lists(value)))
                .collect()
        }
        Json::Array(items) => items.into_iter().map(without_empty_lists).collect(),
        other => other,
    }
}

/// Writes the files of an app with this form.
fn app(folder: &Path, name: &str, schema: &Json, forms: &[&str], more: Option<Json>) {
    let model = json!({"id": "model", "appLogic": {"classRef": "Model"}, "maxCount": 1});
    let metadata = json!({
        "id": format!("ttd/{name}"),
        "org": "ttd",
        "dataTypes": std::iter::once(model).chain(more).collect::<Vec<_>>(),
    });
    let folder = folder.join(name);
    fs::create_dir_all(folder.join("models")).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("applicationmetadata.json", &metadata.to_string());
    write(
        "app.yaml",
        &format!(
            "policy: {{ serviceOwner: [read, write, instantiate, complete, delete] }}\ntasks: [{{ id: Task_1, name: Utfylling, type: data }}]\nroots: {{ model: {ROOT} }}\n"
        ),
    );
    for form in forms {
        write(&format!("models/{form}.schema.json"), &schema.to_string());
    }
}

/// A time of day, with or without seconds and an offset.
fn is_time(text: &str) -> bool {
    let bare = text.trim_end_matches('Z');
    bare.contains(':') && !bare.contains(['T', ' ']) && bare.parse::<jiff::civil::Time>().is_ok()
}

/// A date and time as .NET reads it: with or without an offset; or a date alone.
fn is_date_time(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok()
        || text.parse::<jiff::civil::DateTime>().is_ok()
        || text.parse::<jiff::civil::Date>().is_ok()
}
