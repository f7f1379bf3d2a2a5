//! How Stafett reaches the world: Altinn, DynamoDB, SQS, its settings and its log.
//!
//! `stafett_core` decides; this crate carries out. The [`ledger`] remembers every relay, the
//! [`queue`] carries triggers, [`altinn`] is the client for Altinn, [`caller`] authenticates
//! who triggers.

#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod altinn;
pub mod caller;
pub mod clock;
pub mod dead_letters;
pub mod invocation;
pub mod ledger;
pub mod metrics;
mod patience;
pub mod queue;
pub mod settings;
pub mod start;
pub mod telemetry;
pub mod threats;
pub mod tls;
