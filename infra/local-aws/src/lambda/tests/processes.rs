//! Functions that run in processes of their own.

use std::collections::HashSet;

use super::*;

/// Not a test of its own: the others run this very program as a function's process.
#[tokio::test]
#[ignore = "run by the tests of processes"]
#[expect(clippy::print_stderr, reason = "its last words are read from there")]
async fn the_program_of_a_function() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    lambda_runtime::spawn_graceful_shutdown_handler(|| async { eprintln!("good-bye") }).await;
    lambda_runtime::run(service_fn(play)).await.unwrap();
}

fn program() -> Program {
    Program::new(std::env::current_exe().unwrap())
        .argument("--exact")
        .argument("lambda::tests::processes::the_program_of_a_function")
        .argument("--ignored")
        .argument("--nocapture")
}

fn processes(function: &Function) -> &Processes {
    function.processes().unwrap()
}

fn pid(answer: &Value) -> u64 {
    answer["pid"].as_u64().unwrap()
}

#[tokio::test]
async fn a_process_gets_lambdas_context_and_only_its_own_environment() {
    let function = Function::process(settings(DEADLINE), program());
    let answer = function
        .invoke(&json!({ "echo": { "æ": null } }))
        .await
        .unwrap();
    assert_eq!(answer["echo"], json!({ "æ": null }));
    assert_eq!(
        answer["arn"],
        "arn:aws:lambda:eu-north-1:000000000000:function:Play"
    );
    assert_eq!(
        (&answer["traced"], &answer["memory"]),
        (&json!(true), &json!(256))
    );
    assert_eq!(
        (&answer["colour"], &answer["home"]),
        (&json!("blue"), &Value::Null)
    );
    let left = answer["left"].as_i64().unwrap();
    assert!((0..=60_000).contains(&left), "{left}");
    assert_eq!(pid(&answer), u64::from(processes(&function).pids()[0]));
}

#[tokio::test]
async fn a_process_is_used_again_even_after_an_error_or_a_panic() {
    let function = Function::process(settings(DEADLINE), program().containers(1));
    let first = function.invoke(&json!({})).await.unwrap();
    let error = function
        .invoke(&json!({ "fail": "no luck" }))
        .await
        .unwrap_err();
    assert!(matches!(error, FunctionError::Reported { message, .. } if message == "no luck"));
    let panicked = function
        .invoke(&json!({ "panic": true }))
        .await
        .unwrap_err();
    assert!(
        matches!(panicked, FunctionError::Reported { .. }),
        "{panicked}"
    );
    let second = function.invoke(&json!({})).await.unwrap();
    assert_eq!(pid(&first), pid(&second));
    assert_ne!(first["request"], second["request"]);
    assert_eq!(processes(&function).starts().len(), 1);
}

#[tokio::test]
async fn invocations_at_the_same_time_have_a_process_each_up_to_the_limit() {
    let function = Function::process(settings(DEADLINE), program().containers(2));
    let calls = (0..6).map(|_| {
        let function = function.clone();
        async move { function.invoke(&json!({ "sleep": 100 })).await.unwrap() }
    });
    let answers = futures_util::future::join_all(calls).await;
    let pids: HashSet<u64> = answers.iter().map(pid).collect();
    assert_eq!(pids.len(), 2);
    assert_eq!(processes(&function).starts().len(), 2);
}

#[tokio::test]
async fn a_process_that_ends_during_an_invocation_is_an_error_and_is_replaced() {
    let function = Function::process(settings(DEADLINE), program().containers(1));
    let first = function.invoke(&json!({})).await.unwrap();
    let error = function.invoke(&json!({ "exit": 7 })).await.unwrap_err();
    assert_eq!(error, FunctionError::Exited("exit status: 7".to_owned()));
    let second = function.invoke(&json!({})).await.unwrap();
    assert_ne!(pid(&first), pid(&second));
}

#[tokio::test]
async fn a_process_can_be_killed_in_the_middle_of_its_work_or_between() {
    let function = Function::process(settings(DEADLINE), program().containers(1));
    let working = {
        let function = function.clone();
        let payload = json!({ "print": "here I am", "sleep": 600_000 });
        tokio::spawn(async move { function.invoke(&payload).await })
    };
    let line = processes(&function)
        .logged(DEADLINE, |it| it.text == "here I am")
        .await
        .unwrap();
    assert_eq!(line.stream, Stream::Stderr);
    assert!(processes(&function).kill(line.pid).await);
    let error = working.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, FunctionError::Exited(how) if how.contains("signal: 9")),
        "{error}"
    );
    assert!(processes(&function).pids().is_empty());
    assert!(!processes(&function).kill(line.pid).await, "it is gone");

    let between = function.invoke(&json!({})).await.unwrap();
    processes(&function).kill_all().await;
    let after = function.invoke(&json!({})).await.unwrap();
    assert_ne!(pid(&between), pid(&after));
}

#[tokio::test]
async fn at_its_timeout_a_process_is_killed() {
    let timeout = Duration::from_secs(5);
    let function = Function::process(settings(timeout), program().containers(1));
    processes(&function).warm_up().await.unwrap();
    let before = processes(&function).pids();
    let error = function
        .invoke(&json!({ "sleep": 600_000 }))
        .await
        .unwrap_err();
    assert_eq!(error, FunctionError::TimedOut(timeout));
    let answer = function.invoke(&json!({})).await.unwrap();
    assert_ne!(pid(&answer), u64::from(before[0]));
}

#[tokio::test]
async fn an_invocation_that_nobody_waits_for_any_more_takes_its_process_with_it() {
    let function = Function::process(settings(DEADLINE), program().containers(1));
    processes(&function).warm_up().await.unwrap();
    let before = processes(&function).pids();
    let payload = json!({ "print": "started", "sleep": 600_000 });
    let abandoned = tokio::time::timeout(Duration::from_secs(1), function.invoke(&payload)).await;
    assert!(abandoned.is_err());
    eventually(|| processes(&function).pids() != before).await;
    assert_ne!(
        pid(&function.invoke(&json!({})).await.unwrap()),
        u64::from(before[0])
    );
}

#[tokio::test]
async fn stopping_lets_a_process_say_good_bye() {
    let function = Function::process(settings(DEADLINE), program());
    processes(&function).warm_up().await.unwrap();
    function.stop().await;
    let said = processes(&function).log();
    assert!(said.iter().any(|it| it.text == "good-bye"), "{said:?}");
    assert!(processes(&function).pids().is_empty());
    assert_eq!(
        function.invoke(&json!({})).await.unwrap_err(),
        FunctionError::Stopped
    );
}

#[tokio::test]
async fn the_time_to_the_first_poll_is_measured_once_a_process() {
    let function = Function::process(settings(DEADLINE), program().containers(2));
    processes(&function).warm_up().await.unwrap();
    function.invoke(&json!({})).await.unwrap();
    let starts = processes(&function).starts();
    assert_eq!(starts.len(), 1);
    assert!(starts[0] > Duration::ZERO && starts[0] < DEADLINE);
}

#[tokio::test]
async fn a_program_that_does_not_start_is_an_error_with_its_last_words_in_the_log() {
    let missing = Function::process(settings(DEADLINE), Program::new("/nowhere/bootstrap"));
    let error = missing.invoke(&json!({})).await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/bootstrap"), "{error}");

    let shell = Program::new("/bin/sh")
        .argument("-c")
        .argument("echo STAFETT_TABLE is missing; exit 3");
    let function = Function::process(settings(DEADLINE), shell);
    let error = function.invoke(&json!({})).await.unwrap_err();
    assert_eq!(error, FunctionError::Init("exit status: 3".to_owned()));
    assert_eq!(
        processes(&function).log()[0].text,
        "STAFETT_TABLE is missing"
    );
}

#[tokio::test]
async fn an_answer_that_lambda_would_refuse_is_an_error() {
    let function = Function::process(settings(DEADLINE), program().containers(1));
    let error = function
        .invoke(&json!({ "size": PAYLOAD_LIMIT }))
        .await
        .unwrap_err();
    let kind = "Function.ResponseSizeTooLarge";
    assert!(
        matches!(&error, FunctionError::Reported { kind: it, .. } if it == kind),
        "{error}"
    );
}

#[tokio::test]
async fn the_runtime_api_refuses_what_lambda_refuses() {
    let (api, _work) = runtime_api::RuntimeApi::new("Play");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, api.router()).await });
    let client = reqwest::Client::new();
    let unknown = format!("{url}/2018-06-01/runtime/invocation/unknown/response");
    let answer = client.post(unknown).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer["errorType"], "InvalidRequestID");
    let register = |events: Value| {
        client
            .post(format!("{url}/2020-01-01/extension/register"))
            .header("Lambda-Extension-Name", "x")
            .header("Content-Type", "application/json")
            .body(json!({ "events": events }).to_string())
            .send()
    };
    assert_eq!(register(json!(["INVOKE"])).await.unwrap().status(), 400);
    let registered = register(json!([])).await.unwrap();
    assert_eq!(registered.status(), 200);
    assert!(
        registered
            .headers()
            .contains_key("lambda-extension-identifier")
    );
    let next = client.get(format!("{url}/2020-01-01/extension/event/next"));
    assert_eq!(next.send().await.unwrap().status(), 403);
}
