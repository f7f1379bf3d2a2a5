//! What Stafett promises, told as stories over real HTTP.

mod after_steps;
mod answers;
mod batch;
mod clean;
mod concurrency;
mod corpus;
mod cost;
mod crashes;
mod fan_out;
mod half_made;
mod ledger;
mod metrics;
mod outage;
mod poison;
mod prefill;
mod reconcile;
mod redrive;
mod refusals;
mod repeats;
mod secrets;
mod start;
mod status;
mod sweep;
mod tokens;
mod traces;
mod waiting;
