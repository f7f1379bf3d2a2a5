//! The Lambda function `receive`: settings, routes, secret, and then one call after the other.

use std::{convert::Infallible, process::ExitCode};

use aws_config::BehaviorVersion;
use lambda_http::{Error, Request, service_fn};
use receive::{Receive, handle};
use stafett::{clock::Clock, settings::Source, start, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start();
    start::exit(run().await)
}

async fn run() -> Result<(), Error> {
    let aws = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let receive = Receive::new(&Source::environment(), &aws, Clock::system()).await?;
    lambda_http::run(service_fn(async |request: Request| {
        Ok::<_, Infallible>(handle(&receive, request).await)
    }))
    .await
}
