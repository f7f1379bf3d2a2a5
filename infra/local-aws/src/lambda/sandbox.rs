//! Where the code of a function in this process runs: on the caller's runtime, or on one of its own
//! that can be killed.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// How long a kill waits for code that is computing and does not yield.
const LIMIT: Duration = Duration::from_secs(2);

/// A runtime for invocations. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Sandbox(Arc<Walls>);

/// The function's own runtime; none while it uses the caller's.
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
        // Dropping a runtime blocks until it has shut down, which is not allowed in async code.
        if let Some(runtime) = self.replace(None) {
            runtime.shutdown_background();
        }
    }
}

impl Sandbox {
    /// Runs everything spawned from now on, including tasks that it spawns itself, on its own
    /// runtime.
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

    /// Ends all running tasks; later tasks run on a new runtime.
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
