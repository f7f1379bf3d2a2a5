//! Where a function's code runs in this process: among everything else, or by itself, so that it can be killed.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// How long a kill waits for code that is in the middle of a computation.
const LIMIT: Duration = Duration::from_secs(2);

/// A place for invocations. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub(super) struct Sandbox(Arc<Walls>);

/// The runtime that everything inside runs on; none while it runs on the caller's.
#[derive(Debug, Default)]
struct Walls(Mutex<Option<Runtime>>);

impl Walls {
    fn replace(&self, runtime: Option<Runtime>) -> Option<Runtime> {
        let mut walls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut walls, runtime)
    }
}

impl Drop for Walls {
    fn drop(&mut self) {
        // A runtime that is simply dropped waits for its end, which an asynchronous caller may not.
        if let Some(runtime) = self.replace(None) {
            runtime.shutdown_background();
        }
    }
}

impl Sandbox {
    /// What is spawned from now on runs by itself, also what it spawns in its turn.
    pub(super) fn close(&self) -> io::Result<()> {
        let mut walls = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if walls.is_none() {
            *walls = Some(runtime()?);
        }
        Ok(())
    }

    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let walls = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        match walls.as_ref() {
            Some(runtime) => runtime.spawn(work),
            None => tokio::spawn(work),
        }
    }

    /// Ends everything that runs inside; what is spawned next runs in a new place.
    pub(super) async fn kill(&self) -> io::Result<()> {
        let Some(killed) = self.0.replace(Some(runtime()?)) else {
            return Ok(());
        };
        let ended = tokio::task::spawn_blocking(move || killed.shutdown_timeout(LIMIT));
        ended.await.map_err(io::Error::other)
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("function")
        .enable_all()
        .build()
}
