//! Stafett carries the baton between Altinn 3 apps: when an instance of app A
//! reaches an agreed point, exactly one complete instance of app B appears.
//!
//! The words: a [`route`] says from which app, when, to which app and how. A
//! [`trigger`] says that an A instance may be ready. Its gate is checked at A, its
//! data is turned into a [`draft`], and one [`relay`] (one route × one A instance ×
//! one key) makes or adopts one B. The [`ledger`] remembers every relay.

#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod altinn;
pub mod caller;
pub mod clock;
pub mod completeness;
pub mod dead_letters;
pub mod draft;
pub mod id;
pub mod ledger;
pub mod metrics;
pub mod preflight;
pub mod queue;
pub mod relay;
pub mod route;
pub mod schema;
pub mod settings;
pub mod start;
pub mod telemetry;
pub mod threats;
pub mod transform;
pub mod trigger;
pub mod xml;
