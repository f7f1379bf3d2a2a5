//! Why a request cannot be followed.

use stafett_core::id::InvalidId;
use thiserror::Error;

/// A request that cannot be followed. The text names fields, never their values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Not a JSON object.
    #[error("the event must be one JSON object, such as {{\"action\":\"inspect\"}}")]
    NotAnObject,
    /// `action` is missing, or unknown.
    #[error("`action` must be \"inspect\", \"redrive\", \"remove\" or \"resume\"")]
    Action,
    /// A field that the action does not have.
    #[error("{action} has no field {name:?}; it takes {allowed}")]
    Unknown {
        /// The field.
        name: String,
        /// The action.
        action: &'static str,
        /// What it takes.
        allowed: String,
    },
    /// A field with a value that it cannot have, or a missing one.
    #[error("`{name}` must be {allowed}")]
    Value {
        /// The field.
        name: &'static str,
        /// What it may be.
        allowed: String,
    },
    /// The name is not one that a route can have.
    #[error("`route` is {0}")]
    Route(InvalidId),
}
