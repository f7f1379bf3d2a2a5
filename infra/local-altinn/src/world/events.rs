//! What Events remembers: its settings, the subscriptions, the published events and the pending deliveries.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use crate::config::EventSettings;

pub(crate) struct Events {
    pub(crate) settings: EventSettings,
    state: Mutex<EventsState>,
    pub(crate) client: reqwest::Client,
    /// Turns true when the server stops.
    pub(crate) stopped: watch::Receiver<bool>,
}

#[derive(Default)]
pub(crate) struct EventsState {
    pub(crate) log: Vec<Value>,
    pub(crate) subscriptions: BTreeMap<i64, Subscription>,
    pub(crate) last_subscription: i64,
    pub(crate) lookups: HashMap<LookupKey, Lookup>,
    /// When each failed delivery or validation is retried.
    pub(crate) due: HashMap<Uuid, Timestamp>,
    /// The number of deliveries that have not been attempted yet.
    pub(crate) untried: usize,
}

/// Resource, subject and type of an event: the key of a cached subscription lookup.
pub(crate) type LookupKey = (String, String, String);

pub(crate) struct Lookup {
    pub(crate) until: Timestamp,
    pub(crate) subscriptions: Vec<Subscription>,
}

#[derive(Clone)]
pub(crate) struct Subscription {
    pub(crate) id: i64,
    pub(crate) request: SubscriptionRequest,
    /// The code of the organisation that subscribed.
    pub(crate) consumer: String,
    pub(crate) created: Timestamp,
    pub(crate) validated: bool,
}

#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscriptionRequest {
    #[serde(default)]
    pub(crate) end_point: String,
    #[serde(default)]
    pub(crate) resource_filter: Option<String>,
    #[serde(default)]
    pub(crate) source_filter: Option<String>,
    #[serde(default)]
    pub(crate) subject_filter: Option<String>,
    #[serde(default)]
    pub(crate) alternative_subject_filter: Option<String>,
    #[serde(default)]
    pub(crate) type_filter: Option<String>,
    #[serde(default)]
    pub(crate) include_subunits: bool,
}

impl Subscription {
    pub(crate) fn takes(&self, event: &Value) -> bool {
        let matches = |filter: &Option<String>, name: &str| {
            filter.is_none() || filter.as_deref() == event[name].as_str()
        };
        let request = &self.request;
        let from_source = request.source_filter.as_deref().is_none_or(|filter| {
            event["source"]
                .as_str()
                .and_then(|source| source.strip_prefix(filter))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        from_source
            && matches(&request.resource_filter, "resource")
            && matches(&request.type_filter, "type")
            && matches(&request.subject_filter, "subject")
    }
}

impl Events {
    pub(crate) fn new(
        settings: EventSettings,
        stopped: watch::Receiver<bool>,
    ) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(settings.timeout)
            .build()?;
        Ok(Self {
            settings,
            state: Mutex::default(),
            client,
            stopped,
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, EventsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next failed delivery is retried.
    pub(crate) fn next_delivery(&self) -> Option<Timestamp> {
        self.lock().due.values().min().copied()
    }

    /// Whether a delivery is under way, or due for a retry at `now`.
    pub(crate) fn is_delivering(&self, now: Timestamp) -> bool {
        let memory = self.lock();
        memory.untried > 0 || memory.due.values().any(|at| *at <= now)
    }

    /// All events so far, oldest first.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.lock().log.clone()
    }
}
