//! What the local world needs to be tried and tested: a clock that can be moved, and a wire that records calls
//! and breaks them.

pub mod clock;
pub mod wire;

pub use clock::Clock;
