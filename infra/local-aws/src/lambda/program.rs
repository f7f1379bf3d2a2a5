//! The program behind a function that runs in processes.

use std::{fmt, path::PathBuf, sync::Arc};

/// The program behind a function.
#[derive(Clone)]
pub struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) containers: usize,
    pub(super) on_line: Option<Arc<OnLine>>,
}

pub(super) type OnLine = dyn Fn(&LogLine) + Send + Sync;

impl Program {
    /// An executable file that speaks the runtime API; it runs in at most ten processes at a time.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            containers: 10,
            on_line: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets the maximum number of concurrent processes; at least one.
    #[must_use]
    pub fn containers(mut self, count: usize) -> Self {
        self.containers = count.max(1);
        self
    }

    /// Sets a callback for every line that a process writes.
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

/// One line that a process has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The process's id.
    pub pid: u32,
    /// The stream that it was written to.
    pub stream: Stream,
    /// The line without its line ending.
    pub text: String,
}

/// The stream that a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
