//! Altinn, AWS and the functions on one machine: for trying routes, and for tests.
//!
//! Everything speaks the real protocols over real HTTP; only the far ends are local.

pub mod altinn;
pub mod aws;
pub mod deployment;
pub mod lambda;
pub mod playground;
pub mod timeline;
pub mod wire;
