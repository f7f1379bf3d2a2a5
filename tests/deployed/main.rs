//! The SAM application as `sam deploy` creates it: API Gateway, Lambda, SQS, DynamoDB, Secrets Manager, IAM and
//! EventBridge Scheduler wired by the template, on an emulator that is independent of the embedded one.
//! Altinn is the local one, in this process.
//!
//! `.ci/deployed` builds, deploys and runs this. Without a deployment each story prints that it was skipped.

mod deployed;
mod poison;
mod refusals;
mod replaced;
mod schedule;
mod triggers;
