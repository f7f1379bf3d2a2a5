//! The bench of a route's author: what is wrong with a route, what B it gives, and what a change of it changes.
//!
//! Everything here is about files and values: nothing is sent or fetched.

pub mod check;
pub mod compare;
pub mod explain;
mod fields;
pub mod finding;
pub mod graph;
mod judge;
pub mod places;
pub mod render;
mod source;
#[cfg(test)]
mod tried;
pub mod try_out;

pub use finding::{Finding, Place, Severity};
pub use places::Places;
pub use source::Source;
