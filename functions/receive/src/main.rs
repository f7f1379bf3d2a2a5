//! The Lambda function `receive`: settings, routes, secret, and then one call after the other.

use std::{convert::Infallible, process::ExitCode};

use lambda_http::{
    Adapter, Error, LambdaEvent, Request, Service, lambda_runtime, request::LambdaRequest,
    service_fn,
};
use receive::{Receive, event, handle};
use stafett_runtime::{clock::Clock, settings::Source, start, telemetry, tls};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start();
    start::exit(run().await)
}

async fn run() -> Result<(), Error> {
    let aws = tls::aws_config().await?;
    let receive = Receive::new(&Source::environment(), &aws, Clock::system()).await?;
    let mut calls = Adapter::from(service_fn(async |request: Request| {
        Ok::<_, Infallible>(handle(&receive, request).await)
    }));
    lambda_runtime::run(service_fn(|mut event: LambdaEvent<LambdaRequest>| {
        event::strip(&mut event.payload);
        calls.call(event)
    }))
    .await
}
