//! One process of a function with its own runtime API.

use std::collections::BTreeMap;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::program::{LogLine, Program, Stream};
use super::runtime_api::{PendingInvocation, Progress, RuntimeApi};
use super::{FunctionError, Invocation};
use crate::FunctionSettings;

/// A running process. It is killed on drop.
pub(super) struct Container {
    pid: u32,
    pending: mpsc::Sender<PendingInvocation>,
    progress: watch::Receiver<Progress>,
    exited: watch::Receiver<Option<String>>,
    signals: mpsc::Sender<Signal>,
    _api: JoinSet<()>,
}

impl Container {
    /// Starts a process. `on_line` gets each line that it writes. `on_ready` gets the time from
    /// just before the start to the first request for an invocation.
    pub(super) async fn start(
        settings: &FunctionSettings,
        program: &Program,
        on_line: impl Fn(LogLine) + Clone + Send + 'static,
        on_ready: impl FnOnce(Duration) + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (api, pending) = RuntimeApi::new(&settings.name);
        let progress = api.progress();
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, api.router()).await {
                tracing::error!(%error, "a runtime API ended");
            }
        });

        let mut first = progress.clone();
        let started = Instant::now();
        let mut child = Command::new(&program.path)
            .args(&program.arguments)
            .env_clear()
            .envs(environment(settings, &address.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().unwrap_or_default();
        server.spawn(async move {
            if first.wait_for(|it| it.asked > 0).await.is_ok() {
                on_ready(started.elapsed());
            }
        });

        let outputs = (child.stdout.take(), child.stderr.take());
        let (exit, exited) = watch::channel(None);
        let (signals, orders) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut readers = JoinSet::new();
            if let Some(stdout) = outputs.0 {
                readers.spawn(read_lines(stdout, pid, Stream::Stdout, on_line.clone()));
            }
            if let Some(stderr) = outputs.1 {
                readers.spawn(read_lines(stderr, pid, Stream::Stderr, on_line));
            }
            let status = supervise(child, orders).await;
            // Read the remaining output first, but with a limit: a grandchild may hold the pipe
            // open.
            let drained = async { while readers.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(Duration::from_millis(500), drained).await;
            exit.send_replace(Some(match status {
                Ok(status) => status.to_string(),
                Err(error) => format!("cannot wait for the process: {error}"),
            }));
        });
        Ok(Self {
            pid,
            pending,
            progress,
            exited,
            signals,
            _api: server,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn is_alive(&self) -> bool {
        self.exited.borrow().is_none()
    }

    /// Waits until the process has asked for its `count`th invocation.
    pub(super) async fn asked(&self, count: u64) -> Result<(), FunctionError> {
        let mut progress = self.progress.clone();
        let reached = progress.wait_for(|it| it.asked >= count || it.init_error.is_some());
        let init_error = tokio::select! {
            biased;
            reached = reached => match reached {
                Ok(progress) => progress.init_error.clone(),
                Err(_) => Some("its runtime API ended".to_owned()),
            },
            exit = self.exited() => {
                // The process's own error message says more than its exit status.
                Some(self.progress.borrow().init_error.clone().unwrap_or(exit))
            }
        };
        init_error.map_or(Ok(()), |error| Err(FunctionError::Init(error)))
    }

    /// How often the process has asked for an invocation.
    pub(super) fn times_asked(&self) -> u64 {
        self.progress.borrow().asked
    }

    /// Runs one invocation, without a timeout.
    pub(super) async fn invoke(
        &self,
        invocation: Invocation,
        payload: String,
    ) -> Result<serde_json::Value, FunctionError> {
        let (reply, mut answer) = oneshot::channel();
        if self
            .pending
            .send(PendingInvocation {
                invocation,
                payload,
                reply,
            })
            .await
            .is_err()
        {
            return Err(FunctionError::Stopped);
        }
        tokio::select! {
            biased;
            answer = &mut answer => answer.unwrap_or(Err(FunctionError::Stopped)),
            exit = self.exited() => {
                // A response sent just before the exit still counts.
                answer.try_recv().unwrap_or(Err(FunctionError::Exited(exit)))
            }
        }
    }

    /// Waits until the process has exited, and returns how.
    pub(super) async fn exited(&self) -> String {
        let mut exited = self.exited.clone();
        match exited.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().unwrap_or_default(),
            Err(_) => "its supervisor ended".to_owned(),
        }
    }

    /// Sends a signal, unless the process has exited.
    pub(super) async fn signal(&self, signal: Signal) {
        let _ = self.signals.send(signal).await;
    }

    /// Sends SIGKILL and waits for the exit.
    pub(super) async fn kill(&self) {
        self.signal(Signal::KILL).await;
        self.exited().await;
    }
}

/// Waits for the child's exit; kills it when the last handle is dropped.
async fn supervise(mut child: Child, mut orders: mpsc::Receiver<Signal>) -> io::Result<ExitStatus> {
    loop {
        tokio::select! {
            status = child.wait() => return status,
            order = orders.recv() => match order {
                // The child has not been reaped yet, so its id cannot have been reused.
                Some(signal) => {
                    let pid = child.id().and_then(|it| Pid::from_raw(it.cast_signed()));
                    if let Some(Err(error)) = pid.map(|pid| kill_process(pid, signal)) {
                        tracing::warn!(%error, "cannot signal a function's process");
                    }
                }
                None => {
                    child.start_kill()?;
                    return child.wait().await;
                }
            }
        }
    }
}

async fn read_lines(
    output: impl AsyncRead + Unpin,
    pid: u32,
    stream: Stream,
    on_line: impl Fn(LogLine),
) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while let Ok(1..) = output.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line);
        on_line(LogLine {
            pid,
            stream,
            text: text.trim_end_matches(['\r', '\n']).to_owned(),
        });
        line.clear();
    }
}

/// The environment of a function's process: Lambda's variables and the function's own.
///
/// AWS: "Using Lambda environment variables", defined runtime environment variables.
fn environment(settings: &FunctionSettings, runtime_api: &str) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> = [
        ("AWS_LAMBDA_FUNCTION_NAME", settings.name.as_str()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_RUNTIME_API", runtime_api),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("TZ", ":UTC"),
        ("_HANDLER", "bootstrap"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    environment.insert(
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(),
        settings.memory_mb.to_string(),
    );
    environment.extend(settings.environment.clone());
    environment
}

/// Shared by the code that invokes processes and the code that ends them.
pub(super) type SharedContainer = Arc<Container>;
