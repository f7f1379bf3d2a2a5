//! The local Events responds and delivers as the real Events was recorded to (`tests/recorded/events`).
//!
//! All conversations use one local Altinn, because the recorded ones share their subscriptions.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use local_altinn::{
    App, Config, FormContent, LocalAltinn, Register, Stage, Submission, SubmissionOwner,
};
use serde_json::{Value, json};

use super::recorded::compare::{self, Difference};
use super::recorded::http::{self, Reply};
use super::recorded::placeholders::Bindings;
use super::recorded::table::{Row, judge};
use super::recorded::{Conversation, folder};

const SUBSCRIPTIONS: &str = "/events/api/v1/subscriptions";
const SCOPES: &str =
    "altinn:serviceowner altinn:serviceowner/instances.read altinn:serviceowner/instances.write";
const SECRET: &str = "the-secret-in-the-path-of-the-address";
/// The id of the first recorded subscription.
const FIRST: usize = 20;
/// The conversations to replay first, in this order. Each creates a subscription or finds it.
const MADE: [&str; 6] = [
    "events-subscribe",
    "events-subscribe-again",
    "events-subscribe-all",
    "events-subscribe-empty-type",
    "events-subscribe-no-scope",
    "events-subscribe-source",
];
/// The conversations to replay after a subscription was deleted.
const LAST: [&str; 2] = ["events-delete", "events-delete-again"];

/// The known differences, and the reason for each.
const DIFFERENCES: &[Row] = &[
    Row {
        conversations: "events-app-* events-generic-*",
        at: "status",
        why: "polling is not served: neither Stafett nor an app in the playground polls",
    },
    Row {
        conversations: "events-register*",
        at: "status",
        why: "publishing over HTTP is not served: the apps of the local Altinn publish within it",
    },
    Row {
        conversations: "events-validate-by-owner",
        at: "status",
        why: "the platform's own call is not served, and so is refused to everybody",
    },
    Row {
        conversations: "events-subscribe-not-json",
        at: "body.errors.$.endPoint[]",
        why: "where in the body the value stands is not told",
    },
    Row {
        conversations: "events-webhook-validation-functions events-webhook-validation-other-secret",
        at: "sent.source",
        why: "these were recorded for subscriptions with other numbers",
    },
    Row {
        conversations: "events-webhook-dialogporten",
        at: "sent",
        why: "there is no Dialogporten: what it publishes is tried with receive alone",
    },
];

/// The events that the endpoint got, and its response on the subscribed path. It answers 404 on any other path.
#[derive(Clone)]
struct Hook {
    url: String,
    got: Arc<Mutex<Vec<(String, Value)>>>,
    accepts: Arc<Mutex<bool>>,
}

impl Hook {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook = Self {
            url: format!("http://{}/", listener.local_addr().unwrap()),
            got: Arc::default(),
            accepts: Arc::default(),
        };
        let answer = async |State(hook): State<Self>, Path(secret): Path<String>, body: String| {
            let event = serde_json::from_str(&body).unwrap();
            hook.got.lock().unwrap().push((secret.clone(), event));
            match secret == SECRET && *hook.accepts.lock().unwrap() {
                true => StatusCode::OK,
                false => StatusCode::NOT_FOUND,
            }
        };
        let router = Router::new().route("/events/{secret}", post(answer));
        let router = router.with_state(hook.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        hook
    }

    /// The first event of this type about this instance, or about no instance.
    async fn event(&self, kind: &str, instance: Option<&str>) -> Value {
        eventually(async || {
            let got = self.got.lock().unwrap();
            let mut events = got.iter().map(|(_, event)| event);
            let is_meant = |event: &&Value| {
                event["type"] == kind && event["resourceinstance"].as_str() == instance
            };
            events.find(is_meant).cloned()
        })
        .await
    }
}

async fn eventually<T>(mut something: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = something().await {
            return found;
        }
        assert!(Instant::now() < deadline, "it never came about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The local Altinn with the recorded app.
struct Events {
    altinn: LocalAltinn,
    hook: Hook,
}

impl Events {
    async fn start() -> Self {
        let permit = App::load(&folder().join("apps/permit")).unwrap();
        permit.set_events(true);
        let mut config = Config {
            apps: vec![permit],
            register: Register::load(&folder().join("apps/register.yaml")).unwrap(),
            domain: "altinn.no".to_owned(),
            ..Config::default()
        };
        config.events.subscription_cache = Duration::ZERO;
        // Retries to an endpoint that fails come early, so that the test need not wait for them.
        config.events.retry_scale = 0.001;
        Self {
            altinn: LocalAltinn::start(config).await.unwrap(),
            hook: Hook::start().await,
        }
    }

    /// The conversations by name, with a reachable endpoint instead of the recorded one.
    fn conversations(&self) -> BTreeMap<String, Conversation> {
        let files = std::fs::read_dir(folder().join("events")).unwrap();
        let conversations = files.map(|file| {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let text = text.replace("https://hooks.example.no/", &self.hook.url);
            let text = text
                .replace("{secret}", SECRET)
                .replace("{last}", "{guid9}");
            let mut recorded: Value = serde_json::from_str(&text).unwrap();
            // The test does not reproduce the HTTP version, the order of keys and the platform's own token.
            for field in ["http", "exact", "platformAccessToken"] {
                recorded["request"]
                    .as_object_mut()
                    .unwrap()
                    .shift_remove(field);
            }
            let mut conversation: Conversation = serde_json::from_value(recorded).unwrap();
            // The database returns them in no order.
            let listed = conversation.answer.body.as_mut();
            if let Some(listed) =
                listed.and_then(|body| body.pointer_mut("/subscriptions")?.as_array_mut())
            {
                listed.sort_by_key(|it| it["id"].as_i64());
            }
            (conversation.name.clone(), conversation)
        });
        conversations.collect()
    }

    /// Replays a conversation. Returns the differences.
    async fn play(&self, conversation: &Conversation) -> Vec<Difference> {
        let mut bindings = bindings();
        let caller = conversation.request.caller.as_deref().unwrap_or("owner");
        let token = self.token(caller);
        let address = self.altinn.url().replace("http://", "");
        let reply = http::send(
            &address,
            &conversation.request,
            token.as_deref(),
            &mut bindings,
        )
        .await;
        bindings.forget(|name| name.starts_with("time:"));
        compare::answers(&conversation.answer, &reply, &mut bindings)
    }

    /// Calls Events as the service owner.
    async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Reply {
        let request =
            reqwest::Client::new().request(method, format!("{}{path}", self.altinn.url()));
        let request = request.bearer_auth(self.token("owner").unwrap());
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        Reply {
            status: Some(answer.status().as_u16()),
            bytes: answer.bytes().await.unwrap().to_vec(),
            ..Reply::default()
        }
    }

    /// Subscribes another path of the endpoint. Returns the subscription's id.
    async fn subscribe(&self, path: &str) -> u64 {
        let body = json!({
            "endPoint": format!("{}events/{path}", self.hook.url),
            "resourceFilter": "urn:altinn:resource:app_ttd_permit",
        });
        let made = self
            .call(reqwest::Method::POST, SUBSCRIPTIONS, Some(body))
            .await;
        made.json().unwrap()["id"].as_u64().unwrap()
    }

    /// The token of a caller in the recordings.
    fn token(&self, who: &str) -> Option<String> {
        let now = self.altinn.clock().now().as_second();
        let organisation = |org: Option<&str>, number: &str, scopes: &str| {
            json!({
                "scope": scopes, "urn:altinn:org": org, "urn:altinn:orgNumber": number,
                "consumer": { "authority": "iso6523-actorid-upis", "ID": format!("0192:{number}") },
            })
        };
        let mut claims = match who {
            "owner" => organisation(Some("ttd"), "405003309", SCOPES),
            "owner without scopes" => organisation(Some("ttd"), "405003309", "altinn:something"),
            "owner with events.subscribe" => {
                let scopes = format!("{SCOPES} altinn:events.subscribe");
                organisation(Some("ttd"), "405003309", &scopes)
            }
            "other service owner" => organisation(Some("skd"), "312456788", SCOPES),
            "organisation that is no service owner" => organisation(None, "897069650", SCOPES),
            "user" => json!({ "urn:altinn:userid": "1337", "urn:altinn:partyid": 501_337 }),
            "nobody" => return None,
            other => panic!("nothing is known of a token of {other}"),
        };
        claims["iss"] = json!(format!(
            "{}/authentication/api/v1/openid/",
            self.altinn.url()
        ));
        (claims["nbf"], claims["exp"]) = (json!(now - 2), json!(now + 1500));
        Some(self.altinn.altinn_token(&claims).unwrap())
    }

    /// Compares the delivered event with the recorded one.
    async fn sent(&self, conversation: &Conversation) -> Vec<Difference> {
        let recorded = conversation.request.body.as_ref().unwrap();
        let kind = recorded["type"].as_str().unwrap();
        let owner = match recorded["alternativesubject"].as_str() {
            _ if kind.starts_with("dialogporten.") => {
                return vec![Difference {
                    at: "sent".to_owned(),
                    recorded: kind.to_owned(),
                    actual: "nothing".to_owned(),
                }];
            }
            Some(subject) if subject.starts_with("/org/") => {
                Some(SubmissionOwner::Organisation("897069650".to_owned()))
            }
            Some(_) => Some(SubmissionOwner::Person("01039012345".to_owned())),
            None => None,
        };
        let instance = owner.map(|owner| self.submit(owner));
        let event = self.hook.event(kind, instance.as_deref()).await;
        compare::values_at("sent", recorded, &event, &mut bindings())
    }

    /// A permit application whose process has ended.
    fn submit(&self, owner: SubmissionOwner) -> String {
        let form = json!({
            "soker": { "navn": "Sophie Salt", "fodselsnummer": "01039012345" },
            "tiltak": [{ "kode": "TB", "beskrivelse": "Tilbygg", "areal": 24.5 }],
        });
        let submission = Submission {
            app: "ttd/permit".to_owned(),
            owner,
            forms: vec![("model".to_owned(), FormContent::Json(form))],
            attachments: vec![],
            until: Stage::Ended,
        };
        self.altinn.submit(&submission).unwrap()
    }
}

/// The placeholders in the queries.
fn bindings() -> Bindings {
    let mut bindings = Bindings::default();
    bindings.bind("time:0", "2026-11-29T10:00:00");
    bindings.bind("time:0Z", "2026-11-29T10:00:00Z");
    bindings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_responds_and_delivers_as_recorded() {
    let events = Events::start().await;
    let mut left = events.conversations();
    assert_eq!(left.len(), 59);
    let mut outcomes: BTreeMap<String, Vec<Difference>> = BTreeMap::new();
    let play = async |conversation: Conversation| {
        let found = match conversation.request.at.as_str() {
            "receive" => events.sent(&conversation).await,
            _ => events.play(&conversation).await,
        };
        (conversation.name, found)
    };

    for number in 1..FIRST {
        let id = events.subscribe(&format!("{number}")).await;
        let path = format!("{SUBSCRIPTIONS}/{id}");
        events.call(reqwest::Method::DELETE, &path, None).await;
    }
    for name in MADE {
        outcomes.extend([play(left.remove(name).unwrap()).await]);
    }
    // From now on the endpoint accepts events on the subscribed path. The repeated subscription is validated again.
    *events.hook.accepts.lock().unwrap() = true;
    let again = json!({
        "endPoint": format!("{}events/{SECRET}", events.hook.url),
        "resourceFilter": "urn:altinn:resource:app_ttd_permit",
        "typeFilter": "app.instance.process.completed",
    });
    events
        .call(reqwest::Method::POST, SUBSCRIPTIONS, Some(again))
        .await;
    let path = format!("{SUBSCRIPTIONS}/{FIRST}");
    eventually(async || {
        let subscription = events.call(reqwest::Method::GET, &path, None).await;
        (subscription.json()?["validated"] == true).then_some(())
    })
    .await;

    let last = LAST.map(|name| left.remove(name).unwrap());
    let (webhooks, rest): (Vec<_>, Vec<_>) = left
        .into_values()
        .partition(|it| it.request.at == "receive");
    for conversation in rest {
        outcomes.extend([play(conversation).await]);
    }
    // The last recorded id, and a subscription that gets every event.
    assert_eq!(events.subscribe(&format!("{SECRET}?all")).await, 25);
    let path = format!("{SUBSCRIPTIONS}/25");
    eventually(async || {
        let subscription = events.call(reqwest::Method::GET, &path, None).await;
        (subscription.json()?["validated"] == true).then_some(())
    })
    .await;
    for conversation in webhooks.into_iter().chain(last) {
        outcomes.extend([play(conversation).await]);
    }

    let outcome = judge(DIFFERENCES, &outcomes);
    let report = format!(
        "{} recorded conversations with Events: {} agree, {} differ as named in {} rows\n",
        outcomes.len(),
        outcome.agreed,
        outcome.named,
        DIFFERENCES.len()
    );
    std::io::stdout().write_all(report.as_bytes()).unwrap();
    let told = [outcome.unnamed, outcome.gone].concat();
    assert!(told.is_empty(), "recorded / here:\n{}", told.join("\n"));
}
