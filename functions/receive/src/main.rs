//! The Lambda function `receive`: settings, routes, secret, and then one call after the other.

use std::{convert::Infallible, process::ExitCode};

use aws_config::BehaviorVersion;
use lambda_http::{
    Adapter, Error, LambdaEvent, Request, Service, lambda_runtime, request::LambdaRequest,
    service_fn,
};
use receive::{Receive, event, handle};
use stafett_runtime::{clock::Clock, settings::Environment, start, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start();
    start::exit(run().await)
}

async fn run() -> Result<(), Error> {
    let aws = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let receive = Receive::new(&Environment::process(), &aws, Clock::system()).await?;
    let mut calls = Adapter::from(service_fn(async |request: Request| {
        Ok::<_, Infallible>(handle(&receive, request).await)
    }));
    lambda_runtime::run(service_fn(|mut event: LambdaEvent<LambdaRequest>| {
        event::strip(&mut event.payload);
        calls.call(event)
    }))
    .await
}
