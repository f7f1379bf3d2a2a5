//! Altinn, AWS and the functions on one machine, put together as in `template.yaml`, for trying
//! routes and for tests.
//!
//! Everything speaks the real protocols over real HTTP; only Altinn and AWS themselves are local.

pub mod deployment;
pub mod timeline;
