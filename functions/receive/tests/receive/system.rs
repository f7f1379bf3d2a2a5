//! `receive` with its surroundings: an issuer, and queue and ledger behind wires on which things can go wrong.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_sqs::types::MessageSystemAttributeName;
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use lambda_http::{Body, Context, Request, RequestExt, Response};
use local_aws::{LocalAws, Stack};
use receive::Receive;
use serde_json::{Value, json};
use stafett_runtime::{
    clock::Clock,
    invocation::Invocation,
    ledger::Ledger,
    settings::{Environment, LedgerSettings},
};
use tempfile::TempDir;
use testbed::wire::{On, Wire};

use crate::issuer::{Issuer, ORGANISATION, SCOPE};

pub(crate) const SECRET: &str = "a-secret-of-at-least-32-characters-1";
pub(crate) const INSTANCE: &str = "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77";
pub(crate) const REQUEST_ID: &str = "JKJaXmPLvHcESHA=";
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// How many routes start at `ttd/popular`: more than one call to SQS takes.
pub(crate) const POPULAR: usize = 12;

pub(crate) struct System {
    pub(crate) aws: LocalAws,
    pub(crate) wire: Wire,
    pub(crate) ledger_wire: Wire,
    pub(crate) issuer: Issuer,
    pub(crate) receive: Arc<Receive>,
    pub(crate) routes: Option<TempDir>,
}

impl System {
    pub(crate) async fn start() -> Self {
        let routes = routes();
        let mut system = Self::with_routes(routes.path()).await;
        system.routes = Some(routes);
        system
    }

    /// With the routes in a directory.
    pub(crate) async fn with_routes(routes: &Path) -> Self {
        let aws = LocalAws::start(&Stack::stafett().unwrap()).await.unwrap();
        let wire = Wire::start(&aws.endpoints().sqs).await.unwrap();
        let ledger_wire = Wire::start(&aws.endpoints().dynamodb).await.unwrap();
        let mut endpoints = aws.endpoints().clone();
        endpoints.sqs = wire.url().to_owned();
        endpoints.dynamodb = ledger_wire.url().to_owned();
        let issuer = Issuer::start().await;
        let settings = settings(&aws, &issuer, routes);
        let environment = Environment::new(|name| settings.get(name).cloned());
        let receive = Receive::new(&environment, &endpoints.sdk_config(), Clock::system())
            .await
            .unwrap();
        drop(environment);
        Self {
            aws,
            wire,
            ledger_wire,
            issuer,
            receive: Arc::new(receive),
            routes: None,
        }
    }

    pub(crate) async fn call(&self, call: Call) -> Reply {
        let request = call.request();
        let context = request.lambda_context_ref();
        let invocation = context.map(Invocation::from).unwrap_or_default();
        Reply::from(self.receive.handle(request, &invocation).await)
    }

    /// A call of app A with a good token.
    pub(crate) fn trigger(&self, body: impl ToString) -> Call {
        let token = self.issuer.token(Timestamp::now());
        Call::new("POST", "/triggers")
            .header("authorization", format!("Bearer {token}"))
            .json(body)
    }

    /// A question of app A with a good token.
    pub(crate) fn relays(&self, instance: &str) -> Call {
        let token = self.issuer.token(Timestamp::now());
        Call::new("GET", &format!("/relays/{instance}"))
            .header("authorization", format!("Bearer {token}"))
    }

    /// The ledger, past the wire.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::new(&self.aws.endpoints().sdk_config(), &table(&self.aws))
    }

    /// How often the queue was called. A refused call must not get so far.
    pub(crate) fn sends(&self) -> usize {
        self.wire
            .journal()
            .count(&On::operation("SendMessageBatch"))
    }

    /// The messages that lie in the queue, once there are `count`, by route and body.
    pub(crate) async fn queued(&self, count: usize) -> BTreeMap<String, Value> {
        let messages = self.messages(count).await.into_iter();
        messages.map(|(route, (body, _))| (route, body)).collect()
    }

    /// The same, each with the trace header that it was sent with.
    pub(crate) async fn messages(&self, count: usize) -> BTreeMap<String, (Value, Option<String>)> {
        let sqs = aws_sdk_sqs::Client::new(&self.aws.endpoints().sdk_config());
        let began = Instant::now();
        let mut messages = BTreeMap::new();
        while messages.len() < count {
            assert!(
                began.elapsed() < DEADLINE,
                "{} of {count} messages",
                messages.len()
            );
            let received = sqs
                .receive_message()
                .queue_url(&self.aws.resources().queue.url)
                .max_number_of_messages(10)
                .message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader)
                .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
                .wait_time_seconds(1)
                .send()
                .await
                .unwrap();
            for message in received.messages.unwrap_or_default() {
                let body: Value = serde_json::from_str(&message.body.unwrap()).unwrap();
                let mut attributes = message.attributes.unwrap_or_default();
                let trace = attributes.remove(&MessageSystemAttributeName::AwsTraceHeader);
                let route = body["route"].as_str().unwrap().to_owned();
                let group = attributes.remove(&MessageSystemAttributeName::MessageGroupId);
                assert_eq!(group.as_ref(), Some(&route), "the group is the route");
                let twice = messages.insert(route, (body, trace));
                assert!(twice.is_none(), "a route was triggered twice: {twice:?}");
            }
        }
        messages
    }
}

/// The settings of `receive`, by variable.
pub(crate) fn settings(aws: &LocalAws, issuer: &Issuer, routes: &Path) -> BTreeMap<String, String> {
    [
        ("STAFETT_ROUTES", routes.to_str().unwrap()),
        ("STAFETT_QUEUE_URL", &aws.resources().queue.url),
        ("STAFETT_TABLE", &aws.resources().table),
        ("MASKINPORTEN_ISSUER", &issuer.name),
        ("TRIGGER_SCOPE", SCOPE),
        ("TRIGGER_CONSUMERS", &format!("0192:{ORGANISATION}")),
        ("EVENTS_SECRET", SECRET),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn table(aws: &LocalAws) -> LedgerSettings {
    let table = aws.resources().table.clone();
    let source = Environment::new(|name| (name == "STAFETT_TABLE").then(|| table.clone()));
    LedgerSettings::read(&source).unwrap()
}

/// Two routes from `ttd/permit`, many from `ttd/popular`.
pub(crate) fn routes() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, from: &str| {
        let route = format!(
            "name: {name}\n\
             from:\n  app: {from}\n  when: {{ process: completed }}\n  since: 2026-11-01\n\
             to:\n  app: ttd/casework\n  owner: {{ organisation: \"'310075728'\" }}\n\
             model:\n  soknad:\n    referanse: instance.id\n"
        );
        std::fs::write(directory.path().join(format!("{name}.yaml")), route).unwrap();
    };
    write("permit-to-archive", "ttd/permit");
    write("permit-to-casework", "ttd/permit");
    for number in 0..POPULAR {
        write(&format!("popular-{number}"), "ttd/popular");
    }
    directory
}

/// A call as API Gateway hands it on: an event of payload format 2.0.
#[derive(Clone)]
pub(crate) struct Call(Value, Context);

impl Call {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let key = match path.strip_prefix("/events/") {
            Some(secret) if !secret.contains('/') => format!("{method} /events/{{secret}}"),
            _ => format!("{method} {path}"),
        };
        let instance = path
            .strip_prefix("/relays/")
            .and_then(|id| id.split_once('/'));
        let instance = instance.filter(|(_, guid)| !guid.contains('/'));
        let key = match instance {
            Some(_) => format!("{method} /relays/{{party}}/{{guid}}"),
            None => key,
        };
        let mut event = json!({
            "version": "2.0",
            "routeKey": key,
            "rawPath": path,
            "rawQueryString": "",
            "headers": { "host": "api.example.no", "x-forwarded-proto": "https" },
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "api",
                "domainName": "api.example.no",
                "http": {
                    "method": method, "path": path, "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1", "userAgent": "test"
                },
                "requestId": REQUEST_ID,
                "routeKey": key,
                "stage": "$default",
                "time": "22/Nov/2026:10:00:00 +0000",
                "timeEpoch": 1_795_341_600_000_u64
            },
            "isBase64Encoded": false
        });
        if let Some(secret) = path.strip_prefix("/events/") {
            event["pathParameters"] = json!({ "secret": secret });
        }
        if let Some((party, guid)) = instance {
            event["pathParameters"] = json!({ "party": party, "guid": guid });
        }
        Self(event, Context::default())
    }

    /// One event as Altinn delivers it.
    pub(crate) fn event(event: impl ToString) -> Self {
        Self::new("POST", &format!("/events/{SECRET}"))
            .header("content-type", "application/json; charset=utf-8")
            .body(event)
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0["headers"][name] = value.into().into();
        self
    }

    pub(crate) fn json(self, body: impl ToString) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    pub(crate) fn body(mut self, body: impl ToString) -> Self {
        self.0["body"] = body.to_string().into();
        self
    }

    /// The body as API Gateway hands on what it does not take for text.
    pub(crate) fn in_base64(mut self) -> Self {
        let body = BASE64_STANDARD.encode(self.0["body"].as_str().unwrap());
        self.0["body"] = body.into();
        self.0["isBase64Encoded"] = true.into();
        self
    }

    /// With a body that is no text.
    pub(crate) fn bytes(mut self, body: &[u8]) -> Self {
        self.0["body"] = BASE64_STANDARD.encode(body).into();
        self.0["isBase64Encoded"] = true.into();
        self
    }

    /// The same call, run by Lambda under this trace.
    pub(crate) fn traced(mut self, header: &str) -> Self {
        self.1.xray_trace_id = Some(header.to_owned());
        self
    }

    /// The same call, behind a route of API Gateway that catches everything.
    pub(crate) fn by_default_route(mut self) -> Self {
        self.0["routeKey"] = "$default".into();
        self.0["requestContext"]["routeKey"] = "$default".into();
        self.0
            .as_object_mut()
            .unwrap()
            .shift_remove("pathParameters");
        self
    }

    /// The same call, at a domain that puts its own path in front.
    pub(crate) fn below(mut self, base: &str) -> Self {
        let path = format!("{base}{}", self.0["rawPath"].as_str().unwrap());
        self.0["rawPath"] = path.into();
        self
    }

    pub(crate) fn payload(&self) -> &Value {
        &self.0
    }

    fn request(&self) -> Request {
        let request = lambda_http::request::from_str(&self.0.to_string()).unwrap();
        request.with_lambda_context(self.1.clone())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// All headers, by name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl From<Response<Body>> for Reply {
    fn from(response: Response<Body>) -> Self {
        let headers = response.headers().iter();
        Self {
            status: response.status().as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            text: std::str::from_utf8(response.body()).unwrap().to_owned(),
        }
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Checks that this is a problem of this kind, and returns its detail.
    pub(crate) fn problem(&self, status: u16, name: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let body = self.json();
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:stafett:problem:{name}"));
        assert!(!body["title"].as_str().unwrap().is_empty());
        body["detail"].as_str().unwrap().to_owned()
    }
}
