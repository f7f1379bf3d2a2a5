//! What Stafett decides: pure functions and types, without async, HTTP or AWS.
//!
//! Stafett carries the baton between Altinn 3 apps: when an instance of app A
//! reaches an agreed point, exactly one complete instance of app B appears.
//!
//! The words: a [`route`] says from which app, when, to which app and how. A
//! [`trigger`] says that an A instance may be ready. The data of the A [`instance`] is
//! turned into a [`draft`] by [`transform`], [`preflight`] checks the draft against B's
//! [`metadata`] ([`prepare`] does both), and one [`relay`] (one route × one A instance × one key) makes or adopts
//! one B. [`relay::decide`] says what happens next with a relay.

#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod arrival;
pub mod causes;
pub mod class;
pub mod completeness;
pub mod draft;
pub mod forms;
pub mod id;
pub mod instance;
pub mod language;
pub mod metadata;
pub mod moment;
pub mod number;
pub mod pace;
pub mod preflight;
pub mod prepare;
pub mod process;
pub mod reconcile;
pub mod relay;
pub mod route;
pub mod schema;
pub mod slot;
pub mod tolerant;
pub mod transform;
pub mod trigger;
pub mod xml;
