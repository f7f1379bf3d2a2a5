//! The Lambda function `redrive`: one request of an operator after the other.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use redrive::Redrive;
use serde_json::Value;
use stafett_runtime::{invocation::Invocation, start, telemetry::Causes};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start::run(async |environment, aws, clock| {
        let redrive = Redrive::new(environment, aws, clock).await?;
        lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
            let invocation = Invocation::from(&event.context);
            let response = redrive.handle(event.payload, &invocation).await;
            response.map_err(|error| Error::from(Causes(&error).to_string()))
        }))
        .await
    })
    .await
}
