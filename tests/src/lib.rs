//! The harness of the end-to-end stories: a deployment on this machine, the citizens and operators
//! who use it, and what can be seen of it from outside.
//!
//! Nothing here reaches into the functions. They are called over HTTP, fed from a queue, and fail
//! because something on the wire, in Altinn or in their own process goes wrong.

mod b;
mod binaries;
mod files;
mod process;
pub mod recorded;
mod story;

pub use b::{Attachment, B};
pub use binaries::{Binaries, binaries};
pub use files::{Folder, app, measures_route, mistaken_route, permit_route, routes};
pub use process::{cpu, peak_memory};
pub use story::{
    CASEWORK, DEADLINE, PERMIT, ROUTE, Story, eventually, guid, permit_alone, posts, sqs_event,
    stamp,
};
