//! A function's processes: one per concurrent invocation.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use testbed::wire::NotInTime;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::container::{Container, SharedContainer};
use super::program::{LogLine, Program};
use super::{FunctionError, Invocation};
use crate::FunctionSettings;

/// How long a process may take to ask for its first invocation.
///
/// AWS: "Understanding the Lambda execution environment lifecycle", the init phase is limited to 10
/// seconds, and is then run again under the function's own timeout: together the time below.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// How long a process may take to exit after SIGTERM. Lambda gives 300 to 500 ms; a loaded
/// developer machine needs more.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// The processes of one function. Clones share them; they end when the last clone is dropped.
#[derive(Clone)]
pub struct Processes {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Arc<FunctionSettings>,
    program: Program,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
    log: Arc<watch::Sender<Vec<LogLine>>>,
    starts: Arc<Mutex<Vec<Duration>>>,
}

#[derive(Default)]
struct State {
    /// Idle processes, the last used one last.
    idle: Vec<SharedContainer>,
    /// All started processes that are not known to have exited.
    all: Vec<SharedContainer>,
}

impl Processes {
    pub(super) fn new(settings: Arc<FunctionSettings>, program: Program) -> Self {
        let permits = Arc::new(Semaphore::new(program.containers));
        let shared = Shared {
            settings,
            program,
            permits,
            state: Mutex::default(),
            log: Arc::default(),
            starts: Arc::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Ids of the running processes.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.alive().iter().map(|it| it.pid()).collect()
    }

    /// How long each process took from its start to its first request for an invocation, in the
    /// order of those requests.
    #[must_use]
    pub fn starts(&self) -> Vec<Duration> {
        self.shared
            .starts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// All lines that the processes have written.
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.shared.log.borrow().clone()
    }

    /// Waits for a line that has been or will be written.
    ///
    /// # Errors
    ///
    /// [`NotInTime`] if no line matches within `deadline`.
    pub async fn logged(
        &self,
        deadline: Duration,
        mut wanted: impl FnMut(&LogLine) -> bool,
    ) -> Result<LogLine, NotInTime> {
        let mut log = self.shared.log.subscribe();
        let mut found = None;
        let search = log.wait_for(|lines| {
            found = lines.iter().find(|line| wanted(line)).cloned();
            found.is_some()
        });
        let _ = tokio::time::timeout(deadline, search).await;
        found.ok_or(NotInTime { deadline })
    }

    /// Starts a process before any invocation, and waits until it asks for one.
    ///
    /// # Errors
    ///
    /// When the process does not get that far.
    pub async fn warm_up(&self) -> Result<(), FunctionError> {
        let permit = self.permit().await?;
        let container = self.start().await?;
        self.until_asked(&container, 1, INIT_LIMIT + self.shared.settings.timeout)
            .await?;
        self.lock().idle.push(container);
        drop(permit);
        Ok(())
    }

    /// Kills all processes with SIGKILL, busy or idle, and waits until they have exited. The next
    /// invocation starts a new one.
    pub async fn kill_all(&self) {
        for container in self.alive() {
            container.kill().await;
        }
    }

    /// Kills one process with SIGKILL and waits for its exit; false if it had exited before.
    pub async fn kill(&self, pid: u32) -> bool {
        let found = self.alive().into_iter().find(|it| it.pid() == pid);
        match found {
            Some(container) => {
                container.kill().await;
                true
            }
            None => false,
        }
    }

    pub(super) async fn stop(&self) {
        self.shared.permits.close();
        let alive = self.alive();
        for container in &alive {
            container.signal(Signal::TERM).await;
        }
        for container in &alive {
            if tokio::time::timeout(SHUTDOWN_LIMIT, container.exited())
                .await
                .is_err()
            {
                container.kill().await;
            }
        }
        let mut state = self.lock();
        state.idle.clear();
        state.all.clear();
    }

    pub(super) async fn invoke(&self, payload: String) -> Result<Value, FunctionError> {
        let permit = self.permit().await?;
        let idle = self.idle();
        let container = match idle {
            Some(container) => container,
            None => {
                let container = self.start().await?;
                self.until_asked(&container, 1, INIT_LIMIT + self.shared.settings.timeout)
                    .await?;
                container
            }
        };
        let asked = container.times_asked();
        let timeout = self.shared.settings.timeout;
        let guard = KillUnlessDone(Some(Arc::clone(&container)));
        let running = container.invoke(Invocation::new(&self.shared.settings), payload);
        let outcome = tokio::time::timeout(timeout, running).await;
        guard.done();
        let Ok(result) = outcome else {
            container.kill().await;
            return Err(FunctionError::TimedOut(timeout));
        };
        if container.is_alive() {
            self.give_back(container, asked + 1, permit);
        }
        result
    }

    /// The container takes the next invocation as soon as it asks for one.
    fn give_back(&self, container: SharedContainer, asked: u64, permit: OwnedSemaphorePermit) {
        let processes = self.clone();
        tokio::spawn(async move {
            let timeout = processes.shared.settings.timeout;
            if processes
                .until_asked(&container, asked, timeout)
                .await
                .is_ok()
            {
                processes.lock().idle.push(container);
            }
            drop(permit);
        });
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, FunctionError> {
        let permits = Arc::clone(&self.shared.permits);
        permits
            .acquire_owned()
            .await
            .map_err(|_| FunctionError::Stopped)
    }

    async fn start(&self) -> Result<SharedContainer, FunctionError> {
        let Shared {
            settings,
            program,
            log,
            starts,
            ..
        } = &*self.shared;
        let (log, starts, on_line) = (Arc::clone(log), Arc::clone(starts), program.on_line.clone());
        let started = Container::start(
            settings,
            program,
            move |line| {
                if let Some(on_line) = &on_line {
                    on_line(&line);
                }
                log.send_modify(|lines| lines.push(line));
            },
            move |took| {
                starts
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(took)
            },
        );
        let container = Arc::new(started.await.map_err(|error| {
            FunctionError::Init(format!("cannot run {}: {error}", program.path.display()))
        })?);
        let mut state = self.lock();
        state.all.retain(|it| it.is_alive());
        state.all.push(Arc::clone(&container));
        Ok(container)
    }

    /// Waits until the container asks for an invocation; kills it if that takes too long.
    async fn until_asked(
        &self,
        container: &Container,
        count: u64,
        limit: Duration,
    ) -> Result<(), FunctionError> {
        match tokio::time::timeout(limit, container.asked(count)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                container.kill().await;
                Err(error)
            }
            Err(_) => {
                container.kill().await;
                Err(FunctionError::TimedOut(limit))
            }
        }
    }

    fn idle(&self) -> Option<SharedContainer> {
        let mut state = self.lock();
        state.idle.retain(|it| it.is_alive());
        state.idle.pop()
    }

    fn alive(&self) -> Vec<SharedContainer> {
        let mut state = self.lock();
        state.all.retain(|it| it.is_alive());
        state.all.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processes")
            .field("pids", &self.pids())
            .finish_non_exhaustive()
    }
}

/// Removes a container whose invocation was abandoned: its state is unknown, so it is not reused.
struct KillUnlessDone(Option<SharedContainer>);

impl KillUnlessDone {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for KillUnlessDone {
    fn drop(&mut self) {
        // Without a Tokio runtime the supervisor is gone too, and the process was killed with it.
        if let (Some(container), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move { container.kill().await });
        }
    }
}
