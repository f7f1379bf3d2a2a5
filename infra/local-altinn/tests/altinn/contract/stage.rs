//! A local Altinn in which one conversation is replayed.

use app_files::AppFiles;
use local_altinn::{App, CallFault, Config, CreationStep, Fault, Library, LocalAltinn, Register};
use serde_json::{Value, json};

use super::given;
use crate::recorded::compare::{self, Difference};
use crate::recorded::http::{self, Reply};
use crate::recorded::placeholders::Bindings;
use crate::recorded::{Conversation, Left, Request, folder};

const NEXT: &str = "ttd/casework9";
const NEXT_WITH_DELETE: &str = "ttd/casework9d";
const TTD: &str = "405003309";
const READ: &str = "altinn:serviceowner/instances.read";
const SCOPES: &str =
    "altinn:serviceowner altinn:serviceowner/instances.read altinn:serviceowner/instances.write";

/// The order of the later calls that change the instance. Calls that only read it come first.
const IN_TURN: [&str; 5] = [
    "GET instance",
    "GET /process",
    "PUT /process/next",
    "POST /process/resume",
    "GET /process again",
];

/// The files of the recorded apps. The two apps of the next generation have the files of `casework`.
pub(crate) fn files() -> Vec<AppFiles> {
    let read = |name: &str| AppFiles::read(&folder().join("apps").join(name)).unwrap();
    let renamed = |name: &str| {
        let mut files = read("casework");
        files.id = name.parse().unwrap();
        files.document["id"] = json!(name);
        files
    };
    vec![
        read("contract"),
        read("casework"),
        read("permit"),
        renamed(NEXT),
        renamed(NEXT_WITH_DELETE),
    ]
}

/// The apps on this version of the library. The apps of the next generation run on theirs.
pub(crate) fn apps(files: &[AppFiles], library: Library) -> Vec<App> {
    let apps: Vec<App> = files
        .iter()
        .map(|files| App::from_files(files).unwrap())
        .collect();
    for app in &apps {
        match app.id() {
            NEXT => app.run_on(Library::NEXT),
            NEXT_WITH_DELETE => {
                app.run_on(Library::NEXT);
                app.permit("delete");
            }
            _ => app.run_on(library),
        }
    }
    apps
}

/// The version with which the conversation's name begins, as in `v8.12.2-create-orphan`, or else the current one.
pub(crate) fn library(conversation: &str) -> Library {
    let version = conversation.strip_prefix('v').and_then(|name| {
        let (version, _) = name.split_once('-')?;
        let mut numbers = version.split('.').map(|number| number.parse().ok());
        Some((numbers.next()??, numbers.next()??, numbers.next()??))
    });
    version.map_or(Library::TODAY, |(major, minor, patch)| {
        Library::new(major, minor, patch)
    })
}

/// The fault inside Altinn, if the conversation's name tells it.
fn fault(conversation: &str) -> Option<Fault> {
    let (step, trouble) = match conversation {
        name if name.ends_with("-create-storage-400-data") => {
            (CreationStep::Element(0), CallFault::Refused(400))
        }
        name if name.ends_with("-create-storage-429-data") => {
            (CreationStep::Element(0), CallFault::Refused(429))
        }
        name if name.ends_with("-create-storage-429-process") => {
            (CreationStep::Process, CallFault::Refused(429))
        }
        "v9-create-not-accepted" | "v9-create-not-accepted-no-delete" => {
            (CreationStep::Submission, CallFault::Refused(503))
        }
        "v9-create-acceptance-unknown" => (CreationStep::Submission, CallFault::Unreachable),
        "v9-create-poll-failed" | "v9-create-poll-failed-deleted" => {
            (CreationStep::Poll, CallFault::Refused(502))
        }
        "v9-create-step-failed" => (CreationStep::Process, CallFault::Refused(400)),
        _ => return None,
    };
    Some(Fault::at(step, trouble))
}

pub(crate) struct Stage<'c> {
    conversation: &'c Conversation,
    apps: Vec<String>,
    pub(crate) altinn: LocalAltinn,
    pub(crate) bindings: Bindings,
}

impl<'c> Stage<'c> {
    /// Starts a local Altinn and sets up the state that `given` describes.
    pub(crate) async fn set(conversation: &'c Conversation, apps: Vec<App>) -> Self {
        let ids = apps.iter().map(|app| app.id().to_owned()).collect();
        let config = Config {
            apps,
            register: Register::load(&folder().join("apps/register.yaml")).unwrap(),
            // The recorded Storage had no gateway.
            gateway_guards_storage: false,
            ..Config::default()
        };
        let mut stage = Self {
            conversation,
            apps: ids,
            altinn: LocalAltinn::start(config).await.unwrap(),
            bindings: Bindings::default(),
        };
        given::set_up(&mut stage, conversation).await;
        stage
    }

    /// Replays the conversation. Returns the differences.
    pub(crate) async fn play(mut self) -> Vec<Difference> {
        let conversation = self.conversation;
        if let Some(party) = given::party(conversation) {
            self.bindings.bind("party", party);
        }
        let before = self.seen_before(conversation).await;
        self.make_unreachable(&conversation.request.at);
        if let Some(fault) = fault(&conversation.name) {
            self.altinn.faults().next(1, None, fault);
        }
        let reply = self.send(&conversation.request).await;
        self.altinn.faults().clear();
        // The times of the request appear elsewhere in the response, and the token is that of another page.
        self.bindings
            .forget(|name| name.starts_with("time:") || matches!(name, "ticks" | "number"));
        let mut found = compare::answers(&conversation.answer, &reply, &mut self.bindings);
        if let Some(left) = &conversation.left {
            let mut left = left.clone();
            for events in left.iter_mut().filter_map(|left| left.events.as_mut()) {
                // The history contains the events of the process.
                events.retain(|event| event.starts_with("process_"));
            }
            let tells_events = left.iter().any(|left| left.events.is_some());
            found.extend(compare::left(&left, &self.left(tells_events)));
        }
        let then = conversation.then.iter().flatten();
        let mut then: Vec<(&String, &Value)> = then.collect();
        then.sort_by_key(|(asked, _)| IN_TURN.iter().position(|turn| turn == asked));
        for (asked, recorded) in then {
            let seen = self.ask(asked, before.as_ref()).await;
            let at = format!("then.{asked}");
            found.extend(compare::values_at(&at, recorded, &seen, &mut self.bindings));
        }
        found
    }

    fn left(&self, tells_events: bool) -> Vec<Left> {
        let instances = self.apps.iter().flat_map(|app| self.altinn.instances(app));
        instances
            .map(|instance| {
                let mut left = Left::of(&instance);
                if tells_events {
                    let history = self.altinn.history(instance["id"].as_str().unwrap());
                    let kinds = history
                        .iter()
                        .filter_map(|event| event["eventType"].as_str());
                    left.events = Some(kinds.map(str::to_owned).collect());
                    left.sort();
                }
                left
            })
            .collect()
    }

    /// The result of a later call, which the recording names.
    async fn ask(&mut self, asked: &str, before: Option<&Value>) -> Value {
        let (method, path) = match asked {
            "GET instance" => ("GET", ""),
            "GET /process" | "GET /process again" => ("GET", "/process"),
            "PUT /process/next" => ("PUT", "/process/next"),
            "POST /process/resume" => ("POST", "/process/resume"),
            _ => {
                let instance = self.read_storage().await;
                return match asked {
                    "GET Storage" => json!(instance.status),
                    "status" => instance.json().unwrap()["status"].clone(),
                    "dataValues" => instance.json().unwrap()["dataValues"].clone(),
                    "lastChangedMoved" => {
                        let after = instance.json().map(|json| json["lastChanged"].clone());
                        json!(before != after.as_ref())
                    }
                    other => panic!("{}: nothing is known of {other}", self.conversation.name),
                };
            }
        };
        let app = self.conversation.request.at.clone();
        let instances = self.altinn.instances(&app);
        let [instance] = &instances[..] else {
            panic!("{} instances of {app}", instances.len())
        };
        let id = instance["id"].as_str().unwrap();
        let path = format!("/{app}/instances/{id}{path}");
        let body = (method == "PUT").then(|| json!({}));
        let reply = self.call(method, &app, &path, "owner", body).await;
        let body = reply.json().unwrap_or_default();
        if asked == "GET instance" {
            return json!({
                "status": reply.status,
                "currentTask": body["process"]["currentTask"]["elementId"],
            });
        }
        json!({ "status": reply.status, "body": body })
    }

    /// `lastChanged` before the request, if the conversation tells whether it changed.
    async fn seen_before(&mut self, conversation: &Conversation) -> Option<Value> {
        conversation.then.as_ref()?.get("lastChangedMoved")?;
        Some(self.read_storage().await.json()?["lastChanged"].clone())
    }

    /// Storage's view of the instance `{a}`.
    async fn read_storage(&mut self) -> Reply {
        let guid = self.bindings.get("a").unwrap().to_owned();
        self.call(
            "GET",
            "storage",
            &format!("/storage/api/v1/instances/{guid}"),
            "owner",
            None,
        )
        .await
    }

    fn make_unreachable(&self, at: &str) {
        let Some((app, what)) = at.split_once(", ") else {
            return;
        };
        let fault = match what {
            "PDP down" => Fault::DecisionPointDown,
            "register down" => Fault::RegisterDown,
            "Storage down" => Fault::StorageDown,
            other => panic!("nothing is known of {other}"),
        };
        self.altinn.faults().always(Some(app), fault);
    }

    pub(crate) async fn send(&mut self, request: &Request) -> Reply {
        let token = self.token(request.caller.as_deref().unwrap_or("owner"));
        let address = self.address();
        http::send(&address, request, token.as_deref(), &mut self.bindings).await
    }

    /// Sends a request that was not recorded.
    pub(crate) async fn call(
        &mut self,
        method: &str,
        at: &str,
        path: &str,
        caller: &str,
        body: Option<Value>,
    ) -> Reply {
        let request = Request {
            method: method.to_owned(),
            at: at.to_owned(),
            path: path.to_owned(),
            caller: Some(caller.to_owned()),
            headers: [].into(),
            body,
            parts: None,
            cut: None,
            no_end: None,
        };
        self.send(&request).await
    }

    fn address(&self) -> String {
        self.altinn.url().trim_start_matches("http://").to_owned()
    }

    /// The token of a caller in the recordings.
    fn token(&self, who: &str) -> Option<String> {
        let now = self.altinn.clock().now().as_second();
        let sign = |claims: Value, more: Value| {
            let mut all = json!({
                "iss": format!("{}/authentication/api/v1/openid/", self.altinn.url()),
                "nbf": now - 2, "iat": now - 2, "exp": now + 1500,
            });
            for claims in [claims, more] {
                for (name, value) in claims.as_object().unwrap() {
                    all[name] = value.clone();
                }
            }
            self.altinn.altinn_token(&all).unwrap()
        };
        let organisation = |org: Option<&str>, number: &str, scopes: &str| {
            let mut claims = json!({
                "scope": scopes, "token_type": "Bearer", "client_id": "00000000-0000-4000-8000-000000000001",
                "consumer": { "authority": "iso6523-actorid-upis", "ID": format!("0192:{number}") },
                "urn:altinn:orgNumber": number, "urn:altinn:authenticatemethod": "maskinporten", "urn:altinn:authlevel": 3,
            });
            if let Some(org) = org {
                claims["urn:altinn:org"] = json!(org);
            }
            claims
        };
        let user = |user: u32, party: u32, name: &str| {
            json!({
                "nameid": user.to_string(), "urn:altinn:userid": user.to_string(), "urn:altinn:username": name,
                "urn:altinn:partyid": party, "urn:altinn:authlevel": 2, "scope": "altinn:portal/enduser",
            })
        };
        let owner = |scopes: &str, more: Value| sign(organisation(Some("ttd"), TTD, scopes), more);
        Some(match who {
            "owner" => owner(SCOPES, json!({})),
            "owner without scopes" => owner("altinn:something", json!({})),
            "owner with read only" => owner(READ, json!({})),
            "owner, expired" => owner(
                SCOPES,
                json!({ "nbf": now - 900, "iat": now - 900, "exp": now - 5 }),
            ),
            "organisation that is no service owner" => {
                sign(organisation(None, "897069650", SCOPES), json!({}))
            }
            "owner of authentication level 0" => {
                owner(SCOPES, json!({ "urn:altinn:authlevel": 0 }))
            }
            "other service owner" => {
                sign(organisation(Some("skd"), "312456788", SCOPES), json!({}))
            }
            "user" => sign(user(1337, 501337, "SophieDDG"), json!({})),
            "other user" => sign(user(12345, 512345, "OlaNordmann"), json!({})),
            // It has the signature of another token.
            "bad signature" => {
                let (token, other) = (owner(SCOPES, json!({})), owner(READ, json!({})));
                let (claims, _) = token.rsplit_once('.').unwrap();
                let (_, signature) = other.rsplit_once('.').unwrap();
                format!("{claims}.{signature}")
            }
            "garbage" => "not.a.token".to_owned(),
            "nobody" => return None,
            other => panic!("nothing is known of a token of {other}"),
        })
    }
}
