//! A route: from which app, when, to which app, and how.
//!
//! Each route has its own file. [`Routes::load`] reads all files of a directory and fails if any of them is invalid, so
//! that an invalid route stops the deployment instead of the relays.

mod definition;
mod error;
mod file;
#[cfg(feature = "schema")]
mod file_schema;
mod fixed_text;
mod load;
mod lower;
pub mod model;
mod read;
#[cfg(feature = "schema")]
mod schema_parts;
pub mod span;

pub use definition::{
    Accepted, AfterSteps, AttachmentRule, Each, FormRule, Gate, Mode, NamePattern, Order,
    OwnerRule, PaceRule, Route, Substatus, Target, VerifyRule,
};
pub use error::{Expected, Mistake, RouteError, RouteErrors, Words, YamlMistake};
#[cfg(feature = "schema")]
pub use file_schema::file_schema;
pub use load::Routes;
pub use model::MappingError;
pub use read::MAX_BYTES;

#[cfg(test)]
mod tests;
