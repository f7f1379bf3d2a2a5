//! The Lambda function `reconcile`: settings, routes, key, and then one run whenever the clock says so.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use lambda_runtime::{Error, LambdaEvent, service_fn};
use reconcile::{Answer, Reconcile};
use serde_json::Value;
use stafett_runtime::{clock::Clock, settings::Source, start, telemetry, tls};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start();
    start::exit(run().await)
}

async fn run() -> Result<(), Error> {
    let aws = tls::aws_config().await?;
    let function = Reconcile::new(&Source::environment(), &aws, Clock::system()).await?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let left = left_until(event.context.deadline());
        let trace = event.context.xray_trace_id.as_deref();
        let answer = function.handle_in_trace(event.payload, left, trace).await?;
        Ok::<Answer, Error>(answer)
    }))
    .await
}

fn left_until(deadline: SystemTime) -> Option<Duration> {
    deadline.duration_since(SystemTime::now()).ok()
}
