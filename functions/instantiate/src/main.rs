//! The Lambda function `instantiate`: settings, routes, key, and then one batch after the other.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use instantiate::Instantiate;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use stafett_runtime::{clock::Clock, settings::Source, start, telemetry, tls};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start();
    start::exit(run().await)
}

async fn run() -> Result<(), Error> {
    let aws = tls::aws_config().await?;
    let function = Instantiate::new(&Source::environment(), &aws, Clock::system()).await?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let left = left_until(event.context.deadline());
        Ok::<SqsBatchResponse, Error>(function.handle(event.payload, left).await)
    }))
    .await
}

fn left_until(deadline: SystemTime) -> Option<Duration> {
    deadline.duration_since(SystemTime::now()).ok()
}
