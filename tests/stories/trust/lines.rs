//! One event is one line of the log, whatever is in it.

use http::{HeaderValue, Method, StatusCode, header};
use local_altinn::Stage;
use local_world::deployment::{SERVICE_OWNER, TRIGGER_SCOPE};
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, On, RuleId};
use tests::{CASEWORK, PERMIT, ROUTE, Story, binaries, eventually, permit_alone, posts, sqs_event};

use super::fill_in;

/// The one word that only strangers use.
const FORGED: &str = "zqforged";

/// What would be a line of its own, or more than a line, or a command to the terminal that shows it.
fn forgeries() -> Vec<String> {
    let line = json!({ "level": "ERROR", "message": FORGED, "zqforged": true });
    vec![
        format!("\n{line}\n"),
        format!("\r\n{line}"),
        format!("\"}}\n{line}"),
        format!("\",\"{FORGED}\":\"\u{85}\u{2028}\u{2029}"),
        format!("\u{1b}[2K\u{1b}[1A{line}\u{7}\u{9b}31m"),
        format!("\0{FORGED}\u{8}\u{7f}\\u000a\\n"),
        format!("{{}} %s {{{FORGED}}} ${{jndi:ldap://{FORGED}}}"),
        FORGED.repeat(500),
    ]
}

/// All functions as the binaries that are deployed, as talkative as they can be.
async fn story() -> Story {
    let plan = permit_alone();
    let mut plan = plan
        .setting("AWS_LAMBDA_LOG_LEVEL", "TRACE")
        .setting("STAFETT_RECONCILE_GRACE_SECONDS", "0")
        .setting("STAFETT_SETTLE_SECONDS", "0");
    plan.code = binaries().code();
    Story::begin(plan).await
}

/// Each line is one JSON object in printable characters, with no field and no message that somebody forged.
fn assert_each_line_is_one(story: &Story) {
    let logs = story.logs();
    assert!(logs.len() > 20, "there is something to look at");
    for line in &logs {
        let object = serde_json::from_str::<Value>(line).unwrap_or_default();
        assert!(object.is_object(), "{line:?}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert_eq!(object.get(FORGED), None, "{line}");
        assert_ne!(object["message"], FORGED, "{line}");
    }
}

/// And no stranger's word is in any of them.
fn assert_lines_are_ours(story: &Story) {
    assert_each_line_is_one(story);
    for line in story.logs() {
        assert!(!line.contains(FORGED), "{line}");
    }
}

/// What of a text a header can carry.
fn header_text(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .collect()
}

/// A call as API Gateway hands it on, with this text wherever a caller can write something.
fn call(method: &str, path: &str, text: &str, body: &str, token: &str) -> Value {
    let header = header_text(text);
    json!({
        "version": "2.0", "routeKey": format!("{method} {path}"), "rawPath": path, "rawQueryString": text,
        "headers": {
            "host": header, "content-type": "application/json", "user-agent": header,
            "x-forwarded-proto": header,
            "x-amzn-trace-id": format!("Root=1-5759e988-bd862e3fe1be46a994272793;{header}"),
            "x-forwarded-for": header, "referer": header, "traceparent": header,
            "authorization": format!("Bearer {}", header_text(token)),
        },
        "cookies": [text],
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "domainName": "api.example.no",
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                "userAgent": text,
            },
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": format!("{method} {path}"), "stage": "$default",
            "time": "22/Nov/2026:10:00:00 +0000", "timeEpoch": 1_795_341_600_000_u64,
        },
        "body": body, "isBase64Encoded": false,
    })
}

#[tokio::test]
async fn no_call_writes_a_line_of_its_own() {
    let story = story().await;
    let url = story.events_url();
    let events = url.trim_start_matches(&story.api.url());
    let token = story
        .altinn
        .maskinporten_token(SERVICE_OWNER, TRIGGER_SCOPE, None)
        .expect("a token can be made");
    let mut lines = 0;
    for text in forgeries() {
        let a = story.fill_in(Stage::Ended);
        let event = json!({
            "id": text, "specversion": "1.0", "type": text, "source": text, "subject": text,
            "resource": "urn:altinn:resource:app_ttd_permit", "resourceinstance": a,
        });
        let with = |field: &str| {
            let mut event = event.clone();
            event["id"] = "e-1".into();
            event["type"] = "app.instance.process.completed".into();
            event[field] = text.clone().into();
            event.to_string()
        };
        let trigger = |app: &str, a: &str| json!({ "app": app, "instance": a, text.clone(): text });
        let calls = [
            call(
                "POST",
                "/triggers",
                &text,
                &trigger(PERMIT, &a).to_string(),
                &token,
            ),
            call(
                "POST",
                "/triggers",
                &text,
                &trigger(&text, &a).to_string(),
                &token,
            ),
            call(
                "POST",
                "/triggers",
                &text,
                &trigger(PERMIT, &text).to_string(),
                &token,
            ),
            call("POST", "/triggers", &text, &text, &token),
            call("POST", "/triggers", &text, "{}", &text),
            call("POST", events, &text, &event.to_string(), ""),
            call("POST", events, &text, &with("id"), ""),
            call("POST", events, &text, &with("resource"), ""),
            call("POST", events, &text, &with("resourceinstance"), ""),
            call("POST", events, &text, &with("source"), ""),
            call("GET", "/relays/{party}/{guid}", &text, "", &token),
            call("GET", "/nowhere", &text, "", &token),
            call("GET", &format!("/{text}"), &text, "", &token),
        ];
        for call in calls {
            lines += 1;
            let answer = story.receive.invoke(&call).await;
            let answer = answer.expect("the function answers").to_string();
            assert!(!answer.contains(FORGED), "{answer}");
        }
        story.reaches(ROUTE, &a, "done").await;
        // What no gateway hands on, and what is no call at all.
        let mut broken = call("GET", "/health", &text, "", "");
        broken["headers"][&text] = text.clone().into();
        for nonsense in [broken, json!({ text.clone(): text }), json!(text)] {
            let answer = match story.receive.invoke(&nonsense).await {
                Ok(answer) => {
                    lines += 1;
                    answer.to_string()
                }
                Err(refused) => refused.to_string(),
            };
            assert!(!answer.contains(FORGED), "{answer}");
        }
    }
    let told = || {
        let logs = story.logs();
        logs.iter()
            .filter(|line| line.contains("\"route_key\""))
            .count()
    };
    eventually("each call has its line", async || match told() {
        told if told == lines => Ok(()),
        told => Err(format!("{told} of {lines}")),
    })
    .await;
    assert_lines_are_ours(&story);
    story.end().await;
}

#[tokio::test]
async fn no_message_no_form_and_no_answer_of_altinn_writes_a_line_of_its_own() {
    let story = story().await;
    let faults = story.altinn_wire.faults();
    let get = |path: &str| On::request(Method::GET, path);
    let storage = "^/storage/api/v1/instances";
    for text in forgeries() {
        // In the form, which the draft quotes, and in the message.
        let carried = text.chars().filter(|c| !c.is_control()).take(1_500);
        let carried: String = carried.collect();
        let a = fill_in(
            &story,
            &carried.chars().take(200).collect::<String>(),
            &carried,
        );
        let message = json!({
            "v": 1, "route": ROUTE, "instance": a, "cause": "app", "id": text, "at": "2026-11-22T10:00:00Z",
            text.clone(): text,
        });
        let foreign = json!({ "v": 1, "route": text, "instance": text, "cause": text, "id": text, "at": text });
        let mut event = sqs_event([message.to_string(), foreign.to_string(), text.clone()]);
        for record in event["Records"].as_array_mut().into_iter().flatten() {
            record["attributes"]["AWSTraceHeader"] = text.clone().into();
            record["attributes"]["SenderId"] = text.clone().into();
            record["receiptHandle"] = text.clone().into();
        }
        // In each answer of Altinn, one delivery after the other.
        let retry_after: String = header_text(&text).chars().take(200).collect();
        let says = |status: u16, body: String| {
            let header = HeaderValue::from_str(&retry_after).expect("a header's value");
            Action::Answer(
                CannedResponse::status(StatusCode::from_u16(status).expect("a status"))
                    .header(header::RETRY_AFTER, header.clone())
                    .header(header::CONTENT_TYPE, header.clone())
                    .header(header::WWW_AUTHENTICATE, header)
                    .body(body),
            )
        };
        let oauth = json!({ "error": text, "error_description": text }).to_string();
        let problem = json!({ "title": text, "status": 400, "detail": text, text.clone(): text });
        let answers = [
            (
                On::request(Method::POST, "^/maskinporten/token$"),
                says(400, oauth),
            ),
            (
                get("^/authentication/api/v1/exchange"),
                says(200, text.clone()),
            ),
            (
                get(&format!("{storage}/[^/]+/[^/]+$")),
                says(404, text.clone()),
            ),
            (
                get(&format!("{storage}/[^/]+/[^/]+$")),
                says(200, problem.to_string()),
            ),
            (
                get(&format!("^/{PERMIT}/instances/.*/data/")),
                says(500, text.clone()),
            ),
            (
                get(&format!("{storage}/[^/]+/[^/]+/data/")),
                says(200, text.clone()),
            ),
            (
                get(&format!("^/{CASEWORK}/api/v1/applicationmetadata")),
                says(200, problem.to_string()),
            ),
            (posts(), says(404, text.clone())),
            (posts(), says(500, problem.to_string())),
            (
                get(&format!(r"{storage}\?")),
                says(200, problem.to_string()),
            ),
        ];
        story
            .instantiate
            .processes()
            .expect("it runs in processes")
            .kill_all()
            .await;
        for (on, action) in answers {
            let rule: RuleId = faults.add(on, action);
            let answer = story.instantiate.invoke(&event).await;
            let answer = answer.expect("the function answers").to_string();
            assert!(!answer.contains(FORGED), "{answer}");
            faults.remove(rule);
        }
        eventually("the relay is done", async || {
            let answer = story.instantiate.invoke(&event).await;
            answer.expect("the function answers");
            let item = story.ledger_item(&a, ROUTE).await;
            match item.expect("the ledger answers") {
                item if item["state"] == "done" => Ok(()),
                item => Err(item.to_string()),
            }
        })
        .await;
        assert_eq!(
            story.the_b(ROUTE, &a).field("soknad/merknad"),
            [carried.as_str()]
        );
    }
    assert_lines_are_ours(&story);
    // An operator may read again what he typed, but as one line.
    for text in forgeries() {
        for request in [
            json!({ "action": text, "route": text }),
            json!({ text.clone(): text }),
            json!(text),
        ] {
            for function in [&story.reconcile, &story.redrive] {
                // It is refused, or says nothing at all.
                let _ = function.invoke(&request).await;
            }
        }
    }
    assert_each_line_is_one(&story);
    story.end().await;
}
