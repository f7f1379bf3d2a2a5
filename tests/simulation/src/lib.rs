//! Simulates a deadline day: the decisions are those of the real core, everything around it is a model.
//!
//! Simulated are the time, the queue ([`queue`]), the ledger ([`ledger`]), Storage and the apps ([`altinn`]), the containers of
//! `instantiate` ([`workers`]) and `reconcile` ([`reconcile`]). Every delivery is an `Attempt` of
//! `stafett_core::relay::decide`, driven step by step.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a simulation that has a fault must stop"
)]

pub mod altinn;
pub mod figures;
pub mod ledger;
pub mod pace;
pub mod queue;
pub mod reconcile;
pub mod scenario;
pub mod time;
pub mod workers;
pub mod world;
