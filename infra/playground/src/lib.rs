//! The playground: a local website that shows both apps, every inbox, and each relay as it happens,
//! and that lets you inject faults.
//!
//! It is a developer's tool and listens on the loopback interface only. Pages are rendered on the
//! server and work without JavaScript; with it, they update themselves.

mod form;
mod guard;
mod language;
mod live;
mod operations;
mod page;
mod pages;
mod visit;

use std::{
    collections::BTreeSet,
    env, fmt, io,
    net::{Ipv4Addr, SocketAddr},
    ops::Deref,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use axum::{Router, extract::DefaultBodyLimit, middleware};
use local_world::{
    deployment::{CallError, Deployment},
    timeline::Timeline,
};
use stafett_core::route::Routes;
use thiserror::Error;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, task::JoinSet};

use guard::Busy;
use language::CatalogueError;
use operations::Operations;
use page::Pages;

/// The default port.
pub const DEFAULT_PORT: u16 = 8686;

/// How many consecutive ports are tried.
const PORTS_TRIED: u16 = 50;
/// The body limit of requests without files, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// How long running requests may delay the shutdown.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the playground shows: the deployment and its files.
#[derive(Debug)]
pub struct Scene {
    /// The running deployment.
    pub deployment: Arc<Deployment>,
    /// The timeline of relays.
    pub timeline: Timeline,
    /// The deployed routes.
    pub routes: Routes,
    /// The directory of the route files.
    pub routes_folder: PathBuf,
    /// The folders of the apps, which also hold samples.
    pub apps_folders: Vec<PathBuf>,
}

/// Why the playground could not start.
#[derive(Debug, Error)]
pub enum PlaygroundError {
    /// No port is free.
    #[error("the playground cannot listen on 127.0.0.1, {}; choose another with --port, 0 for any", ports(*.first, *.last))]
    Port {
        /// The first port that was tried.
        first: u16,
        /// The last port that was tried.
        last: u16,
        /// The operating system's error.
        source: io::Error,
    },
    /// The texts are invalid.
    #[error(transparent)]
    Texts(#[from] CatalogueError),
    /// A template is invalid.
    #[error("a template of the playground is broken: {0:#}")]
    Template(minijinja::Error),
}

impl From<minijinja::Error> for PlaygroundError {
    fn from(error: minijinja::Error) -> Self {
        Self::Template(error)
    }
}

/// A running playground. It stops when it is dropped.
#[derive(Debug)]
pub struct Playground {
    site: Site,
    address: SocketAddr,
    server: JoinHandle<io::Result<()>>,
}

impl Playground {
    /// Listens on `port` of the loopback interface, or on the next free one; 0 picks any free port.
    /// Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`PlaygroundError`].
    pub async fn start(scene: Scene, port: u16) -> Result<Self, PlaygroundError> {
        let listener = listen(port).await?;
        let address = listener
            .local_addr()
            .map_err(|source| PlaygroundError::Port {
                first: port,
                last: port,
                source,
            })?;
        let site = Site::new(scene)?;
        let router = Router::new()
            .merge(operations::routes())
            .merge(live::routes())
            .merge(page::assets())
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .merge(pages::routes())
            .fallback(page::no_such_page)
            .method_not_allowed_fallback(page::not_allowed)
            .layer(middleware::from_fn_with_state(site.clone(), guard::guard))
            .with_state(site.clone());
        live::start(&site);
        operations::start(&site);
        let stopped = site.clone();
        let server = axum::serve(listener, router)
            .with_graceful_shutdown(async move { stopped.stopped().await });
        Ok(Self {
            site,
            address,
            server: tokio::spawn(server.into_future()),
        })
    }

    /// Its address, without trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Locks the playground: until the returned value is dropped, requests that change something
    /// are refused.
    #[must_use]
    pub fn play(&self) -> Option<Turn> {
        self.site.begin(Busy::Samples)
    }

    /// Subscribes to an app's events, unless that was done before.
    ///
    /// # Errors
    /// When Altinn refuses.
    pub async fn subscribe(&self, app: &str) -> Result<(), CallError> {
        self.site.subscribe(app).await
    }

    /// Stops and aborts requests that are still running.
    pub async fn stop(mut self) {
        self.site.stop.send_replace(true);
        let _ = tokio::time::timeout(PATIENCE, &mut self.server).await;
        let mut tasks = std::mem::take(&mut *self.site.tasks());
        tasks.shutdown().await;
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        self.site.stop.send_replace(true);
        self.site.tasks().abort_all();
        self.server.abort();
    }
}

async fn listen(first: u16) -> Result<TcpListener, PlaygroundError> {
    let most = if first == 0 {
        0
    } else {
        first.saturating_add(PORTS_TRIED)
    };
    let mut last = first;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, last)).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && last < most => last += 1,
            Err(source) => {
                return Err(PlaygroundError::Port {
                    first,
                    last,
                    source,
                });
            }
        }
    }
}

/// The tried ports as text.
fn ports(first: u16, last: u16) -> String {
    if first == last {
        format!("port {first}")
    } else {
        format!("ports {first} to {last}")
    }
}

/// The shared state of all pages. Clones share it.
#[derive(Clone)]
pub(crate) struct Site(Arc<Shared>);

impl Deref for Site {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Site")
    }
}

/// The content of a [`Site`].
pub(crate) struct Shared {
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) timeline: Timeline,
    /// The directory of the route files.
    pub(crate) routes_folder: PathBuf,
    /// The folders of the apps.
    pub(crate) apps_folders: Vec<PathBuf>,
    /// The state of the operator's pages.
    pub(crate) operations: Operations,
    routes: RwLock<Arc<Routes>>,
    pages: Pages,
    busy: Mutex<Option<Busy>>,
    changes: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
    /// The apps whose events Stafett has subscribed to.
    subscribed: tokio::sync::Mutex<BTreeSet<String>>,
}

impl Site {
    fn new(scene: Scene) -> Result<Self, PlaygroundError> {
        Ok(Self(Arc::new(Shared {
            deployment: scene.deployment,
            timeline: scene.timeline,
            routes_folder: scene.routes_folder,
            apps_folders: scene.apps_folders,
            operations: Operations::default(),
            routes: RwLock::new(Arc::new(scene.routes)),
            pages: Pages::new()?,
            busy: Mutex::default(),
            changes: watch::Sender::new(0),
            stop: watch::Sender::new(false),
            tasks: Mutex::default(),
            subscribed: tokio::sync::Mutex::default(),
        })))
    }

    /// The routes folder, as a path that a user of this terminal would type.
    pub(crate) fn shown_folder(&self) -> String {
        let folder = self.routes_folder.canonicalize();
        let folder = folder.unwrap_or_else(|_| self.routes_folder.clone());
        let here = env::current_dir().and_then(|here| here.canonicalize());
        let shorter = here.ok().and_then(|here| folder.strip_prefix(here).ok());
        let shown = shorter.filter(|it| !it.as_os_str().is_empty());
        shown.unwrap_or(&folder).display().to_string()
    }

    /// The deployed routes.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&routes)
    }

    /// Replaces the deployed routes.
    pub(crate) fn set_routes(&self, routes: Routes) {
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routes);
        self.changed();
    }

    /// Tells open pages that something has changed.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Takes the exclusive turn; none while somebody else has it.
    pub(crate) fn begin(&self, what: Busy) -> Option<Turn> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.is_some() {
            return None;
        }
        *busy = Some(what);
        drop(busy);
        self.changed();
        Some(Turn(self.clone()))
    }

    /// The activity that currently blocks changes.
    pub(crate) fn busy(&self) -> Option<Busy> {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes to an app's events, as an operator does once.
    pub(crate) async fn subscribe(&self, app: &str) -> Result<(), CallError> {
        let mut subscribed = self.subscribed.lock().await;
        if !subscribed.contains(app) {
            self.deployment.subscribe(app).await?;
            subscribed.insert(app.to_owned());
        }
        Ok(())
    }

    /// Runs a background task until the playground stops.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        // Remove finished tasks.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    /// Waits until the playground stops.
    pub(crate) async fn stopped(&self) {
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The exclusive right to change things. It ends when it is dropped.
#[derive(Debug)]
pub struct Turn(Site);

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.busy.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.0.changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_65535_has_no_next_port_and_the_error_names_it_alone() {
        // The port may be in use already, which has the same effect.
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, u16::MAX)).await;
        let error = listen(u16::MAX).await.unwrap_err().to_string();
        assert!(error.contains("127.0.0.1, port 65535; "), "{error}");
        assert!(error.contains("--port"), "{error}");
    }
}
