//! The playground: a page on this machine that shows both apps, every inbox and each relay while it
//! happens, and on which things can be made to go wrong.
//!
//! A developer's tool: it listens on the loopback only. Pages are rendered here, and work without
//! JavaScript; with it, they follow what happens.

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
use stafett_core::route::Routes;
use thiserror::Error;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, task::JoinSet};

use local_world::{
    deployment::{CallError, Deployment},
    timeline::Timeline,
};

use guard::Busy;
use language::CatalogueError;
use operations::Operations;
use page::Pages;

/// Where the playground listens, unless told otherwise.
pub const DEFAULT_PORT: u16 = 8686;

/// How many ports are tried, one after the other, before it gives up.
const PORTS_TRIED: u16 = 50;
/// For requests that carry no files, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// How long requests that are still answered keep the playground from stopping.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the playground shows.
#[derive(Debug)]
pub struct Scene {
    /// What runs.
    pub deployment: Arc<Deployment>,
    /// What has been seen of relays.
    pub timeline: Timeline,
    /// The routes that are deployed.
    pub routes: Routes,
    /// The directory of their files.
    pub routes_folder: PathBuf,
    /// The folders of the apps, for the samples beside them.
    pub apps_folders: Vec<PathBuf>,
}

/// Why the playground cannot be shown.
#[derive(Debug, Error)]
pub enum PlaygroundError {
    /// No port.
    #[error("the playground cannot listen on 127.0.0.1, {}; choose another with --port, 0 for any", ports(*.first, *.last))]
    Port {
        /// The first that was tried.
        first: u16,
        /// The last that was tried.
        last: u16,
        /// What the system says.
        source: io::Error,
    },
    /// The texts.
    #[error(transparent)]
    Texts(#[from] CatalogueError),
    /// A template.
    #[error("a template of the playground is broken: {0:#}")]
    Template(minijinja::Error),
}

impl From<minijinja::Error> for PlaygroundError {
    fn from(error: minijinja::Error) -> Self {
        Self::Template(error)
    }
}

/// A running playground. It ends when it is dropped.
#[derive(Debug)]
pub struct Playground {
    site: Site,
    address: SocketAddr,
    server: JoinHandle<io::Result<()>>,
}

impl Playground {
    /// Starts to listen on `port` of the loopback, or the next one that is free; 0 is any.
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

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes nothing on request as long as what is returned lives: something else plays.
    #[must_use]
    pub fn play(&self) -> Option<Turn> {
        self.site.begin(Busy::Samples)
    }

    /// Subscribes to an app's events, unless that has been done.
    ///
    /// # Errors
    /// When Altinn refuses.
    pub async fn subscribe(&self, app: &str) -> Result<(), CallError> {
        self.site.subscribe(app).await
    }

    /// Stops: whatever is still answered is given up.
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

/// The ports that were tried.
fn ports(first: u16, last: u16) -> String {
    if first == last {
        format!("port {first}")
    } else {
        format!("ports {first} to {last}")
    }
}

/// What every page is made from. Clones share it.
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

/// What is in a [`Site`].
pub(crate) struct Shared {
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) timeline: Timeline,
    /// The directory of the route files.
    pub(crate) routes_folder: PathBuf,
    /// The folders of the apps.
    pub(crate) apps_folders: Vec<PathBuf>,
    /// What operations keep.
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

    /// The folder of routes as somebody at this terminal would name it.
    pub(crate) fn shown_folder(&self) -> String {
        let folder = self.routes_folder.canonicalize();
        let folder = folder.unwrap_or_else(|_| self.routes_folder.clone());
        let here = env::current_dir().and_then(|here| here.canonicalize());
        let shorter = here.ok().and_then(|here| folder.strip_prefix(here).ok());
        let shown = shorter.filter(|it| !it.as_os_str().is_empty());
        shown.unwrap_or(&folder).display().to_string()
    }

    /// The routes that are deployed now.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&routes)
    }

    /// Other routes have been deployed.
    pub(crate) fn set_routes(&self, routes: Routes) {
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routes);
        self.changed();
    }

    /// Something that a page shows has changed.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Takes the one turn of those who need everything to themselves; none while another has it.
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

    /// What goes on that lets nobody else change anything.
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

    /// Does something beside the pages until the playground stops.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        // Those that have ended are no longer of interest.
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

/// The turn of one who changes things and lets nobody else do so. It ends when it is dropped.
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
    async fn the_last_port_of_all_has_no_next_one_and_its_error_names_it_alone() {
        // Somebody else may have it; then it is just as much in use.
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, u16::MAX)).await;
        let error = listen(u16::MAX).await.unwrap_err().to_string();
        assert!(error.contains("127.0.0.1, port 65535; "), "{error}");
        assert!(error.contains("--port"), "{error}");
    }
}
