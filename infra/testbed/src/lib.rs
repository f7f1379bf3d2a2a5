//! Tools to test the local world with: a clock that can be moved, and a wire that records calls and makes them fail.

pub mod clock;
pub mod wire;

pub use clock::Clock;
