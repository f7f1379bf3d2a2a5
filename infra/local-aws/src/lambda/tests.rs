mod http;
mod kill;
mod processes;
mod queue;
mod schedule;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use lambda_runtime::{Error, service_fn};
use serde_json::json;

use super::*;

/// How long anything may take on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn settings(timeout: Duration) -> FunctionSettings {
    FunctionSettings {
        name: "Play".to_owned(),
        timeout,
        memory_mb: 256,
        environment: BTreeMap::from([("COLOUR".to_owned(), "blue".to_owned())]),
    }
}

/// Does what its payload says.
#[expect(clippy::print_stderr, reason = "that is what it is asked to do")]
async fn play(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = event;
    if let Some(text) = payload["print"].as_str() {
        eprintln!("{text}");
    }
    if let Some(milliseconds) = payload["sleep"].as_u64() {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    if let Some(message) = payload["fail"].as_str() {
        return Err(message.into());
    }
    assert!(payload["panic"].is_null(), "asked to panic");
    if let Some(code) = payload["exit"].as_i64() {
        std::process::exit(i32::try_from(code)?);
    }
    if let Some(size) = payload["size"].as_u64() {
        return Ok(json!("x".repeat(usize::try_from(size)?)));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    Ok(json!({
        "echo": payload["echo"],
        "request": context.request_id,
        "arn": context.invoked_function_arn,
        "traced": context.xray_trace_id.is_some(),
        "left": i128::from(context.deadline) - i128::try_from(now)?,
        "memory": context.env_config.memory,
        "colour": std::env::var("COLOUR").ok(),
        "home": std::env::var("HOME").ok(),
        "pid": std::process::id(),
    }))
}

async fn eventually(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < DEADLINE,
            "it did not happen within {DEADLINE:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_answer_an_error_and_a_panic_come_back_as_such() {
    let function = Function::in_process(settings(DEADLINE), service_fn(play));
    let answer = function
        .invoke(&json!({ "echo": [1, "two"] }))
        .await
        .unwrap();
    assert_eq!(answer["echo"], json!([1, "two"]));
    assert_eq!(
        answer["arn"],
        "arn:aws:lambda:eu-north-1:000000000000:function:Play"
    );
    assert_eq!(answer["memory"], 256);
    let failed = function
        .invoke(&json!({ "fail": "no luck" }))
        .await
        .unwrap_err();
    assert!(failed.to_string().ends_with("no luck"), "{failed}");
    let panicked = function
        .invoke(&json!({ "panic": true }))
        .await
        .unwrap_err();
    assert!(matches!(panicked, FunctionError::Reported { kind, .. } if kind == "Panic"));
}

#[tokio::test]
async fn at_its_timeout_an_invocation_is_dropped_where_it_stands() {
    struct Working(Arc<AtomicUsize>);
    impl Drop for Working {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    let timeout = Duration::from_millis(50);
    let function = Function::in_process(
        settings(timeout),
        service_fn(move |_: LambdaEvent<Value>| {
            let working = Working(Arc::clone(&count));
            async move {
                std::future::pending::<()>().await;
                drop(working);
                Ok::<_, Error>(())
            }
        }),
    );
    let error = function.invoke(&Value::Null).await.unwrap_err();
    assert_eq!(error, FunctionError::TimedOut(timeout));
    eventually(|| dropped.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_payload_that_lambda_would_refuse_is_refused() {
    let function = Function::in_process(settings(DEADLINE), service_fn(play));
    let payload = Value::from("x".repeat(PAYLOAD_LIMIT));
    let error = function.invoke(&payload).await.unwrap_err();
    assert_eq!(error, FunctionError::TooLarge(PAYLOAD_LIMIT + 2));
}
