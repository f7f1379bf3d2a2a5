//! Altinn, AWS and the functions on one machine, put together as `template.yaml` says: for trying routes, and for tests.
//!
//! Everything speaks the real protocols over real HTTP; only the far ends are local.

pub mod deployment;
pub mod timeline;
