//! The Lambda function `reconcile`: one run whenever the schedule or an operator asks for it.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use reconcile::Reconcile;
use serde_json::Value;
use stafett_runtime::{invocation::Invocation, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start::run(async |environment, aws, clock| {
        let reconcile = Reconcile::new(environment, aws, clock).await?;
        lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
            let invocation = Invocation::from(&event.context);
            Ok::<_, Error>(reconcile.handle(event.payload, &invocation).await?)
        }))
        .await
    })
    .await
}
