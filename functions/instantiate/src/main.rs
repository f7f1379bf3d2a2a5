//! The Lambda function `instantiate`: one batch of the queue after the other.

use std::{convert::Infallible, process::ExitCode};

use aws_lambda_events::event::sqs::SqsEvent;
use instantiate::Instantiate;
use lambda_runtime::{LambdaEvent, service_fn};
use stafett_runtime::{invocation::Invocation, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start::run(async |environment, aws, clock| {
        let instantiate = Instantiate::new(environment, aws, clock).await?;
        lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
            let invocation = Invocation::from(&event.context);
            Ok::<_, Infallible>(instantiate.handle(event.payload, &invocation).await)
        }))
        .await
    })
    .await
}
