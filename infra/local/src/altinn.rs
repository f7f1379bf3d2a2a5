//! A local Altinn: Maskinporten, token exchange, Storage, Events and any number of apps, on one port and in one process.
//!
//! It is strict on purpose. Where the real one refuses, drops a filter, answers late or leaves a half-made instance behind, so does
//! this one; the sources of each rule are named beside it. Everything lives in memory.
//!
//! | path | what |
//! |---|---|
//! | `/maskinporten/…` | Maskinporten (the issuer ends with the slash) |
//! | `/authentication/api/v1/…` | token exchange, OpenID metadata and keys |
//! | `/storage/api/v1/…` | Storage |
//! | `/events/api/v1/…` | Events |
//! | `/{org}/{app}/…` | the apps |

mod answer;
mod app;
mod apps;
mod authentication;
mod clock;
mod dates;
mod disposition;
pub(crate) mod element_files;
mod events;
mod faults;
mod folder;
mod folders;
mod history;
mod instance;
mod keys;
mod library;
mod maskinporten;
mod model;
mod pdf;
mod register;
mod served;
mod storage;
mod store;
mod submission;
mod token;
mod workflow;
mod world;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::serve::ListenerExt;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use app::{App, AppSettings, LoadError};
pub use author::apps::Policy;
pub use clock::Clock;
pub use events::EventSettings;
pub use faults::{Fault, FaultId, Faults, Step, Trouble};
pub use folders::{FilledIn, InstanceFolders};
pub use keys::DevelopmentKey;
pub use library::Library;
pub use maskinporten::ClientRegistration;
pub use register::{Organisation, Person, Register, ServiceOwner};
pub use store::Creation;
pub use submission::{Attachment, FormContent, Stage, Submission, SubmissionOwner, SubmitError};

use submission::Users;
use world::World;

/// Kestrel's default limit for request bodies.
const DEFAULT_BODY_LIMIT: usize = 30_000_000;
/// A hard-deleted instance that was archived goes this long after the owner's confirmation.
const PURGE_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How a local Altinn shall be.
#[derive(Debug)]
pub struct Config {
    /// Where to listen. Default: a free port of 127.0.0.1.
    pub address: SocketAddr,
    /// The URL by which clients reach this server, where it is not the address: in the issuer, in metadata documents and in links.
    /// Needed behind a proxy.
    pub public_url: Option<String>,
    /// The apps.
    pub apps: Vec<App>,
    /// The parties.
    pub register: Register,
    /// The clock.
    pub clock: Clock,
    /// Seed of everything that happens by chance.
    pub seed: u64,
    /// Timing of Events.
    pub events: EventSettings,
    /// Host name that stands for the environment in the sources of events: `https://{org}.apps.{domain}/…`.
    pub domain: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            public_url: None,
            apps: Vec::new(),
            register: Register::default(),
            clock: Clock::default(),
            seed: 0,
            events: EventSettings::default(),
            domain: "local.altinn.cloud".to_owned(),
        }
    }
}

impl Config {
    /// The apps and the register of a folder: `{org}/{app}/…` and `register.yaml`.
    ///
    /// # Errors
    /// When something in the folder cannot be read; the error names file and field.
    pub fn from_folder(folder: &Path) -> Result<Self, LoadError> {
        let (apps, register) = (
            App::load_all(folder)?,
            Register::load(&folder.join("register.yaml"))?,
        );
        Ok(Self {
            apps,
            register,
            ..Self::default()
        })
    }
}

/// What a client of the local Maskinporten needs.
#[derive(Clone)]
#[non_exhaustive]
pub struct DevelopmentClient {
    /// The setting `MASKINPORTEN_CLIENT_ID`.
    pub client_id: String,
    /// The setting `MASKINPORTEN_JWK`: a private JWK.
    pub jwk: String,
}

impl std::fmt::Debug for DevelopmentClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevelopmentClient")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// A running local Altinn. It stops when dropped.
pub struct LocalAltinn {
    world: Arc<World>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
}

impl std::fmt::Debug for LocalAltinn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalAltinn")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl LocalAltinn {
    /// Starts to listen. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub async fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.address).await?;
        Self::start_on(listener, config)
    }

    /// Starts on a socket that listens already: a proxy in front of it then knows where it will be. Must be called inside a Tokio
    /// runtime.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub fn start_on(listener: TcpListener, config: Config) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let public_url = config
            .public_url
            .clone()
            .unwrap_or_else(|| format!("http://{address}"));
        let (stop, stopped) = watch::channel(false);
        let world = Arc::new(World::new(config, &public_url, stopped.clone())?);
        let router = Router::new()
            .merge(maskinporten::routes())
            .merge(authentication::routes())
            .merge(storage::routes())
            .merge(events::routes())
            .merge(apps::routes())
            .layer(DefaultBodyLimit::max(DEFAULT_BODY_LIMIT))
            .with_state(Arc::clone(&world));
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let mut signal = stopped;
        let server = axum::serve(listener, router).with_graceful_shutdown(async move {
            let _ = signal.wait_for(|stopped| *stopped).await;
        });
        let server = tokio::spawn(server.into_future());
        Ok(Self {
            world,
            address,
            stop,
            server,
        })
    }

    /// The URL at which this server itself listens, without trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Maskinporten's issuer, with its trailing slash.
    pub fn issuer(&self) -> String {
        maskinporten::issuer(&self.world)
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.world.clock
    }

    /// The switches for failures.
    pub fn faults(&self) -> &Faults {
        &self.world.faults
    }

    /// A running app.
    pub fn app(&self, id: &str) -> Option<&App> {
        self.world.apps.get(id)
    }

    /// The register.
    pub fn register(&self) -> &Register {
        &self.world.register
    }

    /// Registers a client with Maskinporten, in place of one of the same id. Its key expires after a year.
    ///
    /// # Errors
    /// When the JWK is no RSA key.
    pub fn register_client(&self, registration: &ClientRegistration) -> io::Result<()> {
        self.world
            .maskinporten
            .register(registration, self.world.clock.now())
    }

    /// Registers a new client of an organisation, with the development key. Returns the settings that such a client runs with.
    ///
    /// # Errors
    /// Only when the program was built from damaged development keys.
    pub fn development_client(
        &self,
        org_number: &str,
        scopes: &str,
    ) -> io::Result<DevelopmentClient> {
        let key = DevelopmentKey::client()?;
        let client_id = uuid::Uuid::new_v4().to_string();
        self.register_client(&ClientRegistration {
            client_id: client_id.clone(),
            org_number: org_number.to_owned(),
            scopes: scopes.split_whitespace().map(str::to_owned).collect(),
            jwk: key.public_jwk(),
        })?;
        Ok(DevelopmentClient {
            client_id,
            jwk: key.private_jwk(),
        })
    }

    /// Maskinporten signs with a new key from now on, and publishes it beside the old one. Works once.
    ///
    /// # Errors
    /// Only when the program was built from damaged development keys.
    pub fn roll_maskinporten_key(&self) -> io::Result<()> {
        self.world.maskinporten.roll_keys()
    }

    /// An access token as some organisation's system would hold it (about two minutes).
    ///
    /// # Errors
    /// When signing fails.
    pub fn maskinporten_token(
        &self,
        org_number: &str,
        scopes: &str,
        audience: Option<&str>,
    ) -> io::Result<String> {
        let audience = json!(audience.unwrap_or("unspecified"));
        let claims = maskinporten::access_claims(
            &self.world,
            "a-client-of-another-system",
            org_number,
            scopes,
            &audience,
        );
        self.world
            .maskinporten
            .sign(&claims)
            .ok_or_else(|| io::Error::other("signing a token failed"))
    }

    /// A token of Altinn's own with these claims, as Altinn's test tools make them for organisations and users.
    ///
    /// # Errors
    /// When signing fails.
    pub fn altinn_token(&self, claims: &Value) -> io::Result<String> {
        authentication::signed(&self.world, claims).map_err(io::Error::other)
    }

    /// A user fills in an app, and goes on to the wanted point. Returns the instance's id, `{party}/{guid}`.
    ///
    /// # Errors
    /// When app, owner or content do not fit, or the process does not get there.
    pub fn submit(&self, submission: &Submission) -> Result<String, SubmitError> {
        Users(&self.world).submit(submission)
    }

    /// A user ends the current task of an instance.
    ///
    /// # Errors
    /// When there is no such instance, or its process does not move.
    pub fn advance(&self, instance: &str) -> Result<(), SubmitError> {
        Users(&self.world).act(instance, None)
    }

    /// A user rejects: the process goes back to the task before.
    ///
    /// # Errors
    /// As [`LocalAltinn::advance`].
    pub fn reject(&self, instance: &str) -> Result<(), SubmitError> {
        Users(&self.world).act(instance, Some("reject"))
    }

    /// A user deletes an instance: softly, or for good.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn delete(&self, instance: &str, hard: bool) -> Result<(), SubmitError> {
        Users(&self.world).delete(instance, hard)
    }

    /// Reads an instance folder: `instance.json` as an app or Storage gives it, and for each data element a file named by its
    /// `filename`, or `<dataType>.<extension>`, or by its id. Returns the instance's id. Publishes no event.
    ///
    /// # Errors
    /// When a file is missing or wrong; the error names file and field.
    pub fn import(&self, folder: &Path) -> Result<String, LoadError> {
        folder::import(&self.world, folder)
    }

    /// Publishes the event that tells where an instance stands, where its app publishes events.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn announce(&self, instance: &str) -> Result<(), SubmitError> {
        Users(&self.world).announce(instance)
    }

    /// All instances of an app as Storage sees them, deleted ones included, oldest first.
    pub fn instances(&self, app: &str) -> Vec<Value> {
        let store = self.world.store.lock();
        let mut instances: Vec<_> = store
            .instances()
            .filter(|instance| instance.app_id == app)
            .collect();
        instances.sort_by_key(|instance| instance.internal_id);
        instances
            .into_iter()
            .map(|instance| instance.storage_view(&self.world.public_url))
            .collect()
    }

    /// One instance as Storage sees it, by its id (`{party}/{guid}`).
    pub fn instance(&self, id: &str) -> Option<Value> {
        let guid = id.rsplit('/').next()?.parse().ok()?;
        Some(
            self.world
                .store
                .get(guid)?
                .storage_view(&self.world.public_url),
        )
    }

    /// The history of an instance's process, as `GET …/process/history` gives it; empty until its creation has come to the end.
    pub fn history(&self, instance: &str) -> Vec<Value> {
        let guid = instance.rsplit('/').next().and_then(|it| it.parse().ok());
        let instance = guid.and_then(|guid| self.world.store.get(guid));
        instance.map_or_else(Vec::new, |it| it.history.view())
    }

    /// Leaves an instance's column `lastChanged` this far behind its document, as the race of a write of data values with a change
    /// of the process does. False where there is no such instance.
    pub fn drift(&self, id: &str, by: Duration) -> bool {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.change_row(id, |row| {
            let behind = row.instance.last_changed.checked_sub(by);
            row.changed = behind.unwrap_or(Timestamp::MIN);
        })
    }

    /// Somebody else who may write data values sets one. False where there is no such instance.
    pub fn set_data_value(&self, id: &str, key: &str, value: &str) -> bool {
        self.change_row(id, |row| {
            let values = row.instance.data_values.get_or_insert_default();
            values.insert(key.to_owned(), value.to_owned());
        })
    }

    /// Makes an instance's row one from before Storage had the column `confirmed`. False where there is no such instance.
    pub fn forget_confirmed(&self, id: &str) -> bool {
        self.change_row(id, |row| row.confirmed = None)
    }

    /// Takes an element away that no app would delete. False where there is no such instance.
    pub fn remove_element(&self, id: &str, element: &str) -> bool {
        let is_other = |it: &instance::Element| it.id.to_string() != element;
        self.change_row(id, |row| row.instance.data.retain(is_other))
    }

    /// The column `lastChanged` of an instance, by which Storage filters and sorts.
    pub fn column(&self, id: &str) -> Option<Timestamp> {
        let mut column = None;
        self.change_row(id, |row| column = Some(row.changed));
        column
    }

    fn change_row(&self, id: &str, change: impl FnOnce(&mut store::Row)) -> bool {
        let guid = id.rsplit('/').next().and_then(|guid| guid.parse().ok());
        let changed = guid.and_then(|guid| self.world.store.change_row(guid, change));
        changed.is_some()
    }

    /// The app (`org/app`) of an instance.
    pub fn app_of(&self, id: &str) -> Option<String> {
        let guid = id.rsplit('/').next()?.parse().ok()?;
        Some(self.world.store.get(guid)?.app_id.clone())
    }

    /// The bytes of a data element, by instance id (`{party}/{guid}`) and element id.
    pub fn bytes(&self, instance: &str, element: &str) -> Option<Bytes> {
        let guid = instance.rsplit('/').next()?.parse().ok()?;
        let instance = self.world.store.get(guid)?;
        instance
            .element(element.parse().ok()?)
            .map(|element| element.bytes.clone())
    }

    /// Every instance that ever came into being here, in order; purged and deleted ones, too.
    pub fn creations(&self) -> Vec<Creation> {
        self.world.store.lock().journal().to_vec()
    }

    /// Every event that was registered, oldest first, visible to polls or not.
    pub fn events(&self) -> Vec<Value> {
        self.world.events.all()
    }

    /// When the next failed delivery of an event is tried again, by the clock.
    pub fn next_delivery(&self) -> Option<Timestamp> {
        self.world.events.next_delivery()
    }

    /// Whether Events delivers something now.
    pub fn is_delivering(&self) -> bool {
        self.world.events.is_delivering(self.world.clock.now())
    }

    /// Does what Storage does at night: removes hard-deleted instances that were never archived, or that their owner organisation
    /// confirmed at least seven days ago. Returns how many.
    pub fn purge(&self) -> usize {
        let now = self.world.clock.now();
        self.world.store.lock().retain(|instance| {
            let confirmed = instance
                .confirmations
                .iter()
                .find(|known| known.stakeholder == instance.org);
            let is_old = confirmed.is_some_and(|known| now.duration_since(known.at) >= PURGE_AFTER);
            !(instance.status.hard_deleted.set && (!instance.status.archived.set || is_old))
        })
    }

    /// Stops: no new requests, and none still running after two seconds.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(Duration::from_secs(2), &mut self.server).await;
    }
}

impl Drop for LocalAltinn {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        self.server.abort();
    }
}
