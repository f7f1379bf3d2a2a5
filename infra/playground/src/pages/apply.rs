//! App A's form, which a test person fills in and submits.

mod sample;
mod upload;

use axum::{
    extract::{Multipart, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jsonschema::Validator;
use local_altinn::{
    App, Attachment, Fault, FormContent, Stage, Submission, SubmissionOwner, SubmitError,
};
use minijinja::{Value as Shown, context};
use serde::Deserialize;
use serde_json::{Map, Value};
use stafett_core::{id::AppId, route::Gate};

use crate::{
    Site,
    form::{self, Field, Filled, RowChange, Violation},
    page::said,
    visit::Visit,
};

use super::{parties, title};
use sample::Sample;
use upload::{Upload, UploadError};

/// The query parameters of the form's page.
#[derive(Deserialize)]
pub(super) struct Chosen {
    sample: Option<String>,
}

/// A form of an app: its data type, fields and schema.
struct Form {
    data_type: String,
    title: String,
    fields: Vec<Field>,
    schema: Validator,
}

/// A data type of files that users may add.
struct Files {
    data_type: String,
    accept: Vec<String>,
    most: Option<usize>,
    most_bytes: Option<u64>,
}

/// An app with its forms and file types.
struct Sheet {
    app: App,
    forms: Vec<Form>,
    files: Vec<Files>,
    samples: Vec<Sample>,
}

/// The user's input. Holds form data.
#[derive(Default)]
struct FormInput {
    /// By data type.
    forms: Map<String, Value>,
    /// The party id of the submitter.
    party: Option<u32>,
    /// How the relay is triggered: `app`, `event` or `nobody`.
    told: String,
    /// The task at which the process stops; empty for the end of the process.
    until: String,
    sample: String,
}

/// The apps that a route starts from.
pub(super) async fn list(State(site): State<Site>, visit: Visit) -> Response {
    let mut apps: Vec<AppId> = site.routes().iter().map(|it| it.from.clone()).collect();
    apps.sort();
    apps.dedup();
    let apps: Vec<Shown> = apps
        .iter()
        .map(|id| {
            let routes = site.routes();
            let to: Vec<Shown> = routes
                .for_app(id)
                .map(|route| {
                    let to = route.to.app.to_string();
                    context! { name => route.name.as_str(), title => title(&site, &visit, &to), to }
                })
                .collect();
            let id = id.to_string();
            let runs = site.deployment.altinn.app(&id).is_some();
            context! { title => title(&site, &visit, &id), id, runs, to }
        })
        .collect();
    site.page(&visit, "apply.html", context! { apps })
}

/// The form, prefilled with a sample.
pub(super) async fn new(
    State(site): State<Site>,
    visit: Visit,
    Path((org, app)): Path<(String, String)>,
    Query(chosen): Query<Chosen>,
) -> Response {
    let id = format!("{org}/{app}");
    let Some(sheet) = Sheet::of(&site, &id) else {
        return site.refuse(&visit, StatusCode::NOT_FOUND, "error-no-such-app");
    };
    let wanted = chosen.sample.as_deref();
    let sample = match wanted {
        Some(name) => sheet.samples.iter().find(|it| it.name == name),
        None => sheet.samples.first(),
    };
    let mut input = FormInput {
        told: "app".to_owned(),
        until: sheet.until(&site),
        ..FormInput::default()
    };
    if let Some(sample) = sample {
        input.forms = sample.forms(&sheet.app);
        input.party = sample.party(&site.deployment.altinn);
        input.sample.clone_from(&sample.name);
    }
    sheet.show(&site, &visit, StatusCode::OK, &input, &[], None)
}

/// Handles a pressed button of the form.
pub(super) async fn submit(
    State(site): State<Site>,
    visit: Visit,
    Path((org, app)): Path<(String, String)>,
    body: Multipart,
) -> Response {
    let id = format!("{org}/{app}");
    let Some(sheet) = Sheet::of(&site, &id) else {
        return site.refuse(&visit, StatusCode::NOT_FOUND, "error-no-such-app");
    };
    let upload = match Upload::read(body).await {
        Ok(upload) => upload,
        // Too large, or malformed.
        Err(error) => return error.into_response(),
    };
    let filled = Filled::new(upload.fields);
    let button = filled.get("do").unwrap_or_default();
    let change = RowChange::read(button);
    let mut input = FormInput {
        forms: Map::new(),
        party: filled.get("party").and_then(|it| it.parse().ok()),
        told: filled.get("told").unwrap_or("app").to_owned(),
        until: filled.get("until").unwrap_or_default().to_owned(),
        sample: filled.get("sample").unwrap_or_default().to_owned(),
    };
    let mut wrong = Vec::new();
    for of in &sheet.forms {
        let value = form::read(&of.fields, &of.data_type, &filled, change.as_ref());
        wrong.extend(form::violations(
            &of.schema,
            &of.fields,
            &of.data_type,
            &value,
        ));
        input.forms.insert(of.data_type.clone(), value);
    }
    if change.is_some() {
        return sheet.show(&site, &visit, StatusCode::OK, &input, &[], None);
    }
    let unfit = upload
        .files
        .iter()
        .find_map(|file| sheet.unfit(file, &upload.files));
    if !wrong.is_empty() || unfit.is_some() {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return sheet.show(&site, &visit, status, &input, &wrong, unfit);
    }
    let submission = Submission {
        app: id.clone(),
        owner: SubmissionOwner::Party(input.party.unwrap_or_default()),
        forms: input
            .forms
            .iter()
            .map(|(data_type, form)| (data_type.clone(), FormContent::Json(form.clone())))
            .collect(),
        attachments: upload.files,
        until: match input.until.as_str() {
            "" => Stage::Ended,
            task => Stage::Task(task.to_owned()),
        },
    };
    match send(&site, &id, &submission, &input.told).await {
        Ok((instance, key)) => {
            site.changed();
            said(&format!("/relays/{instance}"), key, &[])
        }
        Err(error) => {
            let trouble = context! { key => "apply-refused", detail => error.to_string() };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            sheet.show(&site, &visit, status, &input, &[], Some(trouble))
        }
    }
}

/// Submits, and triggers the relay as the user chose. Returns the instance and the key of the
/// message.
async fn send(
    site: &Site,
    app: &str,
    submission: &Submission,
    told: &str,
) -> Result<(String, &'static str), SubmitError> {
    let deployment = &site.deployment;
    if told == "event" {
        let heard = site.subscribe(app).await.is_ok();
        let instance = deployment.altinn.submit(submission)?;
        return Ok((
            instance,
            if heard {
                "said-submitted-event"
            } else {
                "said-submitted-unheard"
            },
        ));
    }
    // The app publishes no events here, so that the chosen trigger is the only one.
    let faults = deployment.altinn.faults();
    let silence = faults.always(Some(app), Fault::EventsOff);
    let submitted = deployment.altinn.submit(submission);
    faults.remove(silence);
    let instance = submitted?;
    if told != "app" {
        return Ok((instance, "said-submitted-nobody"));
    }
    let answer = deployment.trigger(app, &instance).await;
    let accepted = answer.is_ok_and(|answer| answer.status() == StatusCode::ACCEPTED);
    Ok((
        instance,
        if accepted {
            "said-submitted-app"
        } else {
            "said-trigger-refused"
        },
    ))
}

impl Sheet {
    fn of(site: &Site, id: &str) -> Option<Self> {
        let app = site.deployment.altinn.app(id)?;
        let mut forms = Vec::new();
        for data_type in app.data_types().iter().filter(|it| it.is_form()) {
            let schema = app.model(&data_type.id)?.schema();
            forms.push(Form {
                data_type: data_type.id.clone(),
                title: schema["title"].as_str().unwrap_or(&data_type.id).to_owned(),
                fields: form::fields(schema),
                schema: jsonschema::validator_for(schema).ok()?,
            });
        }
        // Data that the app creates itself, or that only organisations may add, is not for users.
        let files = app.data_types().iter().filter(|it| {
            !it.is_form() && it.id != "ref-data-as-pdf" && it.allowed_contributors().is_none()
        });
        let files = files.map(|data_type| Files {
            data_type: data_type.id.clone(),
            accept: data_type
                .allowed_content_types()
                .unwrap_or_default()
                .to_vec(),
            most: data_type.max_count(),
            most_bytes: data_type.max_bytes(),
        });
        let files = files.collect();
        Some(Self {
            app,
            forms,
            files,
            samples: Sample::all(&site.apps_folders, id),
        })
    }

    /// The task at which the first route from this app expects the instance.
    fn until(&self, site: &Site) -> String {
        let routes = site.routes();
        let first = routes
            .iter()
            .find(|it| it.from.to_string() == self.app.id());
        match first.map(|route| &route.gate) {
            Some(Gate::Task(task)) => task.clone(),
            _ => String::new(),
        }
    }

    /// Why a file cannot be added; none if it can.
    fn unfit(&self, file: &Attachment, all: &[Attachment]) -> Option<Shown> {
        let files = self.files.iter().find(|it| it.data_type == file.data_type);
        let count = all
            .iter()
            .filter(|it| it.data_type == file.data_type)
            .count();
        let size = file.bytes.len() as u64;
        let error = match files {
            None => UploadError::NotHere,
            Some(files) => files.unfit(&file.content_type, size, count)?,
        };
        Some(context! { key => error.key(), detail => file.filename.clone() })
    }

    fn show(
        &self,
        site: &Site,
        visit: &Visit,
        status: StatusCode,
        input: &FormInput,
        wrong: &[Violation],
        trouble: Option<Shown>,
    ) -> Response {
        let forms: Vec<Shown> = self
            .forms
            .iter()
            .map(|of| {
                let empty = Value::Object(Map::new());
                let value = input.forms.get(&of.data_type).unwrap_or(&empty);
                let fields = form::show(&of.fields, &of.data_type, value, wrong);
                context! { name => of.data_type.clone(), title => of.title.clone(), fields }
            })
            .collect();
        let files: Vec<Shown> = self
            .files
            .iter()
            .map(|it| {
                let several = it.most != Some(1);
                let mebibytes = it.most_bytes.map(|bytes| bytes / 1024 / 1024);
                context! { name => it.data_type.clone(), accept => it.accept.join(","), several, mebibytes }
            })
            .collect();
        let samples: Vec<Shown> = self
            .samples
            .iter()
            .map(|it| sample_link(&it.name))
            .collect();
        let tasks: Vec<Shown> = self
            .app
            .tasks()
            .iter()
            .map(|task| context! { id => task.id.clone(), name => task.name.clone(), chosen => task.id == input.until })
            .collect();
        let content = context! {
            app => self.app.id(),
            title => title(site, visit, self.app.id()),
            forms,
            files,
            samples,
            sample => input.sample.clone(),
            parties => parties(site, &self.app, input.party),
            told => input.told.clone(),
            tasks,
            ended => input.until.is_empty(),
            wrong => wrong.iter().map(Violation::entry).collect::<Vec<_>>(),
            trouble,
        };
        site.page_with(status, visit, "apply_new.html", content)
    }
}

/// A link that prefills the form with a sample.
fn sample_link(name: &str) -> Shown {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("sample", name);
    context! { name, href => format!("?{}", query.finish()) }
}

impl Files {
    fn unfit(&self, kind: &str, size: u64, count: usize) -> Option<UploadError> {
        if !self.accept.is_empty() && !self.accept.iter().any(|it| it == kind) {
            return Some(UploadError::Kind);
        }
        if self.most_bytes.is_some_and(|most| size > most) {
            return Some(UploadError::Large);
        }
        self.most
            .is_some_and(|most| count > most)
            .then_some(UploadError::Many)
    }
}
