//! Random forms, instances of them, and expressions over them, for the tests of soundness.
//!
//! Everything is made of [`Choices`], a list of numbers, so that proptest can make what was made of them simpler.

mod choices;
pub mod expression;
pub mod form;
pub mod instance;
pub mod runner;
pub mod schema;

pub use choices::Choices;
