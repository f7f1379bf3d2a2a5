//! What is asked of Altinn, and what can go wrong.

use std::{fmt, time::Duration};

use http::{HeaderMap, StatusCode, header};
use reqwest::Response;
use stafett_core::{
    id::{AppId, InstanceId},
    pace::Load,
    relay::RelayId,
};
use thiserror::Error;
use uuid::Uuid;

/// What is asked of Altinn, and about what. Its text completes "cannot …" and holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Read an instance from Storage.
    ReadInstance(InstanceId),
    /// Read form data through its app.
    ReadForm {
        /// The app.
        app: AppId,
        /// The instance.
        instance: InstanceId,
        /// The data element.
        element: Uuid,
    },
    /// Read a form as Storage has it.
    ReadStoredForm {
        /// The instance.
        instance: InstanceId,
        /// The data element.
        element: Uuid,
    },
    /// Read a data element from Storage.
    ReadElement {
        /// The instance.
        instance: InstanceId,
        /// The data element.
        element: Uuid,
    },
    /// Read a data element to its end.
    ReadWholeElement {
        /// The instance.
        instance: InstanceId,
        /// The data element.
        element: Uuid,
    },
    /// Read an app's metadata.
    ReadMetadata(AppId),
    /// Read the JSON schema of a form from its app.
    ReadSchema {
        /// The app.
        app: AppId,
        /// The form's data type.
        data_type: String,
    },
    /// Read the process of an instance through its app.
    ReadProcess {
        /// The app.
        app: AppId,
        /// The instance.
        instance: InstanceId,
    },
    /// List the instances of an app.
    ListInstances(AppId),
    /// Search the instances of an app for a stamp.
    SearchStamp {
        /// The app.
        app: AppId,
        /// The relay whose stamp it is.
        relay: RelayId,
    },
    /// Set the substatus of an instance.
    SetSubstatus {
        /// The app.
        app: AppId,
        /// The instance.
        instance: InstanceId,
    },
    /// Confirm an instance complete.
    ConfirmComplete {
        /// The app.
        app: AppId,
        /// The instance.
        instance: InstanceId,
    },
    /// Delete an instance.
    DeleteInstance {
        /// The app.
        app: AppId,
        /// The instance.
        instance: InstanceId,
    },
    /// Add a data element to an instance.
    AddElement {
        /// The app.
        app: AppId,
        /// The instance.
        instance: InstanceId,
        /// The element's data type.
        data_type: String,
    },
    /// Write a form again as it is stored.
    RewriteForm {
        /// The app.
        app: AppId,
        /// The instance.
        instance: InstanceId,
        /// The data element.
        element: Uuid,
    },
    /// Resume the process of an instance.
    ResumeProcess {
        /// The app.
        app: AppId,
        /// The instance.
        instance: InstanceId,
    },
    /// List the subscriptions of Altinn Events.
    ListSubscriptions,
    /// Read a subscription of Altinn Events.
    ReadSubscription(u64),
    /// Subscribe to the events of an app.
    Subscribe(AppId),
    /// Delete a subscription of Altinn Events.
    DeleteSubscription(u64),
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadInstance(id) => write!(f, "read instance {id} from Storage"),
            Self::ReadForm {
                app,
                instance,
                element,
            } => write!(
                f,
                "read form data {element} of instance {instance} through {app}"
            ),
            Self::ReadStoredForm { instance, element } => {
                write!(f, "read form {element} of instance {instance} from Storage")
            }
            Self::ReadElement { instance, element } => write!(
                f,
                "read data element {element} of instance {instance} from Storage"
            ),
            Self::ReadWholeElement { instance, element } => {
                write!(
                    f,
                    "read data element {element} of instance {instance} whole"
                )
            }
            Self::ReadMetadata(app) => write!(f, "read the metadata of {app}"),
            Self::ReadSchema { app, data_type } => {
                write!(f, "read the schema of form `{data_type}` of {app}")
            }
            Self::ReadProcess { app, instance } => {
                write!(f, "read the process of instance {instance} through {app}")
            }
            Self::ListInstances(app) => write!(f, "list the instances of {app}"),
            Self::SearchStamp { app, relay } => {
                write!(
                    f,
                    "search the instances of {app} for the stamp of relay {relay}"
                )
            }
            Self::SetSubstatus { app, instance } => {
                write!(f, "set the substatus of instance {instance} of {app}")
            }
            Self::ConfirmComplete { app, instance } => {
                write!(f, "confirm instance {instance} of {app} complete")
            }
            Self::DeleteInstance { app, instance } => {
                write!(f, "delete instance {instance} of {app}")
            }
            Self::AddElement {
                app,
                instance,
                data_type,
            } => write!(f, "add a `{data_type}` to instance {instance} of {app}"),
            Self::RewriteForm {
                app,
                instance,
                element,
            } => write!(
                f,
                "write form {element} of instance {instance} of {app} again"
            ),
            Self::ResumeProcess { app, instance } => {
                write!(f, "resume the process of instance {instance} of {app}")
            }
            Self::ListSubscriptions => f.write_str("list the subscriptions of Altinn Events"),
            Self::ReadSubscription(id) => write!(f, "read subscription {id} of Altinn Events"),
            Self::Subscribe(app) => write!(f, "subscribe to the events of {app}"),
            Self::DeleteSubscription(id) => {
                write!(f, "delete subscription {id} of Altinn Events")
            }
        }
    }
}

/// A call to Altinn that failed.
#[derive(Debug, Error)]
#[error("cannot {call}")]
pub struct AltinnError {
    /// What was asked.
    pub call: Box<Call>,
    /// What came instead of an answer.
    #[source]
    pub kind: AltinnErrorKind,
}

/// What came instead of an answer, by what can be done about it.
#[derive(Debug, Error)]
pub enum AltinnErrorKind {
    /// The lease leaves no time: nothing was sent.
    #[error("no time is left within the lease")]
    OutOfTime,
    /// No token: nothing was sent.
    #[error("no token")]
    Token(#[from] TokenError),
    /// No connection, reset, or time-out.
    #[error("no answer ({})", transport(.0))]
    NoAnswer(#[source] reqwest::Error),
    /// An answer with a status other than success.
    #[error("status {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// How long to wait, if Altinn said so.
        retry_after: Option<Duration>,
    },
    /// An answer of another form than Altinn's.
    #[error("the answer is not {0}")]
    Malformed(&'static str),
    /// A list holds an instance that carries the stamp and cannot be read.
    #[error("the answer is not a list of instances that can be read (see {0}, which carries it)")]
    Unreadable(String),
    /// An answer of more bytes than are read.
    #[error("the answer is not of a size that is read")]
    TooLong,
}

/// No token could be obtained.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Maskinporten refused, and will refuse until somebody changes something.
    #[error("Maskinporten refused: {error}{}; see to the client's key, scopes and clock", .code.as_ref().map(|c| format!(" ({c})")).unwrap_or_default())]
    Refused {
        /// The OAuth error code.
        error: String,
        /// Maskinporten's own code: `MP-121` is a key that has expired.
        code: Option<String>,
    },
    /// Maskinporten or the exchange did not answer as it should.
    #[error("{0} did not give a token; this may pass")]
    Unavailable(&'static str),
    /// The assertion could not be signed.
    #[error("the assertion could not be signed")]
    Unsigned,
}

/// How a request failed without an answer.
pub(super) fn transport(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "time-out"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_body() || error.is_decode() {
        "broken off"
    } else {
        "connection lost"
    }
}

/// What it says of B's load that no answer came.
pub(super) fn load_without_answer(error: &reqwest::Error) -> Load {
    if error.is_timeout() && !error.is_connect() {
        Load::Hung
    } else {
        Load::Down(None)
    }
}

impl AltinnErrorKind {
    /// What an answer other than success means.
    pub(super) fn of_status(answer: &Response) -> Self {
        Self::Status {
            status: answer.status(),
            retry_after: retry_after(answer.headers()),
        }
    }
}

impl AltinnError {
    pub(super) fn new(call: &Call, kind: impl Into<AltinnErrorKind>) -> Self {
        Self {
            call: Box::new(call.clone()),
            kind: kind.into(),
        }
    }

    /// A search for a relay's stamp that failed before it asked.
    #[must_use]
    pub fn of_search(app: &AppId, relay: &RelayId, kind: AltinnErrorKind) -> Self {
        let (app, relay) = (app.clone(), relay.clone());
        Self::new(&Call::SearchStamp { app, relay }, kind)
    }

    /// The status that Altinn answered with, if it answered.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match &self.kind {
            AltinnErrorKind::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// How long Altinn asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.kind {
            AltinnErrorKind::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What it says of the load of the app that was asked.
    #[must_use]
    pub fn load(&self) -> Load {
        match &self.kind {
            AltinnErrorKind::Status {
                status,
                retry_after,
            } => Load::of(*status, false, *retry_after),
            AltinnErrorKind::NoAnswer(error) => load_without_answer(error),
            _ => Load::Unknown,
        }
    }

    /// Whether the same call may succeed a moment later, so that it is worth repeating at once if it is safe to.
    pub(super) fn is_passing(&self) -> bool {
        match &self.kind {
            AltinnErrorKind::NoAnswer(error) => !error.is_timeout(),
            AltinnErrorKind::Status {
                status,
                retry_after,
            } => {
                retry_after.is_none()
                    && (status.is_server_error() || *status == StatusCode::REQUEST_TIMEOUT)
            }
            _ => false,
        }
    }
}

impl From<reqwest::Error> for AltinnErrorKind {
    fn from(error: reqwest::Error) -> Self {
        Self::NoAnswer(error.without_url())
    }
}

/// `Retry-After` in seconds. Altinn's gateway does not use the other form, a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}
