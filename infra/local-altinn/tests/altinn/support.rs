//! A running local Altinn, and helpers for requests to it.

use std::path::PathBuf;

use app_files::AppFiles;
use jsonwebtoken::Algorithm;
use local_altinn::{
    App, AppSettings, Config, FormContent, LocalAltinn, Stage, Submission, SubmissionOwner,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

pub(super) const TTD: &str = "405003309";
pub(super) const CASEWORK_OWNER: &str = "310075728";
pub(super) const KARI: &str = "12837832290";
pub(super) const SCOPES: &str =
    "altinn:serviceowner altinn:serviceowner/instances.read altinn:serviceowner/instances.write";
pub(super) const MODEL: &str = "<melding><soknad><tittel>Bod &amp; garasje</tittel><referanse>A/1</referanse></soknad></melding>";

pub(super) struct Altinn {
    pub(super) local: LocalAltinn,
    pub(super) http: reqwest::Client,
    /// An Altinn token of ttd.
    pub(super) token: String,
}

/// A response, read to its end.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) bytes: bytes::Bytes,
}

impl Reply {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Asserts the status. Shows the body if the status differs.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

pub(super) fn apps_folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../apps"))
}

/// The sample app `casework` with a change.
pub(super) fn casework(change: impl FnOnce(&mut Value, &mut AppSettings)) -> App {
    sample("casework", change)
}

pub(super) fn permit(change: impl FnOnce(&mut Value, &mut AppSettings)) -> App {
    sample("permit", change)
}

fn sample(name: &str, change: impl FnOnce(&mut Value, &mut AppSettings)) -> App {
    let files = AppFiles::read(&apps_folder().join("ttd").join(name)).unwrap();
    let mut settings = AppSettings::from(&files);
    let mut document = files.document;
    change(&mut document, &mut settings);
    App::new(document, settings, files.schemas).unwrap()
}

/// Sets a field of a data type.
pub(super) fn set(document: &mut Value, data_type: &str, field: &str, value: Value) {
    let types = document["dataTypes"].as_array_mut().unwrap();
    let found = types
        .iter_mut()
        .find(|entry| entry["id"] == data_type)
        .unwrap();
    found[field] = value;
}

impl Altinn {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with_apps(apps: Vec<App>) -> Self {
        Self::with(|config| config.apps = apps).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::from_folder(&apps_folder()).unwrap();
        change(&mut config);
        let local = LocalAltinn::start(config).await.unwrap();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let mut altinn = Self {
            local,
            http,
            token: String::new(),
        };
        altinn.token = altinn.token_of(TTD, SCOPES).await;
        altinn
    }

    /// An Altinn token of an organisation, from Maskinporten and the token exchange.
    pub(super) async fn token_of(&self, org_number: &str, scopes: &str) -> String {
        let token = self
            .local
            .maskinporten_token(org_number, scopes, None)
            .unwrap();
        let url = format!(
            "{}/authentication/api/v1/exchange/maskinporten",
            self.local.url()
        );
        let response = self.http.get(url).bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.text().await.unwrap()
    }

    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.local.url())
        };
        self.http.request(method, url).bearer_auth(&self.token)
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        read(self.request(Method::GET, path)).await
    }

    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> Reply {
        read(self.request(method, path).json(body)).await
    }

    /// `POST /{app}/instances` with a multipart body.
    pub(super) async fn create(&self, app: &str, parts: &[Part<'_>]) -> Reply {
        read(self.creation(app, parts)).await
    }

    pub(super) fn creation(&self, app: &str, parts: &[Part<'_>]) -> reqwest::RequestBuilder {
        self.request(Method::POST, &format!("/{app}/instances"))
            .header("content-type", "multipart/form-data; boundary=f00dcafe")
            .body(multipart(parts))
    }

    /// Creates a case with a form. Returns its id.
    pub(super) async fn case(&self) -> String {
        let reply = self
            .create("ttd/casework", &[instance(), model(MODEL)])
            .await
            .expect(201);
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    /// Submits Kari's application up to the given stage. Returns its id.
    pub(super) fn application(&self, until: Stage) -> String {
        self.local.submit(&application(until)).unwrap()
    }

    pub(super) async fn app_instance(&self, app: &str, id: &str) -> Value {
        self.get(&format!("/{app}/instances/{id}"))
            .await
            .expect(200)
            .json()
    }
}

pub(super) async fn read(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply {
        status,
        headers,
        bytes: response.bytes().await.unwrap(),
    }
}

/// The header lines and the content of a part.
#[derive(Clone)]
pub(super) struct Part<'p> {
    pub(super) headers: String,
    pub(super) content: &'p [u8],
}

pub(super) fn part<'p>(name: &str, content_type: &str, content: &'p [u8]) -> Part<'p> {
    Part {
        headers: format!(
            "Content-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {content_type}"
        ),
        content,
    }
}

pub(super) fn file<'p>(
    name: &str,
    filename: &str,
    content_type: &str,
    content: &'p [u8],
) -> Part<'p> {
    let headers = format!(
        "Content-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"\r\nContent-Type: {content_type}"
    );
    Part { headers, content }
}

pub(super) fn instance() -> Part<'static> {
    part("instance", "application/json", br#"{"instanceOwner":{"organisationNumber":"310075728"},"dataValues":{"stafett.relay":"r1"}}"#)
}

pub(super) fn model(xml: &str) -> Part<'_> {
    part("model", "application/xml", xml.as_bytes())
}

pub(super) fn multipart(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend(format!("--f00dcafe\r\n{}\r\n\r\n", part.headers).bytes());
        body.extend(part.content);
        body.extend(b"\r\n");
    }
    body.extend(b"--f00dcafe--\r\n");
    body
}

pub(super) fn application(until: Stage) -> Submission {
    let form = json!({
        "soker": { "navn": "Kari Bygger", "fodselsnummer": KARI },
        "tiltak": [{ "kode": "TB", "beskrivelse": "Tilbygg", "areal": 24.5 }],
    });
    Submission {
        app: "ttd/permit".to_owned(),
        owner: SubmissionOwner::Person(KARI.to_owned()),
        forms: vec![("model".to_owned(), FormContent::Json(form))],
        attachments: vec![],
        until,
    }
}

/// The element of a data type in an instance.
#[track_caller]
pub(super) fn element<'v>(instance: &'v Value, data_type: &str) -> &'v Value {
    let data = instance["data"].as_array().unwrap();
    data.iter()
        .find(|element| element["dataType"] == data_type)
        .unwrap_or_else(|| panic!("no {data_type} in {data:?}"))
}

pub(super) fn sign(key: &local_altinn::DevelopmentKey, claims: &Value) -> String {
    key.sign(Algorithm::RS256, claims).unwrap()
}
