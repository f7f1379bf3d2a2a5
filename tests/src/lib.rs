//! The harness of the end-to-end stories: a deployment on this machine, the citizens and operators who use it,
//! and what can be observed from outside.
//!
//! The stories never call into the functions' code. They call the functions over HTTP or feed them from a queue,
//! and inject faults on the wire, in Altinn or in the function's process.

mod b_instance;
mod binaries;
mod files;
mod process;
pub mod recorded;
mod story;

pub use b_instance::{Attachment, BInstance};
pub use binaries::{Binaries, binaries};
pub use files::{Folder, app, app_folder, measures_route, mistaken_route, permit_route, routes};
pub use process::{cpu, peak_memory};
pub use story::{
    CASEWORK, DEADLINE, PERMIT, ROUTE, Story, eventually, guid, permit_alone, posts, sqs_event,
    stamp,
};
