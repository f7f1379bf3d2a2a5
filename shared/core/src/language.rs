//! What the expressions of a route can compute, as plain functions over plain values.
//!
//! Every function is total: it ends for every input, in time linear in the input, and never panics. Its errors never
//! quote the value, which may be personal data.

pub mod calendar;
pub mod collation;
pub mod identity;
pub mod reading;
