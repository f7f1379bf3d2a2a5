//! The state that the services of the local Altinn share.

pub(crate) mod events;
pub(crate) mod maskinporten;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::http::{HeaderMap, StatusCode, header};
use jsonwebtoken::DecodingKey;
use serde_json::Value;
use testbed::clock::Clock;
use tokio::sync::watch;

use crate::app::{App, AppDefinition, Decision};
use crate::config::Config;
use crate::faults::{Fault, Faults};
use crate::instance::{Element, Instance, Links};
use crate::keys::DevelopmentKey;
use crate::register::Register;
use crate::responses::{self, Refusal};
use crate::store::Store;
use crate::token::{Caller, bearer};
use events::Events;
use maskinporten::Maskinporten;

/// An id that no party has.
const NO_PARTY: u32 = 0;

pub(crate) struct World {
    pub(crate) clock: Clock,
    /// Without trailing slash.
    pub(crate) public_url: String,
    /// The domain in the sources of events: `https://{org}.apps.{domain}/…`.
    pub(crate) domain: String,
    pub(crate) register: Register,
    apps: RwLock<BTreeMap<String, App>>,
    pub(crate) maskinporten: Maskinporten,
    pub(crate) altinn_key: DevelopmentKey,
    pub(crate) altinn_verifying: DecodingKey,
    pub(crate) store: Store,
    pub(crate) events: Events,
    pub(crate) faults: Arc<Faults>,
    pub(crate) rng: Mutex<fastrand::Rng>,
}

impl World {
    /// An Altinn that clients reach at `public_url`. Its background tasks end when `stopped` becomes true.
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
            apps: RwLock::new(apps.map(|app| (app.id().to_owned(), app)).collect()),
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
        self.app_of_id(id).map(|app| app.0)
    }

    pub(crate) fn app_of_id(&self, id: &str) -> Option<App> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        apps.get(id).cloned()
    }

    /// The apps that run, by id.
    pub(crate) fn apps(&self) -> Vec<App> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        apps.values().cloned().collect()
    }

    /// Puts an app in the place of the one with its id. Requests that have begun go on with the old one.
    pub(crate) fn deploy(&self, app: App) {
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        apps.insert(app.id().to_owned(), app);
    }

    /// The caller whom the bearer token of a request names. Without a valid token the request is refused with 401.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let caller = bearer(headers)
            .and_then(|token| Caller::from_token(token, &self.altinn_verifying, self.clock.now()));
        caller.ok_or_else(|| responses::empty(StatusCode::UNAUTHORIZED).into())
    }

    /// Asks the policy decision point about an action on an instance of the party `owner`.
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
            return Decision::Unavailable;
        }
        app.decide(caller, owner, action)
    }

    /// Whether the policy decision point permits an organisation the action in an app. False if it cannot be reached.
    pub(crate) fn permits(&self, app: &AppDefinition, caller: &Caller, action: &str) -> bool {
        self.permits_on(app, caller, NO_PARTY, action)
    }

    /// Whether the policy decision point permits the action on an instance of the party `owner`. False if it cannot be reached.
    pub(crate) fn permits_on(
        &self,
        app: &AppDefinition,
        caller: &Caller,
        owner: u32,
        action: &str,
    ) -> bool {
        self.decide(app, caller, owner, action) == Decision::Permit
    }

    /// An instance as its app returns it, without `instanceOwner.party`.
    pub(crate) fn app_view(&self, instance: &Instance, headers: &HeaderMap) -> Value {
        let host = app_host(headers);
        let mut view = instance.app_view(&Links {
            app_host: Some(&host),
            platform: Some(&self.public_url),
        });
        self.shuffle_data(&mut view);
        view
    }

    /// An instance in the app's response to a change of its status, which passes on Storage's response.
    pub(crate) fn passed_on_view(&self, instance: &Instance) -> Value {
        let mut view = instance.app_view(&Links {
            app_host: None,
            platform: Some(&self.public_url),
        });
        self.shuffle_data(&mut view);
        view
    }

    /// An instance in the app's response to its deletion: without data, and only with the link to the app.
    pub(crate) fn deleted_view(&self, instance: &Instance, headers: &HeaderMap) -> Value {
        let host = app_host(headers);
        let mut view = instance.app_view(&Links {
            app_host: Some(&host),
            platform: None,
        });
        view["data"] = Value::Array(Vec::new());
        view
    }

    /// An instance as its app returns it, with `instanceOwner.party`.
    pub(crate) fn app_response(&self, instance: &Instance, headers: &HeaderMap) -> Value {
        let mut view = self.app_view(instance, headers);
        view["instanceOwner"]["party"] = self.party_view(instance.owner.party_id);
        view
    }

    /// A party as an app writes it. Null if the register does not have it.
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

    /// Shuffles the data elements, because neither the apps nor Storage promise an order.
    pub(crate) fn shuffle_data(&self, view: &mut Value) {
        if let Some(data) = view["data"].as_array_mut() {
            self.rng
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .shuffle(data);
        }
    }
}

/// The base of an app's own links. Apps build it from the Host header, and always use https.
fn app_host(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost");
    format!("https://{host}")
}
