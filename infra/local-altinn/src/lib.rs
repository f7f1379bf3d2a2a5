//! A local Altinn: Maskinporten, token exchange, Storage, Events and any number of apps, on one port and in one process.
//!
//! It is as strict as the real Altinn: it refuses the same requests, ignores the same filters, answers as late and leaves the same
//! incomplete instances behind. The source of each rule is named beside it. Everything is kept in memory.
//!
//! | path | what |
//! |---|---|
//! | `/maskinporten/…` | Maskinporten (the issuer ends with the slash) |
//! | `/authentication/api/v1/…` | token exchange, OpenID metadata and keys |
//! | `/storage/api/v1/…` | Storage |
//! | `/events/api/v1/…` | Events |
//! | `/{org}/{app}/…` | the apps |

mod app;
mod app_metadata;
mod apps;
mod authentication;
mod config;
mod content_disposition;
mod events;
mod faults;
mod history;
mod instance;
mod instance_folder;
mod keys;
mod library;
mod load;
mod maskinporten;
mod pdf;
mod register;
mod responses;
mod storage;
mod store;
mod submission;
mod token;
mod workflow;
mod world;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::serve::ListenerExt;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testbed::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use app::{App, AppSettings, DataType, Gap, IncompleteApp};
pub use config::{Config, EventSettings};
pub use faults::{CallFault, CreationStep, Fault, FaultId, Faults};
pub use instance_folder::element_files;
pub use instance_folder::reader::{InstanceFolderReader, InstanceWithForms};
pub use keys::DevelopmentKey;
pub use library::Library;
pub use load::LoadError;
pub use register::{Organisation, Party, Person, Register, ServiceOwner};
pub use store::Creation;
pub use submission::{Attachment, FormContent, Stage, Submission, SubmissionOwner, SubmitError};
pub use world::maskinporten::ClientRegistration;

use submission::Users;
use world::World;

/// Kestrel's default limit for request bodies.
const DEFAULT_BODY_LIMIT: usize = 30_000_000;
/// Storage purges an archived instance that was hard-deleted this long after its owner organisation confirmed it.
const PURGE_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The settings of a client of the local Maskinporten.
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

    /// Starts on a socket that already listens, so that a proxy in front can know the address beforehand. Must be called inside a
    /// Tokio runtime.
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

    /// The URL of the address on which this server listens, without trailing slash.
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

    /// The faults, which tests switch on and off.
    pub fn faults(&self) -> &Faults {
        &self.world.faults
    }

    /// A running app, as it is deployed now.
    pub fn app(&self, id: &str) -> Option<App> {
        self.world.app_of_id(id)
    }

    /// Deploys an app: its next version, if one with its id runs already. Storage keeps that one's instances.
    pub fn deploy(&self, app: App) {
        self.world.deploy(app);
    }

    /// The register.
    pub fn register(&self) -> &Register {
        &self.world.register
    }

    /// Registers a client with Maskinporten. It replaces a client of the same id. Its key expires after a year.
    ///
    /// # Errors
    /// When the JWK is not an RSA key.
    pub fn register_client(&self, registration: &ClientRegistration) -> io::Result<()> {
        self.world
            .maskinporten
            .register(registration, self.world.clock.now())
    }

    /// Registers a new client of an organisation, with the development key. Returns the client's settings.
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

    /// Lets Maskinporten sign with a new key, which it publishes beside the old one. Only the first call has an effect.
    ///
    /// # Errors
    /// Only when the program was built from damaged development keys.
    pub fn roll_maskinporten_key(&self) -> io::Result<()> {
        self.world.maskinporten.roll_keys()
    }

    /// An access token for another system of an organisation. It is valid for two minutes.
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

    /// An Altinn token with these claims, as Altinn's test tools make them for organisations and users.
    ///
    /// # Errors
    /// When signing fails.
    pub fn altinn_token(&self, claims: &Value) -> io::Result<String> {
        authentication::signed(&self.world, claims).map_err(io::Error::other)
    }

    /// Lets a user fill in an app and move its process to the wanted stage. Returns the instance's id, `{party}/{guid}`.
    ///
    /// # Errors
    /// When app, owner or content do not fit, or the process does not reach the stage.
    pub fn submit(&self, submission: &Submission) -> Result<String, SubmitError> {
        Users(&self.world).submit(submission)
    }

    /// Lets a user end the current task of an instance.
    ///
    /// # Errors
    /// When there is no such instance, or its process does not move.
    pub fn advance(&self, instance: &str) -> Result<(), SubmitError> {
        Users(&self.world).act(instance, None)
    }

    /// Lets a user reject the current task: the process goes back to the previous task.
    ///
    /// # Errors
    /// As [`LocalAltinn::advance`].
    pub fn reject(&self, instance: &str) -> Result<(), SubmitError> {
        Users(&self.world).act(instance, Some("reject"))
    }

    /// Lets a user delete an instance, softly or for good.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn delete(&self, instance: &str, hard: bool) -> Result<(), SubmitError> {
        Users(&self.world).delete(instance, hard)
    }

    /// Imports an instance folder: `instance.json` as an app or Storage gives it, and a file for each data element. The file is named
    /// after the element's `filename`, its id, or its data type (`<dataType>.<extension>`). Returns the instance's id. Publishes no event.
    ///
    /// # Errors
    /// When a file is missing or wrong; the error names file and field.
    pub fn import(&self, folder: &Path) -> Result<String, LoadError> {
        instance_folder::import(&self.world, folder)
    }

    /// Publishes the event for the current task of an instance, if its app publishes events.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn announce(&self, instance: &str) -> Result<(), SubmitError> {
        Users(&self.world).announce(instance)
    }

    /// All instances of an app as Storage gives them, including deleted ones, oldest first.
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

    /// An instance as Storage gives it, by its id (`{party}/{guid}`).
    pub fn instance(&self, id: &str) -> Option<Value> {
        let guid = id.rsplit('/').next()?.parse().ok()?;
        Some(
            self.world
                .store
                .get(guid)?
                .storage_view(&self.world.public_url),
        )
    }

    /// The history of an instance's process, as `GET …/process/history` gives it. It is empty until the creation has ended.
    pub fn history(&self, instance: &str) -> Vec<Value> {
        let guid = instance.rsplit('/').next().and_then(|it| it.parse().ok());
        let instance = guid.and_then(|guid| self.world.store.get(guid));
        instance.map_or_else(Vec::new, |it| it.history.view())
    }

    /// Sets an instance's column `lastChanged` this far behind its document, as a race between a write of data values and a change of
    /// the process does. Returns false if there is no such instance.
    pub fn drift(&self, id: &str, by: Duration) -> bool {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.change_row(id, |row| {
            let behind = row.instance.last_changed.checked_sub(by);
            row.changed = behind.unwrap_or(Timestamp::MIN);
        })
    }

    /// Sets a data value as another client would. Returns false if there is no such instance.
    pub fn set_data_value(&self, id: &str, key: &str, value: &str) -> bool {
        self.change_row(id, |row| {
            let values = row.instance.data_values.get_or_insert_default();
            values.insert(key.to_owned(), value.to_owned());
        })
    }

    /// Sets the column `confirmed` of an instance to null, as in rows that are older than the column. Returns false if there is no such
    /// instance.
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

    /// Every instance that was ever created here, in order, including deleted and purged ones.
    pub fn creations(&self) -> Vec<Creation> {
        self.world.store.lock().journal().to_vec()
    }

    /// Every event that was published, oldest first.
    pub fn events(&self) -> Vec<Value> {
        self.world.events.all()
    }

    /// When, by the clock, the next failed delivery of an event is retried.
    pub fn next_delivery(&self) -> Option<Timestamp> {
        self.world.events.next_delivery()
    }

    /// Whether Events is delivering an event now.
    pub fn is_delivering(&self) -> bool {
        self.world.events.is_delivering(self.world.clock.now())
    }

    /// Runs Storage's nightly purge: removes hard-deleted instances that were never archived, or that their owner organisation
    /// confirmed at least seven days ago. Returns their number.
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

    /// Stops the server. It takes no new requests, and waits two seconds for those under way.
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
