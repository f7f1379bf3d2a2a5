//! A local Altinn in which one conversation takes place.

use local::altinn::{App, Config, Fault, LocalAltinn, Register};
use serde_json::{Value, json};

use crate::given;
use crate::recorded::compare::{self, Difference};
use crate::recorded::http::{self, Reply};
use crate::recorded::placeholders::Bindings;
use crate::recorded::{Conversation, Left, Request, folder};

const TTD: &str = "405003309";
const READ: &str = "altinn:serviceowner/instances.read";
const SCOPES: &str =
    "altinn:serviceowner altinn:serviceowner/instances.read altinn:serviceowner/instances.write";

/// The apps that were recorded.
pub(crate) fn apps() -> Vec<App> {
    ["contract", "casework", "permit"]
        .into_iter()
        .map(|name| App::load(&folder().join("apps").join(name)).unwrap())
        .collect()
}

pub(crate) struct Stage<'c> {
    conversation: &'c Conversation,
    pub(crate) altinn: LocalAltinn,
    pub(crate) bindings: Bindings,
}

impl<'c> Stage<'c> {
    /// Starts a local Altinn and brings about what `given` describes.
    pub(crate) async fn set(conversation: &'c Conversation, apps: Vec<App>) -> Self {
        let config = Config {
            apps,
            register: Register::load(&folder().join("apps/register.yaml")).unwrap(),
            // The recorded Storage had no gateway in front of it.
            gateway_guards_storage: false,
            ..Config::default()
        };
        let mut stage = Self {
            conversation,
            altinn: LocalAltinn::start(config).await.unwrap(),
            bindings: Bindings::default(),
        };
        given::bring_about(&mut stage, conversation).await;
        stage
    }

    /// Has the conversation, and tells where it went otherwise.
    pub(crate) async fn play(mut self) -> Vec<Difference> {
        let conversation = self.conversation;
        if let Some(party) = given::party(conversation) {
            self.bindings.bind("party", party);
        }
        let before = self.seen_before(conversation).await;
        self.break_what_was_out_of_reach(&conversation.request.at);
        let reply = self.send(&conversation.request).await;
        self.altinn.faults().clear();
        // A moment that was asked for is one of many in the answer.
        self.bindings.forget(|name| name.starts_with("time:"));
        let mut found = compare::answers(&conversation.answer, &reply, &mut self.bindings);
        if let Some(left) = &conversation.left {
            let actual: Vec<Left> = ["ttd/contract", "ttd/casework", "ttd/permit"]
                .into_iter()
                .flat_map(|app| self.altinn.instances(app))
                .map(|instance| Left::of(&instance))
                .collect();
            found.extend(compare::left(left, &actual));
        }
        for (asked, recorded) in conversation.then.iter().flatten() {
            let instance = self.read_storage().await;
            let seen = match asked.as_str() {
                "GET Storage" => json!(instance.status),
                "status" => instance.json().unwrap()["status"].clone(),
                "dataValues" => instance.json().unwrap()["dataValues"].clone(),
                "lastChangedMoved" => json!(
                    before.as_ref()
                        != instance
                            .json()
                            .map(|json| json["lastChanged"].clone())
                            .as_ref()
                ),
                other => panic!("{}: nothing is known of {other}", conversation.name),
            };
            found.extend(compare::values_at(
                &format!("then.{asked}"),
                recorded,
                &seen,
                &mut self.bindings,
            ));
        }
        found
    }

    /// `lastChanged` before the request, where the conversation tells whether it moved.
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

    fn break_what_was_out_of_reach(&self, at: &str) {
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

    /// A request of the test's own.
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

    /// The token of somebody who is named in a recording.
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
            // The signature of another token.
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
