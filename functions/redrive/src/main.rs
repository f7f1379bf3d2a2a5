//! The Lambda function `redrive`: settings, and then one request of an operator after the other.

use std::{process::ExitCode, time::SystemTime};

use lambda_runtime::{Error, LambdaEvent, service_fn};
use redrive::Redrive;
use serde_json::Value;
use stafett_runtime::{clock::Clock, settings::Source, start, telemetry, tls};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start();
    start::exit(run().await)
}

async fn run() -> Result<(), Error> {
    let aws = tls::aws_config().await?;
    let function = Redrive::new(&Source::environment(), &aws, Clock::system()).await?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let left = event.context.deadline().duration_since(SystemTime::now());
        let answer = function.handle(event.payload, left.ok()).await;
        answer.map_err(Error::from)
    }))
    .await
}
