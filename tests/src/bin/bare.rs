//! A function that does nothing but links the same crates as the real ones: the lower bound for a start.
//! Measured by the benchmark `start`.

use aws_config::BehaviorVersion;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let aws = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let http = reqwest::Client::new();
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        // Never called while a start is measured; without it the crates would not be linked.
        dynamodb.list_tables().send().await?;
        sqs.list_queues().send().await?;
        http.get("https://platform.altinn.no").send().await?;
        Ok::<Value, Error>(event.payload)
    }))
    .await
}
