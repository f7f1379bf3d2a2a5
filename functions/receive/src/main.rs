//! The Lambda function `receive`: one call of the HTTP API after the other.

use std::{convert::Infallible, process::ExitCode};

use lambda_http::{
    Adapter, LambdaEvent, Request, RequestExt, Service, lambda_runtime, request::LambdaRequest,
    service_fn,
};
use receive::{Receive, event};
use stafett_runtime::{invocation::Invocation, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start::run(async |environment, aws, clock| {
        let receive = Receive::new(environment, aws, clock).await?;
        let mut calls = Adapter::from(service_fn(async |request: Request| {
            let context = request.lambda_context_ref();
            let invocation = context.map(Invocation::from).unwrap_or_default();
            Ok::<_, Infallible>(receive.handle(request, &invocation).await)
        }));
        lambda_runtime::run(service_fn(|mut event: LambdaEvent<LambdaRequest>| {
            event::strip(&mut event.payload);
            calls.call(event)
        }))
        .await
    })
    .await
}
