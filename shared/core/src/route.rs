//! A route: from which app, when, to which app, and how.
//!
//! Each route has its own file. [`Routes::load`] reads all files of a directory and fails if any of them is invalid, so
//! that an invalid route stops the deployment instead of the relays.

mod definition;
mod error;
pub mod expression;
mod file;
#[cfg(feature = "schema")]
mod file_schema;
mod load;
mod meaning;
pub mod model;
mod words;
pub mod written;

pub use definition::{
    AfterSteps, AttachmentRule, Each, Gate, Mode, OwnerRule, Route, Substatus, Target,
};
pub use error::{Mistake, RouteError, RouteErrors, Words};
pub use expression::{EvaluationError, Expression, Scope};
pub use file::MAX_BYTES;
pub use load::Routes;
#[cfg(feature = "schema")]
pub use load::file_schema;
pub use model::MappingError;

#[cfg(test)]
mod tests;
