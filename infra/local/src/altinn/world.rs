//! Everything that the services of the local Altinn share.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use jsonwebtoken::DecodingKey;
use serde_json::Value;
use tokio::sync::watch;

use super::Config;
use super::app::{App, AppDefinition, Decision};
use super::clock::Clock;
use super::events::Events;
use super::faults::{Fault, Faults};
use super::instance::{Element, Instance, Links};
use super::keys::DevelopmentKey;
use super::maskinporten::Maskinporten;
use super::register::Register;
use super::store::Store;
use super::token::Caller;

/// No party has this id: nobody's own.
const NO_PARTY: u32 = 0;

pub(crate) struct World {
    pub(crate) clock: Clock,
    /// Without trailing slash.
    pub(crate) public_url: String,
    /// The domain below `apps.` in the sources of events.
    pub(crate) domain: String,
    pub(crate) register: Register,
    pub(crate) apps: BTreeMap<String, App>,
    pub(crate) maskinporten: Maskinporten,
    pub(crate) altinn_key: DevelopmentKey,
    pub(crate) altinn_verifying: DecodingKey,
    pub(crate) store: Store,
    pub(crate) events: Events,
    pub(crate) faults: Arc<Faults>,
    pub(crate) rng: Mutex<fastrand::Rng>,
}

impl World {
    /// An Altinn that is reached at `public_url`. What it does in the background ends when `stopped` turns true.
    pub(crate) fn new(
        config: Config,
        public_url: &str,
        stopped: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let altinn_key = DevelopmentKey::named("altinn")?;
        let apps = config.apps.into_iter();
        Ok(Self {
            clock: config.clock,
            public_url: public_url.trim_end_matches('/').to_owned(),
            domain: config.domain,
            register: config.register,
            apps: apps.map(|app| (app.id().to_owned(), app)).collect(),
            maskinporten: Maskinporten::new()?,
            altinn_verifying: altinn_key.verifying().map_err(io::Error::other)?,
            altinn_key,
            store: Store::default(),
            events: Events::new(config.events, stopped).map_err(io::Error::other)?,
            faults: Arc::default(),
            rng: Mutex::new(fastrand::Rng::with_seed(config.seed)),
        })
    }

    pub(crate) fn app(&self, org: &str, app: &str) -> Option<Arc<AppDefinition>> {
        self.app_by_id(&format!("{org}/{app}"))
    }

    pub(crate) fn app_by_id(&self, id: &str) -> Option<Arc<AppDefinition>> {
        self.apps.get(id).map(|app| Arc::clone(&app.0))
    }

    /// What the policy decision point answers for an action on an instance of the party `owner`.
    pub(crate) fn decide(
        &self,
        app: &AppDefinition,
        caller: &Caller,
        owner: u32,
        action: &str,
    ) -> Decision {
        if self
            .faults
            .strikes(Some(&app.id), &Fault::DecisionPointDown)
        {
            return Decision::None;
        }
        app.decide(caller, owner, action)
    }

    /// Whether the policy decision point permits an organisation the action in an app; one that is down does not.
    pub(crate) fn permits(&self, app: &AppDefinition, caller: &Caller, action: &str) -> bool {
        self.permits_on(app, caller, NO_PARTY, action)
    }

    /// Whether the policy decision point permits the action on an instance of the party `owner`; one that is down does not.
    pub(crate) fn permits_on(
        &self,
        app: &AppDefinition,
        caller: &Caller,
        owner: u32,
        action: &str,
    ) -> bool {
        self.decide(app, caller, owner, action) == Decision::Permit
    }

    /// An instance as its app answers it, without `instanceOwner.party`.
    pub(crate) fn app_view(&self, instance: &Instance, headers: &HeaderMap) -> Value {
        let host = app_host(headers);
        let mut view = instance.app_view(&Links {
            app_host: Some(&host),
            platform: Some(&self.public_url),
        });
        self.shuffle_data(&mut view);
        view
    }

    /// An instance as its app passes on what Storage answered to a change of its status.
    pub(crate) fn passed_on_view(&self, instance: &Instance) -> Value {
        let mut view = instance.app_view(&Links {
            app_host: None,
            platform: Some(&self.public_url),
        });
        self.shuffle_data(&mut view);
        view
    }

    /// An instance as its app answers its deletion: without data, and with its own link only.
    pub(crate) fn deleted_view(&self, instance: &Instance, headers: &HeaderMap) -> Value {
        let host = app_host(headers);
        let mut view = instance.app_view(&Links {
            app_host: Some(&host),
            platform: None,
        });
        view["data"] = Value::Array(Vec::new());
        view
    }

    /// An instance as its app answers it, with `instanceOwner.party`.
    pub(crate) fn app_response(&self, instance: &Instance, headers: &HeaderMap) -> Value {
        let mut view = self.app_view(instance, headers);
        view["instanceOwner"]["party"] = self.party_view(instance.owner.party_id);
        view
    }

    /// A party as an app writes it; null where the register knows none.
    pub(crate) fn party_view(&self, party: u32) -> Value {
        self.register
            .by_party_id(party)
            .map_or(Value::Null, |party| party.view())
    }

    pub(crate) fn element_view(
        &self,
        instance: &Instance,
        element: &Element,
        headers: &HeaderMap,
    ) -> Value {
        let host = app_host(headers);
        instance.element_app_view(
            element,
            &Links {
                app_host: Some(&host),
                platform: Some(&self.public_url),
            },
        )
    }

    /// Neither the apps nor Storage's query promise an order of data elements.
    pub(crate) fn shuffle_data(&self, view: &mut Value) {
        if let Some(data) = view["data"].as_array_mut() {
            self.rng
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .shuffle(data);
        }
    }
}

/// Apps build their own links from the Host header, and always with https.
fn app_host(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost");
    format!("https://{host}")
}
