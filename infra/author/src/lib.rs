//! Tools for the author of a route: what is wrong with it, which B it gives, and what a change to it changes.
//!
//! Everything here works on files and values: nothing is sent or fetched.

pub mod check;
pub mod compare;
pub mod explain;
mod fields;
pub mod finding;
#[cfg(test)]
mod fixtures;
pub mod graph;
mod judge;
mod located_route;
pub mod places;
pub mod render;
mod schema_in_use;
pub mod try_out;
mod words;

pub use finding::{Finding, Place, Severity};
pub use located_route::LocatedRoute;
pub use places::Places;
pub use stafett_core::prepare::InstanceData;
