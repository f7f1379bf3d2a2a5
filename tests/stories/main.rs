//! What Stafett promises, told as stories over real HTTP.

mod answers;
mod batch;
mod clean;
mod concurrency;
mod corpus;
mod crashes;
mod fan_out;
mod half_made;
mod ledger;
mod poison;
mod prefill;
mod refusals;
mod repeats;
mod start;
mod sweep;
mod tokens;
mod waiting;
