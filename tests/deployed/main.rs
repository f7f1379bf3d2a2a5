//! The SAM application as `sam deploy` makes it: API Gateway, Lambda, SQS, DynamoDB, Secrets Manager, IAM and
//! EventBridge Scheduler as the template wires them, on an emulator that has nothing to do with the embedded one.
//! Altinn is the local one, in this process.
//!
//! `.ci/deployed` builds, deploys and runs this. Without a deployment each story says that it was skipped.

mod deployed;
mod poison;
mod refusals;
mod schedule;
mod triggers;
