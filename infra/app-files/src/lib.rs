//! Reads the files of an Altinn app, as far as a route or a local Altinn depends on them.
//!
//! The crate has two halves, which meet in the app's data models:
//!
//! * [`AppFiles`] and [`Apps`] find and parse the files: metadata, process, policy, schemas, prefill and settings.
//!   They describe the app; they do not read form data.
//! * [`mod@form`] holds form data. It builds the .NET class of a data model, from the app's C# or its JSON schema, and
//!   reads and writes XML and JSON exactly as an app with that class does.
//!
//! The files can be laid out in two ways, which may be mixed. Where two files give the same information, the one named
//! first in the table takes precedence:
//!
//! | what | an app's repository | flat, as the app itself publishes it |
//! |---|---|---|
//! | metadata | `App/config/applicationmetadata.json` | `applicationmetadata.json` |
//! | tasks | `App/config/process/process.bpmn` | `process.bpmn` |
//! | policy | `App/config/authorization/policy.xml` | `policy.xml` |
//! | schemas | `App/models/{class or data type}.schema.json` | `models/{data type}.schema.json` |
//! | prefill | `App/models/{data type}.prefill.json` | `models/{data type}.prefill.json` |
//! | XML root elements | `App/models/*.cs`, `*.xsd` | `roots` of `app.yaml` |
//! | events | `App/appsettings.json` | `events` of `app.yaml` |
//!
//! A repository may also have its `config` and `models` folders at the top, without `App`.
//! (The repository's layout: Altinn/altinn-studio: src/App/template/v8/src/App.)

mod app;
mod apps;
mod code;
pub mod dates;
mod error;
pub mod form;
mod layout;
mod model_files;
mod policy;
mod process;
mod settings;
mod text;
mod unsupported;
mod xml_tree;

pub use app::{AppFiles, MissingContent, MissingFile};
pub use apps::Apps;
pub use error::AppFilesError;
pub use model_files::Prefill;
pub use policy::Policy;
pub use process::Task;
pub use unsupported::Unsupported;

#[cfg(test)]
mod tests;
