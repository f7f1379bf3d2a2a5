//! What a search finds: B instances, and what they lack.

use std::fmt;

use jiff::Timestamp;

use crate::id::InstanceId;

/// A B instance that has the relay's stamp.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found {
    /// Its id.
    pub id: InstanceId,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// It was deleted permanently.
    pub gone: bool,
    /// Its process has ended.
    pub ended: bool,
    /// Somebody other than us has changed it.
    pub touched: bool,
    /// The state of its workflow engine.
    pub engine: Engine,
    /// What it lacks compared to a B that was created without a fault.
    pub lacks: Lacks,
}

impl Found {
    /// Whether it is like a B that was created without a fault.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lacks.is_nothing() && self.engine == Engine::Idle
    }
}

/// The state of an app's workflow engine. Apps before version 9 have none, and count as idle
/// (measured: `workflow.status` in the process of tests/recorded/v9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Engine {
    /// It has nothing to do.
    #[default]
    Idle,
    /// It is working, for up to a day.
    Working,
    /// It has stopped at a task, and continues when it is told to.
    Stopped,
}

/// What a half-made B lacks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Lacks {
    /// A form.
    pub form: bool,
    /// The number of attachments that are missing.
    pub attachments: usize,
    /// Presentation texts or data values that its app copies from its forms.
    pub copies: bool,
    /// The start of its process: its history is empty, and its app's start hooks never ran.
    pub start: bool,
}

impl Lacks {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.form {
            parts.push("a form".to_owned());
        }
        match self.attachments {
            0 => {}
            1 => parts.push("an attachment".to_owned()),
            more => parts.push(format!("{more} attachments")),
        }
        if self.copies {
            parts.push("presentation texts or data values".to_owned());
        }
        if self.start {
            parts.push(
                "the start of its process (start hooks, further forms and the created event)"
                    .to_owned(),
            );
        }
        f.write_str(&parts.join(", "))
    }
}
