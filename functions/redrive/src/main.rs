//! The Lambda function `redrive`: settings, and then one request of an operator after the other.

use std::{process::ExitCode, time::SystemTime};

use aws_config::BehaviorVersion;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use redrive::Redrive;
use serde_json::Value;
use stafett_runtime::{clock::Clock, settings::Environment, start, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start();
    start::exit(run().await)
}

async fn run() -> Result<(), Error> {
    let aws = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let function = Redrive::new(&Environment::process(), &aws, Clock::system()).await?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let left = event.context.deadline().duration_since(SystemTime::now());
        let answer = function.handle(event.payload, left.ok()).await;
        // The runtime answers with the error's own text, so the causes must be part of it.
        answer.map_err(|error| Error::from(telemetry::Causes(&error).to_string()))
    }))
    .await
}
