//! The bench of a route's author: what is wrong with a route, what B it gives, and what a change of it changes.
//!
//! Everything here is about files and values: nothing is sent to an app, and nothing but
//! [the public files of an app](apps) is ever fetched, when that is asked for.

pub mod finding;

pub use finding::{Finding, Place, Severity};
