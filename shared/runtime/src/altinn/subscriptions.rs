//! Subscriptions of Altinn Events: what it tells us of, and at which address.
//!
//! A subscription that is asked for again is the one that is there, and its address is validated anew.
//! Only after an answer of 2xx to the validation does delivery begin. Who subscribes is remembered for an
//! hour: a new subscription may miss events, a deleted one may still get them
//! (Altinn/altinn-events: src/Events/Controllers/SubscriptionController.cs,
//! src/Events/Services/AppSubscriptionService.cs, src/Events/Services/SubscriptionService.cs).

use std::{collections::BTreeMap, fmt};

use http::StatusCode;
use jiff::Timestamp;
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use stafett_core::{
    id::AppId,
    route::{Gate, Routes},
    tolerant,
};
use thiserror::Error;

use super::{
    Altinn, AltinnError, Budget, READ_TIMEOUT, Trouble, json, quickly, retry_after,
    sentence::{self, Sentence},
};

/// The end of an app's process (Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/Process/ProcessEventDispatcher.cs).
const COMPLETED: &str = "app.instance.process.completed";
/// How Altinn names an app as a resource, followed by `ttd_permit` for `ttd/permit`
/// (Altinn/app-lib-dotnet: src/Altinn.App.Core/Infrastructure/Clients/Events/EventsClient.cs).
const APP_RESOURCE: &str = "urn:altinn:resource:app_";

/// An address that Altinn Events calls. What stands behind its host is a secret: it is never shown, and
/// nobody compares it but us.
#[derive(Clone)]
pub struct Endpoint(SecretString);

impl Endpoint {
    /// The address of `POST /events/{secret}` below `api`.
    #[must_use]
    pub fn new(api: &Url, secret: &SecretString) -> Self {
        let address = format!("{}{}", folder(api), secret.expose_secret());
        Self::from(address)
    }

    /// Whether it is the address of `POST /events/{secret}` below `api`, with whatever secret.
    #[must_use]
    pub fn is_of(&self, api: &Url) -> bool {
        let secret = self.0.expose_secret().strip_prefix(&folder(api));
        secret.is_some_and(|secret| !secret.is_empty() && !secret.contains(['/', '?', '#']))
    }
}

/// What the address of `POST /events/{secret}` begins with.
fn folder(api: &Url) -> String {
    format!("{}/events/", api.as_str().trim_end_matches('/'))
}

impl From<String> for Endpoint {
    fn from(address: String) -> Self {
        // As `Url` writes it, so that the same address is the same text. Others' may be anything.
        let same = Url::parse(&address).map_or(address, String::from);
        Self(same.into())
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for Endpoint {}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = Url::parse(self.0.expose_secret()).ok();
        let origin = url.map(|url| url.origin()).filter(|it| it.is_tuple());
        match origin {
            Some(origin) => write!(f, "{}/…", origin.ascii_serialization()),
            None => f.write_str("…"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

/// Which events of an app the routes need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The end of its process.
    Completed,
    /// All: a subscription names one type or none.
    All,
}

impl Kind {
    /// Altinn's `typeFilter`.
    #[must_use]
    pub fn filter(self) -> Option<&'static str> {
        match self {
            Self::Completed => Some(COMPLETED),
            Self::All => None,
        }
    }
}

/// What is subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    /// The app whose instances the events are about.
    pub app: AppId,
    /// Which events.
    pub kind: Kind,
}

impl Topic {
    /// Altinn's `resourceFilter`.
    #[must_use]
    pub fn resource(&self) -> String {
        format!("{APP_RESOURCE}{}_{}", self.app.org(), self.app.app())
    }
}

/// What the routes need: one topic per app A. A gate that a task opens needs the events of that task and
/// the end of the process, so all of them.
#[must_use]
pub fn topics(routes: &Routes) -> Vec<Topic> {
    let mut kinds: BTreeMap<&AppId, Kind> = BTreeMap::new();
    for route in routes.iter() {
        let kind = match route.gate {
            Gate::Completed => Kind::Completed,
            Gate::Task(_) => Kind::All,
        };
        let known = kinds.entry(&route.from).or_insert(kind);
        *known = kind.max(*known);
    }
    let topic = |(app, kind): (&AppId, Kind)| Topic {
        app: app.clone(),
        kind,
    };
    kinds.into_iter().map(topic).collect()
}

/// A subscription of our organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its number.
    pub id: u64,
    /// The address that is called.
    pub endpoint: Endpoint,
    /// The resource that it is about: for an app, see [`Topic::resource`].
    pub resource: Option<String>,
    /// The one type of event that it is about; all, if none.
    pub kind: Option<String>,
    /// Whether it is about some owners or senders only.
    pub narrowed: bool,
    /// Whether the address has accepted the validation: nothing is delivered before.
    pub validated: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
}

impl Subscription {
    /// Reads a subscription as Altinn Events gives it.
    ///
    /// # Errors
    /// What is no subscription. The error's text may quote values: do not log it.
    pub fn from_json(json: &serde_json::Value) -> serde_json::Result<Self> {
        tolerant::read(json).map(|wire: Wire| wire.into())
    }

    /// The app that it is about, if it is about an app.
    #[must_use]
    pub fn app(&self) -> Option<AppId> {
        let name = self.resource.as_deref()?.strip_prefix(APP_RESOURCE)?;
        // No organisation's code has an underscore, so the first one ends it.
        name.replacen('_', "/", 1).parse().ok()
    }

    /// Whether it is about this topic, no more and no less.
    #[must_use]
    pub fn is_about(&self, topic: &Topic) -> bool {
        !self.narrowed
            && self.resource.as_deref() == Some(&*topic.resource())
            && self.kind.as_deref() == topic.kind.filter()
    }
}

/// A subscription as Altinn gives it. The alternative subject may be a national identity number, so of the
/// filters that we do not use no more is kept than that they are there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    id: u64,
    end_point: String,
    resource_filter: Option<String>,
    type_filter: Option<String>,
    source_filter: Option<serde::de::IgnoredAny>,
    subject_filter: Option<serde::de::IgnoredAny>,
    alternative_subject_filter: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    include_subunits: bool,
    #[serde(default)]
    validated: bool,
    #[serde(default, deserialize_with = "tolerant::timestamp")]
    created: Option<Timestamp>,
}

impl From<Wire> for Subscription {
    fn from(wire: Wire) -> Self {
        Self {
            id: wire.id,
            endpoint: wire.end_point.into(),
            resource: wire.resource_filter,
            kind: wire.type_filter,
            narrowed: wire.source_filter.is_some()
                || wire.subject_filter.is_some()
                || wire.alternative_subject_filter.is_some()
                || wire.include_subunits,
            validated: wire.validated,
            created: wire.created,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    end_point: &'a str,
    resource_filter: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    type_filter: Option<&'static str>,
}

/// A subscription that was not made.
#[derive(Debug, Error)]
pub enum SubscribeError {
    /// Altinn does not take the subscription.
    #[error("Altinn Events refuses the subscription to {app} with status {}{}. {}", status.as_u16(), said(sentence.as_ref()), remedy(*status))]
    Refused {
        /// The app.
        app: AppId,
        /// The status: 400 or 403, or another one of a client's mistake.
        status: StatusCode,
        /// Altinn's own words.
        sentence: Option<Sentence>,
    },
    /// Altinn did not answer, is asked too often, or gave no token.
    #[error(transparent)]
    Altinn(#[from] AltinnError),
}

fn said(sentence: Option<&Sentence>) -> String {
    sentence.map_or_else(String::new, |it| format!(": \"{it}\""))
}

/// What can be done. A 403 is the same for an app that does not exist and for one whose policy does not let us
/// read (measured, tests/recorded/events/events-subscribe-unknown-app.json, -other-service-owner.json).
fn remedy(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => {
            "See that the app exists in this environment, and that its policy gives `read` to the organisation of the Maskinporten client"
        }
        StatusCode::UNAUTHORIZED => {
            "See that the Maskinporten client has a scope that begins with altinn:serviceowner"
        }
        _ => {
            "See that the events address is https and can be reached from outside, and that the Maskinporten client's organisation is a service owner"
        }
    }
}

/// Whether the fault is in the request, so that the same one is refused again.
fn is_refusal(status: StatusCode) -> bool {
    let is_passing = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
    );
    status.is_client_error() && !is_passing
}

impl Altinn {
    /// An address below Events: `{platform}/events/api/v1/{path}`.
    fn events(&self, path: &str) -> String {
        let platform = self.0.platform.as_str().trim_end_matches('/');
        format!("{platform}/events/api/v1/{path}")
    }

    /// All subscriptions of our organisation, other systems' among them.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn subscriptions(&self, budget: &Budget) -> Result<Vec<Subscription>, AltinnError> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            subscriptions: Vec<Wire>,
        }
        let doing = "list the subscriptions of Altinn Events";
        let url = self.events("subscriptions");
        let json = self
            .read_json(budget, doing, || self.platform_request(Method::GET, &url))
            .await?;
        let list: List = tolerant::read(&json)
            .map_err(|_| AltinnError::new(doing, Trouble::Malformed("a list of subscriptions")))?;
        Ok(list.subscriptions.into_iter().map(Into::into).collect())
    }

    /// One subscription; none if it is gone.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn subscription(
        &self,
        budget: &Budget,
        id: u64,
    ) -> Result<Option<Subscription>, AltinnError> {
        let doing = format!("read subscription {id} of Altinn Events");
        let url = self.events(&format!("subscriptions/{id}"));
        let read = self
            .read_json(budget, &doing, || self.platform_request(Method::GET, &url))
            .await;
        match read {
            Ok(json) => subscription(&doing, json).map(Some),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Subscribes, or finds the subscription that is there; either way Altinn validates the address anew.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub async fn subscribe(
        &self,
        budget: &Budget,
        topic: &Topic,
        endpoint: &Endpoint,
    ) -> Result<Subscription, SubscribeError> {
        let app = &topic.app;
        let doing = format!("subscribe to the events of {app}");
        let url = self.events("subscriptions");
        let body = Request {
            end_point: endpoint.0.expose_secret(),
            resource_filter: topic.resource(),
            type_filter: topic.kind.filter(),
        };
        // Asked for twice, a subscription is made once: it can be sent again.
        quickly(|| async {
            let request = || self.platform_request(Method::POST, &url).json(&body);
            let answer = self.ask(budget, &doing, READ_TIMEOUT, request).await?;
            let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
            if status.is_success() {
                let json = json::read(answer)
                    .await
                    .map_err(|trouble| AltinnError::new(&doing, trouble))?;
                return Ok(subscription(&doing, json));
            }
            if !is_refusal(status) {
                let trouble = Trouble::Status {
                    status,
                    retry_after,
                };
                return Err(AltinnError::new(&doing, trouble));
            }
            // A refusal whose words cannot be read is a refusal all the same.
            let said = json::read_capped(answer, sentence::MAX_BYTES).await.ok();
            Ok(Err(SubscribeError::Refused {
                app: app.clone(),
                status,
                sentence: said.and_then(|body| Sentence::read(&body)),
            }))
        })
        .await?
    }

    /// Deletes a subscription; one that is gone already is no error.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn unsubscribe(&self, budget: &Budget, id: u64) -> Result<(), AltinnError> {
        let doing = format!("delete subscription {id} of Altinn Events");
        let url = self.events(&format!("subscriptions/{id}"));
        let deleted = quickly(|| {
            self.send(budget, &doing, READ_TIMEOUT, || {
                self.platform_request(Method::DELETE, &url)
            })
        })
        .await;
        match deleted {
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(()),
            other => other.map(drop),
        }
    }
}

fn subscription<E: From<AltinnError>>(
    doing: &str,
    json: serde_json::Value,
) -> Result<Subscription, E> {
    let malformed = |_| AltinnError::new(doing, Trouble::Malformed("a subscription"));
    Ok(Subscription::from_json(&json).map_err(malformed)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn api() -> Url {
        "https://abc123.execute-api.eu-north-1.amazonaws.com"
            .parse()
            .unwrap()
    }

    fn given(changes: serde_json::Value) -> Subscription {
        let mut given = json!({
            "id": 4711, "endPoint": "https://hooks.example.no/altinn/9f3c2b7a51d84e0c", "resourceFilter": "urn:altinn:resource:app_ttd_app-a",
            "typeFilter": "app.instance.process.completed", "consumer": "/org/ttd", "createdBy": "/org/ttd",
            "created": "2026-08-22T09:00:00.123456Z", "validated": false, "includeSubunits": false
        });
        for (name, value) in changes.as_object().unwrap() {
            given[name] = value.clone();
        }
        subscription::<AltinnError>("read", given).unwrap()
    }

    fn topic(kind: Kind) -> Topic {
        Topic {
            app: "ttd/app-a".parse().unwrap(),
            kind,
        }
    }

    proptest! {
        #[test]
        fn an_endpoint_shows_nothing_of_its_path_and_is_known_by_its_api(secret in "[A-Za-z0-9_-]{8,64}") {
            let endpoint = Endpoint::new(&api(), &secret.clone().into());
            let shown = format!("{endpoint} {endpoint:?}");
            prop_assert!(!shown.contains(&secret), "{}", shown);
            prop_assert!(endpoint.is_of(&api()));
            let other: Url = "https://abc123.execute-api.eu-north-1.amazonaws.com/other".parse().unwrap();
            prop_assert!(!endpoint.is_of(&other));
            prop_assert!(Endpoint::new(&other, &secret.into()).is_of(&other));
        }

        #[test]
        fn no_address_of_others_is_shown(address in "\\PC{0,60}") {
            let shown = Endpoint::from(format!("https://hooks.example.no/hemmelig{address}")).to_string();
            prop_assert_eq!(shown, "https://hooks.example.no/…");
            let shown = format!("{:?}", Endpoint::from(format!("hemmelig{address}")));
            prop_assert!(!shown.contains("hemmelig"), "{}", shown);
        }
    }

    #[test]
    fn an_address_elsewhere_is_not_ours() {
        for address in [
            "https://abc123.execute-api.eu-north-1.amazonaws.com/events/",
            "https://abc123.execute-api.eu-north-1.amazonaws.com/events/a/b",
            "https://abc123.execute-api.eu-north-1.amazonaws.com.example.no/events/a",
            "https://abc123.execute-api.eu-north-1.amazonaws.com/eventsa",
            "http://abc123.execute-api.eu-north-1.amazonaws.com/events/a",
            "no address",
        ] {
            assert!(
                !Endpoint::from(address.to_owned()).is_of(&api()),
                "{address}"
            );
        }
        let same = "https://ABC123.execute-api.eu-north-1.amazonaws.com:443/events/a".to_owned();
        assert!(Endpoint::from(same).is_of(&api()));
    }

    #[test]
    fn a_subscription_is_about_its_topic_only() {
        let plain = given(json!({}));
        assert_eq!(plain.app(), "ttd/app-a".parse().ok());
        assert!(plain.is_about(&topic(Kind::Completed)));
        assert!(!plain.is_about(&topic(Kind::All)));
        assert!(!plain.validated);
        assert!(given(json!({"typeFilter": null})).is_about(&topic(Kind::All)));
        for other in [
            json!({"resourceFilter": "urn:altinn:resource:app_ttd_app-ab"}),
            json!({"resourceFilter": null}),
            json!({"subjectFilter": "/party/50085321"}),
            json!({"sourceFilter": "https://ttd.apps.tt02.altinn.no/ttd/app-a"}),
            json!({"includeSubunits": true}),
        ] {
            assert!(
                !given(other.clone()).is_about(&topic(Kind::Completed)),
                "{other}"
            );
        }
    }

    #[test]
    fn a_national_identity_number_in_a_filter_is_not_kept() {
        let narrowed = given(json!({"alternativeSubjectFilter": "/person/12837832290"}));
        assert!(narrowed.narrowed);
        assert!(!format!("{narrowed:?}").contains("12837832290"));
    }
}
