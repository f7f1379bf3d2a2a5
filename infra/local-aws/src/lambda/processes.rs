//! A function's processes: as many as run at the same time, each with one invocation at a time.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::container::{Container, LogLine, SharedContainer};
use super::{FunctionError, Invocation};
use crate::FunctionSettings;
use testbed::wire::NotInTime;

/// How long a process may take to ask for its first invocation.
///
/// AWS: "Understanding the Lambda execution environment lifecycle", the init phase is limited to 10
/// seconds, and is then run again under the function's own timeout: together the time below.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// How long a process may take to end after SIGTERM. Lambda gives 300 to 500 ms; a loaded developer
/// machine needs more for the same work.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// The program behind a function.
#[derive(Clone)]
pub struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<String>,
    containers: usize,
    on_line: Option<Arc<OnLine>>,
}

type OnLine = dyn Fn(&LogLine) + Send + Sync;

impl Program {
    /// An executable file that speaks the runtime API; at most ten processes of it at a time.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            containers: 10,
            on_line: None,
        }
    }

    /// With one more argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// With at most `count` processes at the same time, at least one.
    #[must_use]
    pub fn containers(mut self, count: usize) -> Self {
        self.containers = count.max(1);
        self
    }

    /// With someone who gets every line that a process writes, when it is written.
    #[must_use]
    pub fn on_line(mut self, on_line: impl Fn(&LogLine) + Send + Sync + 'static) -> Self {
        self.on_line = Some(Arc::new(on_line));
        self
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The processes of one function. Clones are the same processes; they end with the last clone.
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
    /// Those that wait for an invocation, the last used one last.
    idle: Vec<SharedContainer>,
    /// All that have been started and are not known to have ended.
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

    /// Ids of the processes that are alive.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.alive().iter().map(|it| it.pid()).collect()
    }

    /// How long each process took from its start until it asked for its first invocation, in the
    /// order in which they did.
    #[must_use]
    pub fn starts(&self) -> Vec<Duration> {
        self.shared
            .starts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Everything that the processes have written.
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.shared.log.borrow().clone()
    }

    /// Waits for a line, written already or to come.
    ///
    /// # Errors
    ///
    /// [`NotInTime`] when there is none within `deadline`.
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

    /// Starts a process ahead of any invocation, and waits until it asks for one.
    ///
    /// # Errors
    ///
    /// A process that does not come so far.
    pub async fn warm_up(&self) -> Result<(), FunctionError> {
        let permit = self.permit().await?;
        let container = self.start().await?;
        self.until_asked(&container, 1, INIT_LIMIT + self.shared.settings.timeout)
            .await?;
        self.lock().idle.push(container);
        drop(permit);
        Ok(())
    }

    /// Kills all processes with SIGKILL, working or not, and waits until they are gone. The next
    /// invocation starts a new one.
    pub async fn kill_all(&self) {
        for container in self.alive() {
            container.kill().await;
        }
    }

    /// Kills one process with SIGKILL and waits until it is gone; false when it already was.
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

    /// The container takes the next invocation as soon as it asks for it.
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

    /// Waits until the container asks for an invocation; kills it when it does not in time.
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

/// A container whose invocation nobody waits for any more is in an unknown state: it is not used
/// again.
struct KillUnlessDone(Option<SharedContainer>);

impl KillUnlessDone {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for KillUnlessDone {
    fn drop(&mut self) {
        // Without a runtime there is no supervisor either: the process has been killed with it.
        if let (Some(container), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move { container.kill().await });
        }
    }
}
