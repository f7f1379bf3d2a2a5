//! Subscriptions of Altinn Events: which events it delivers, and to which address.
//!
//! Subscribing again finds the existing subscription, and validates its address again. Delivery begins once the address
//! has answered the validation with 2xx. Altinn caches the subscribers for an hour, so a new subscription may miss
//! events and a deleted one may still receive them
//! (Altinn/altinn-events: src/Events/Controllers/SubscriptionController.cs,
//! src/Events/Services/AppSubscriptionService.cs, src/Events/Services/SubscriptionService.cs).

use http::StatusCode;
use jiff::Timestamp;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use stafett_core::{id::AppId, tolerant};
use thiserror::Error;

use super::{
    budget::Budget,
    client::{Altinn, READ_TIMEOUT, quickly},
    error::{AltinnError, AltinnErrorKind, Call},
    json,
    sentence::{self, Sentence},
};

mod endpoint;
mod topic;

pub use endpoint::Endpoint;
use topic::APP_RESOURCE;
pub use topic::{Kind, Topic, topics};

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
    /// Whether it is restricted to some owners or senders.
    pub narrowed: bool,
    /// Whether the address has accepted the validation; nothing is delivered before that.
    pub validated: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
}

impl Subscription {
    /// Reads a subscription as Altinn Events gives it.
    ///
    /// # Errors
    /// For JSON that is not a subscription. The error's text may quote values, so do not log it.
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

/// A subscription as Altinn gives it. The alternative subject may be a national identity number, so of the filters that
/// we do not use only their presence is kept.
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

/// What can be done. Altinn answers 403 both for an app that does not exist and for one whose policy does not let us read
/// (measured, tests/recorded/events/events-subscribe-unknown-app.json, -other-service-owner.json).
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

/// Whether the request itself is at fault, so that Altinn would refuse it again.
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

    /// All subscriptions of our organisation, including those of other systems.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn subscriptions(&self, budget: &Budget) -> Result<Vec<Subscription>, AltinnError> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            subscriptions: Vec<Wire>,
        }
        let call = Call::ListSubscriptions;
        let url = self.events("subscriptions");
        let json = self
            .read_json(budget, &call, || self.platform_request(Method::GET, &url))
            .await?;
        let list: List = tolerant::read(&json).map_err(|_| {
            AltinnError::new(&call, AltinnErrorKind::Malformed("a list of subscriptions"))
        })?;
        Ok(list.subscriptions.into_iter().map(Into::into).collect())
    }

    /// One subscription; `None` if it does not exist any more.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn subscription(
        &self,
        budget: &Budget,
        id: u64,
    ) -> Result<Option<Subscription>, AltinnError> {
        let call = Call::ReadSubscription(id);
        let url = self.events(&format!("subscriptions/{id}"));
        let read = self
            .read_json(budget, &call, || self.platform_request(Method::GET, &url))
            .await;
        match read {
            Ok(json) => subscription(&call, json).map(Some),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Subscribes, or finds the existing subscription. In both cases Altinn validates the address.
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
        let call = Call::Subscribe(app.clone());
        let url = self.events("subscriptions");
        let body = Request {
            end_point: endpoint.0.expose_secret(),
            resource_filter: topic.resource(),
            type_filter: topic.kind.filter(),
        };
        // Safe to repeat, since asking twice makes one subscription.
        quickly(|| async {
            let request = || self.platform_request(Method::POST, &url).json(&body);
            let answer = self.ask(budget, &call, READ_TIMEOUT, request).await?;
            let status = answer.status();
            if status.is_success() {
                let json = json::read(answer)
                    .await
                    .map_err(|kind| AltinnError::new(&call, kind))?;
                return Ok(subscription(&call, json));
            }
            if !is_refusal(status) {
                return Err(AltinnError::new(&call, AltinnErrorKind::of_status(&answer)));
            }
            // A refusal is one even if its body cannot be read.
            let said = json::read_capped(answer, sentence::MAX_BYTES).await.ok();
            Ok(Err(SubscribeError::Refused {
                app: app.clone(),
                status,
                sentence: said.and_then(|body| Sentence::read(&body)),
            }))
        })
        .await?
    }

    /// Deletes a subscription. It is no error if it does not exist any more.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn unsubscribe(&self, budget: &Budget, id: u64) -> Result<(), AltinnError> {
        let call = Call::DeleteSubscription(id);
        let url = self.events(&format!("subscriptions/{id}"));
        let deleted = quickly(|| {
            self.send(budget, &call, READ_TIMEOUT, || {
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
    call: &Call,
    json: serde_json::Value,
) -> Result<Subscription, E> {
    let malformed = |_| AltinnError::new(call, AltinnErrorKind::Malformed("a subscription"));
    Ok(Subscription::from_json(&json).map_err(malformed)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(changes: serde_json::Value) -> Subscription {
        let mut given = json!({
            "id": 4711, "endPoint": "https://hooks.example.no/altinn/9f3c2b7a51d84e0c", "resourceFilter": "urn:altinn:resource:app_ttd_app-a",
            "typeFilter": "app.instance.process.completed", "consumer": "/org/ttd", "createdBy": "/org/ttd",
            "created": "2026-08-22T09:00:00.123456Z", "validated": false, "includeSubunits": false
        });
        for (name, value) in changes.as_object().unwrap() {
            given[name] = value.clone();
        }
        subscription::<AltinnError>(&Call::ReadSubscription(4711), given).unwrap()
    }

    fn topic(kind: Kind) -> Topic {
        Topic {
            app: "ttd/app-a".parse().unwrap(),
            kind,
        }
    }

    #[test]
    fn a_subscription_matches_only_its_own_topic() {
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
