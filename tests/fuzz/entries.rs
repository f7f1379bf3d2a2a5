//! Untrusted input, and the code that reads it first.
//!
//! Used by the fuzz targets, and by the story that replays their corpus in every test run. Each entry
//! returns all output that Stafett derives from its input: errors, responses and `Debug` texts. None of it
//! may repeat the input.

use std::{collections::BTreeMap, sync::Arc};

use aws_config::{BehaviorVersion, SdkConfig};
use lambda_http::http::{Request, StatusCode, header};
use receive::Receive;
use serde_json::{Value, json};
use stafett_core::{
    completeness,
    instance::Instance,
    language::{Expression, Scope, Surroundings},
    metadata::ApplicationMetadata,
    preflight::{self, TargetApp},
    process::Progress,
    relay::decide::Engine,
    route::Routes,
    schema::Schema,
    transform,
    trigger::Trigger,
};
use stafett_runtime::{clock::Clock, invocation::Invocation, settings::Environment};
use tempfile::TempDir;

const ROUTE: &str = include_str!("../../infra/routes/permit-to-casework.yaml");
const SCHEMA: &str = include_str!("../../infra/apps/ttd/casework/models/model.schema.json");
const METADATA: &str = include_str!("../../infra/apps/ttd/casework/applicationmetadata.json");
const INSTANCE: &str =
    include_str!("../../infra/apps/ttd/permit/samples/two-measures/instance.json");
const SECRET: &str = "a-secret-of-at-least-32-characters-1";

/// The body of a queue message, read as `instantiate` reads it.
pub(super) fn message(body: &[u8]) -> Vec<String> {
    match Trigger::from_message(&String::from_utf8_lossy(body)) {
        Err(error) => vec![error.to_string(), format!("{error:?}")],
        Ok(trigger) => {
            let written = trigger.to_message().expect("a trigger can be written");
            let read = Trigger::from_message(&written).expect("a trigger that was written is one");
            assert_eq!(read, trigger);
            Vec::new()
        }
    }
}

/// An expression of a route, compiled and evaluated over a form whose every text is a secret.
pub(super) fn expression(text: &[u8]) -> Vec<String> {
    let Ok(expression) = Expression::compile(&String::from_utf8_lossy(text), &[]) else {
        return Vec::new();
    };
    let instance = json!({ "process": { "ended": "2026-06-30T22:30:00Z" } });
    let data = json!({
        "model": {
            "navn": "HEMMELIG", "sum": 12.50, "dato": "2026-11-01", "tom": null,
            "rader": [{ "kode": "HEMMELIG A", "sum": 1 }, { "kode": "A", "sum": null }],
        },
        "A3_RA-0792_M": { "fødselsnummer": "HEMMELIG" },
    });
    let Value::Object(data) = data else {
        return Vec::new();
    };
    let scope = Scope::new(&instance, &data);
    let first = expression.evaluate(&scope);
    assert_eq!(first, expression.evaluate(&scope), "a pure function");
    // Whatever is inferred without schemas, it ends.
    let _ = expression.infer(&Surroundings::default());
    match first {
        Ok(_) => vec![format!("{scope:?}")],
        Err(error) => vec![error.to_string(), format!("{error:?}")],
    }
}

/// What the sample app B tells of itself.
fn sample_app() -> TargetApp {
    let metadata: ApplicationMetadata =
        serde_json::from_str(METADATA).expect("the sample's metadata");
    let schema = serde_json::from_str(SCHEMA).expect("the sample's schema is JSON");
    let schema = Schema::compile(schema, "the sample's schema".to_owned()).map(Arc::new);
    TargetApp {
        metadata: Arc::new(metadata),
        schemas: BTreeMap::from([("model".to_owned(), schema)]),
    }
}

/// The path from an A instance to the draft, as far as it needs no network.
pub(super) struct Drafting {
    routes: Routes,
    b: TargetApp,
    form: Value,
    directory: TempDir,
}

impl Drafting {
    /// With the sample route and the metadata of the sample app B.
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let file = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).expect("a file can be written");
        };
        file("route.yaml", ROUTE);
        Self {
            routes: Routes::load(directory.path()).expect("the sample route"),
            b: sample_app(),
            form: json!({
                "soker": { "navn": "Kari Bygger", "fodselsnummer": "12837832290" },
                "tiltak": [
                    { "kode": "TB", "beskrivelse": "Tilbygg mot vest", "areal": 24.5 },
                    { "kode": "GA", "beskrivelse": "Frittliggende garasje", "areal": 36 },
                ],
                "merknad": "Nabovarsel er sendt 3. november.",
            }),
            directory,
        }
    }

    /// An instance as Altinn returns it, read and mapped to a checked draft by the sample route.
    pub(super) fn instance(&self, json: &[u8]) -> Vec<String> {
        // For JSON that is not an instance the client says only that it is not one.
        let instance = serde_json::from_slice(json)
            .ok()
            .and_then(|json| Instance::from_json(json).ok());
        match instance {
            Some(instance) => self.drafts(&self.routes, &instance),
            None => Vec::new(),
        }
    }

    /// A route file, used to draft the sample's instance. Errors quote the route: its text is the author's and not
    /// secret.
    pub(super) fn route(&self, text: &[u8]) {
        let file = self.directory.path().join("route.yaml");
        std::fs::write(file, text).expect("a file can be written");
        match Routes::load(self.directory.path()) {
            Err(errors) => {
                assert!(!errors.to_string().is_empty());
                let named = errors
                    .0
                    .iter()
                    .all(|error| error.file.starts_with(self.directory.path()));
                assert!(named, "an error names its file");
            }
            Ok(routes) => {
                let instance = serde_json::from_str(INSTANCE).expect("the sample is JSON");
                let instance = Instance::from_json(instance).expect("the sample is an instance");
                // Twice, because a draft must be a pure function of route and data.
                let drafts = self.drafts(&routes, &instance);
                assert_eq!(drafts, self.drafts(&routes, &instance));
            }
        }
    }

    fn drafts(&self, routes: &Routes, instance: &Instance) -> Vec<String> {
        let mut said = vec![format!("{instance:?}")];
        for route in routes.iter() {
            let Some(since) = transform::open_since(&route.gate, instance) else {
                continue;
            };
            let data = json!({ "model": self.form });
            let Value::Object(data) = data else { continue };
            let parts = match transform::drafts(route, instance, &data, since) {
                Ok(parts) => parts,
                Err(error) => {
                    said.extend([error.to_string(), format!("{error:?}")]);
                    continue;
                }
            };
            for part in parts {
                said.push(format!("{part:?}"));
                match part
                    .draft
                    .map(|draft| preflight::check(draft, &route.to, &self.b))
                {
                    Err(error) => said.push(error.to_string()),
                    Ok(Err(objections)) => {
                        said.extend([objections.to_string(), format!("{objections:?}")]);
                    }
                    Ok(Ok(checked)) => {
                        said.push(format!("{checked:?}"));
                        // The input may also be the B that is found for this draft.
                        let progress = Progress {
                            started: true,
                            engine: Engine::Idle,
                        };
                        let lacks =
                            completeness::lacks(&checked, &self.b.metadata, instance, progress);
                        said.extend([lacks.to_string(), format!("{lacks:?}")]);
                    }
                }
            }
        }
        said
    }
}

/// Creates a token that is valid now.
pub(super) type Token = Box<dyn Fn() -> String>;

/// The HTTP API's function, with a route whose app never calls, so that nothing is sent to a queue.
pub(super) struct Inbound {
    receive: Receive,
    /// Creates the token of a caller of `POST /triggers`.
    token: Option<Token>,
    _routes: TempDir,
}

impl Inbound {
    /// For callers with tokens of `issuer`.
    pub(super) async fn new(issuer: &str, token: Option<Token>) -> Self {
        let routes = tempfile::tempdir().expect("a temporary folder");
        let route = ROUTE.replace("ttd/permit", "ttd/elsewhere");
        let file = |name: &str, text: &str| {
            std::fs::write(routes.path().join(name), text).expect("a file can be written");
        };
        file("route.yaml", &route);
        let directory = routes.path().display().to_string();
        let settings = Environment::new(|name| {
            let value = match name {
                "STAFETT_ROUTES" => &directory,
                // Nothing listens on this address.
                "STAFETT_QUEUE_URL" => "http://127.0.0.1:9/123456789012/nowhere",
                "STAFETT_TABLE" => "nowhere",
                "TRIGGER_ISSUER" => issuer,
                "TRIGGER_SCOPE" => "ttd:stafett.trigger",
                "TRIGGER_CONSUMERS" => "405003309",
                "EVENTS_SECRET" => SECRET,
                _ => return None,
            };
            Some(value.to_owned())
        });
        let aws = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .build();
        let receive = Receive::new(&settings, &aws, Clock::system())
            .await
            .expect("receive starts");
        drop(settings);
        Self {
            receive,
            token,
            _routes: routes,
        }
    }

    /// Sends a body to `POST /events/{secret}` and, if there is a token, to `POST /triggers`.
    pub(super) async fn body(&self, body: &[u8]) -> Vec<String> {
        let mut said = self.call(&format!("/events/{SECRET}"), body, None).await;
        if let Some(token) = &self.token {
            said.extend(self.call("/triggers", body, Some(token())).await);
        }
        said
    }

    async fn call(&self, path: &str, body: &[u8], token: Option<String>) -> Vec<String> {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(body.to_vec().into()).expect("a request");
        let answer = self.receive.handle(request, &Invocation::default()).await;
        let expected = [
            StatusCode::OK,
            StatusCode::BAD_REQUEST,
            StatusCode::NOT_FOUND,
            StatusCode::PAYLOAD_TOO_LARGE,
        ];
        assert!(expected.contains(&answer.status()), "{}", answer.status());
        let headers = answer.headers().values();
        let mut said: Vec<String> = headers
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        said.push(String::from_utf8_lossy(answer.body().as_ref()).into_owned());
        said
    }
}
