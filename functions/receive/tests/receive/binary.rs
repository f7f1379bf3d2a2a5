//! The program itself: started as Lambda starts it, called through the API that the template describes.

use std::{collections::BTreeMap, process::Command, time::Duration};

use jiff::Timestamp;
use local_aws::{
    FunctionSettings, Template,
    lambda::{Function, HttpApi, Program},
};
use serde_json::{Value, json};

use crate::system::{Call, DEADLINE, INSTANCE, POPULAR, SECRET, System, settings};

const PROGRAM: &str = env!("CARGO_BIN_EXE_receive");

fn environment(system: &System) -> BTreeMap<String, String> {
    let routes = system.routes.as_ref().unwrap().path();
    let mut environment = system.aws.endpoints().environment();
    environment.extend(settings(&system.aws, &system.issuer, routes));
    environment
}

fn function(environment: BTreeMap<String, String>) -> Function {
    let settings = FunctionSettings {
        name: "Receive".to_owned(),
        // Twice the template's: a debug build on a machine that also compiles.
        timeout: Duration::from_secs(20),
        memory_mb: 256,
        environment,
    };
    Function::process(settings, Program::new(PROGRAM).containers(1))
}

#[tokio::test]
async fn the_program_serves_every_call_of_the_template_and_logs_no_secret() {
    let system = System::start().await;
    let mut environment = environment(&system);
    environment.insert("AWS_LAMBDA_LOG_LEVEL".to_owned(), "TRACE".to_owned());
    let function = function(environment);
    let routes = Template::stafett().unwrap().http_routes();
    let ours = routes
        .into_iter()
        .filter(|route| route.function == "Receive");
    let behind = ours.map(|route| (route, function.clone()));
    let api = HttpApi::start("127.0.0.1:0", behind).await.unwrap();
    let http = reqwest::Client::new();

    let health = http
        .get(format!("{}/health", api.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
    let health: Value = health.json().await.unwrap();
    assert_eq!(health["routes"], POPULAR + 2);

    let token = system.issuer.token(Timestamp::now());
    let triggered = http
        .post(format!("{}/triggers", api.url()))
        .bearer_auth(&token)
        .json(&json!({ "app": "ttd/permit", "instance": INSTANCE }))
        .send()
        .await
        .unwrap();
    assert_eq!(triggered.status(), 202);
    system.queued(2).await;

    let event = json!({
        "id": "e-1", "specversion": "1.0", "type": "app.instance.process.completed", "source": "urn:x",
        "resource": "urn:altinn:resource:app_ttd_popular", "resourceinstance": INSTANCE,
    });
    let noted = http
        .post(format!("{}/events/{SECRET}", api.url()))
        .header("content-type", "application/cloudevents+json")
        .body(event.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(noted.status(), 200);
    let queued = system.queued(POPULAR).await;
    assert_eq!(queued["popular-0"]["id"], "e-1");

    let status = http
        .get(format!("{}/relays/{INSTANCE}", api.url()))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(status.status(), 404, "nothing is on record of it yet");
    let problem: Value = status.json().await.unwrap();
    assert_eq!(problem["type"], "urn:stafett:problem:no-relay");

    let wrong = http
        .post(format!("{}/events/{SECRET}%20x", api.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 404);

    let processes = function.processes().unwrap();
    let last = |line: &local_aws::lambda::LogLine| line.text.contains("\"problem\":\"not-found\"");
    processes.logged(DEADLINE, last).await.unwrap();
    let log: Vec<String> = processes.log().into_iter().map(|line| line.text).collect();
    let answered = |line: &&String| line.contains("\"route_key\"");
    assert_eq!(log.iter().filter(answered).count(), 5, "{log:?}");
    for line in &log {
        let line_is_json = serde_json::from_str::<Value>(line).is_ok();
        assert!(line_is_json, "{line}");
        assert!(!line.contains(SECRET), "the secret was logged");
        assert!(
            token.split('.').all(|part| !line.contains(part)),
            "a token was logged"
        );
    }
    let with_request = log
        .iter()
        .filter(answered)
        .all(|line| line.contains("\"requestId\""));
    assert!(with_request, "each line names its invocation");
    function.stop().await;
}

#[tokio::test]
async fn an_answer_of_the_program_is_in_the_form_that_api_gateway_takes() {
    let system = System::start().await;
    let function = function(environment(&system));
    let answer = function
        .invoke(Call::new("GET", "/triggers").payload())
        .await
        .unwrap();
    assert_eq!(answer["statusCode"], 405);
    assert_eq!(answer["headers"]["allow"], "POST");
    assert_eq!(
        answer["headers"]["content-type"],
        "application/problem+json"
    );
    assert_eq!(answer["isBase64Encoded"], false);
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["type"], "urn:stafett:problem:method-not-allowed");
    function.stop().await;
}

#[tokio::test]
async fn a_program_that_lacks_a_setting_ends_with_one_line_that_names_it() {
    let system = System::start().await;
    let complete = environment(&system);
    let names = [
        "STAFETT_ROUTES",
        "STAFETT_QUEUE_URL",
        "STAFETT_TABLE",
        "MASKINPORTEN_ISSUER",
        "TRIGGER_SCOPE",
        "TRIGGER_CONSUMERS",
        "EVENTS_SECRET",
    ];
    for name in names {
        for value in [None, Some("?")] {
            // Any text is a scope, the name of a directory or of a table.
            if value.is_some() && matches!(name, "TRIGGER_SCOPE" | "STAFETT_TABLE") {
                continue;
            }
            let mut environment = complete.clone();
            environment.remove(name);
            if let Some(value) = value {
                environment.insert(name.to_owned(), value.to_owned());
            }
            let ended = Command::new(PROGRAM)
                .env_clear()
                .envs(&environment)
                .output()
                .unwrap();
            let stdout = String::from_utf8(ended.stdout).unwrap();
            assert_eq!(ended.status.code(), Some(1), "{name}: {stdout}");
            assert_eq!(stdout.lines().count(), 1, "{stdout}");
            let line: Value = serde_json::from_str(&stdout).unwrap();
            assert_eq!(
                (&line["level"], &line["message"]),
                (&json!("ERROR"), &json!("cannot start"))
            );
            assert!(line["reason"].as_str().unwrap().contains(name), "{stdout}");
            assert!(!stdout.contains(SECRET));
        }
    }
}
