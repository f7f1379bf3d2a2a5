//! `POST /triggers`, from app A's side and from the queue's.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use jiff::{SignedDuration, Timestamp};
use lambda_http::http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, On};

use crate::{
    issuer::Reply as IssuerReply,
    system::{Call, INSTANCE, POPULAR, REQUEST_ID, System},
};

fn permit() -> Value {
    json!({ "app": "ttd/permit", "instance": INSTANCE })
}

#[tokio::test]
async fn a_trigger_of_app_a_becomes_one_message_per_route() {
    let system = System::start().await;
    let before = Timestamp::now();
    let reply = system.call(system.trigger(permit())).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let status = format!("/relays/{INSTANCE}");
    assert_eq!(
        reply.json(),
        json!({ "relays": [
            { "route": "permit-to-archive", "status": status },
            { "route": "permit-to-casework", "status": status },
        ]})
    );

    let queued = system.queued(2).await;
    let message = &queued["permit-to-casework"];
    let at: Timestamp = message["at"].as_str().unwrap().parse().unwrap();
    assert!(before <= at && at <= Timestamp::now());
    assert_eq!(
        *message,
        json!({
            "v": 1, "route": "permit-to-casework", "instance": INSTANCE,
            "cause": "app", "id": REQUEST_ID, "at": message["at"],
        })
    );
    assert_eq!(queued["permit-to-archive"]["instance"], INSTANCE);
    assert_eq!(system.sends(), 1, "both in one call");
}

#[tokio::test]
async fn an_app_with_many_routes_triggers_them_all() {
    let system = System::start().await;
    let reply = system
        .call(system.trigger(json!({ "app": "ttd/popular", "instance": INSTANCE })))
        .await;
    assert_eq!(reply.status, 202);
    assert_eq!(reply.json()["relays"].as_array().unwrap().len(), POPULAR);
    assert_eq!(system.queued(POPULAR).await.len(), POPULAR);
    assert_eq!(system.sends(), 2, "ten messages a call");
}

#[tokio::test]
async fn each_message_carries_the_trace_that_the_call_ran_under() {
    const TRACE: &str =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let system = System::start().await;
    let event = json!({
        "id": "e-1", "specversion": "1.0", "type": "app.instance.process.completed", "source": "urn:x",
        "resource": "urn:altinn:resource:app_ttd_permit", "resourceinstance": INSTANCE,
    });
    for call in [system.trigger(permit()), Call::event(&event)] {
        for (given, kept) in [
            (TRACE.to_owned(), Some(TRACE)),
            (format!("{TRACE};CalledFrom=hemmelig"), Some(TRACE)),
            // SQS refuses what is no trace header, and a trigger must not be lost for it.
            ("hemmelig".to_owned(), None),
        ] {
            let reply = system.call(call.clone().traced(&given)).await;
            assert!([200, 202].contains(&reply.status), "{}", reply.text);
            for (body, trace) in system.messages(2).await.into_values() {
                assert_eq!(trace.as_deref(), kept, "{body}");
            }
        }
    }
    let untraced = system.call(system.trigger(permit())).await;
    assert_eq!(untraced.status, 202);
    assert!(
        system
            .messages(2)
            .await
            .into_values()
            .all(|(_, trace)| trace.is_none())
    );
}

#[tokio::test]
async fn unknown_fields_and_letter_case_do_not_matter() {
    let system = System::start().await;
    let body = json!({
        "app": "ttd/permit", "instance": INSTANCE.to_uppercase(), "later": { "version": 2 }
    });
    let token = system.issuer.token(Timestamp::now());
    let call = system
        .trigger(body)
        .header("authorization", format!("bearer  {token} "))
        .header("content-type", "Application/JSON; charset=utf-8");
    let reply = system.call(call).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    assert_eq!(
        system.queued(2).await["permit-to-casework"]["instance"],
        INSTANCE
    );
}

#[tokio::test]
async fn a_caller_without_a_good_token_learns_only_that() {
    let system = System::start().await;
    let now = Timestamp::now();
    let claims = |changes: Value| {
        let mut claims = system.issuer.claims(now);
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        format!("Bearer {}", system.issuer.sign(&claims))
    };
    let yesterday = now.checked_sub(SignedDuration::from_hours(24)).unwrap();
    let invalid = Some("Bearer error=\"invalid_token\"");
    let cases = [
        (
            None,
            401,
            "no-token",
            "Authorization: Bearer",
            Some("Bearer"),
        ),
        (
            Some("Basic aGVtbWVsaWc6eA==".to_owned()),
            401,
            "no-token",
            "Maskinporten",
            Some("Bearer"),
        ),
        (
            Some("Bearer ".to_owned()),
            401,
            "no-token",
            "Maskinporten",
            Some("Bearer"),
        ),
        (
            Some("Bearer hemmelig".to_owned()),
            401,
            "invalid-token",
            "not a signed JWT",
            invalid,
        ),
        (
            Some(format!("Bearer {}", system.issuer.token(yesterday))),
            401,
            "invalid-token",
            "it has expired",
            invalid,
        ),
        (
            Some(claims(json!({ "iss": "https://hemmelig.example.no/" }))),
            401,
            "invalid-token",
            "another issuer",
            invalid,
        ),
        (
            Some(claims(json!({ "scope": "hemmelig:scope" }))),
            403,
            "forbidden",
            "scope",
            Some("Bearer error=\"insufficient_scope\""),
        ),
        (
            Some(claims(json!({ "consumer": { "ID": "0192:991825827" } }))),
            403,
            "forbidden",
            "organisation",
            None,
        ),
    ];
    // Whatever the body is, who calls is settled first.
    let bodies = [
        permit().to_string(),
        "{hemmelig".to_owned(),
        "x".repeat(70_000),
    ];
    for (authorization, status, name, says, challenge) in cases {
        for body in &bodies {
            let mut call = Call::new("POST", "/triggers").json(body);
            if let Some(value) = &authorization {
                call = call.header("authorization", value);
            }
            let reply = system.call(call).await;
            let detail = reply.problem(status, name);
            assert!(detail.contains(says), "{detail}");
            assert!(!reply.text.contains("hemmelig") && !reply.text.contains("991825827"));
            assert_eq!(reply.header("www-authenticate"), challenge);
        }
    }
    assert_eq!(system.sends(), 0);
}

#[tokio::test]
async fn a_body_that_is_not_a_trigger_is_refused_with_the_reason() {
    let system = System::start().await;
    let instance = |text: &str| json!({ "app": "ttd/permit", "instance": text }).to_string();
    let app = |app: Value| json!({ "app": app, "instance": INSTANCE }).to_string();
    let cases = [
        (String::new(), "empty"),
        (
            "{\"app\":\"hemmelig".to_owned(),
            "ends too early, see line 1",
        ),
        ("{\n\"app\": hemmelig}".to_owned(), "not JSON, see line 2"),
        ("\"hemmelig\"".to_owned(), "one JSON object"),
        ("[{}]".to_owned(), "one JSON object"),
        ("[".repeat(60_000), "not JSON"),
        ("{}".to_owned(), "`app` is missing"),
        (
            json!({ "app": "ttd/permit" }).to_string(),
            "`instance` is missing",
        ),
        (app(Value::Null), "`app` is missing"),
        (app(json!(7)), "`app` must be a text"),
        (app(json!(["hemmelig"])), "`app` must be a text"),
        (app(json!("hemmelig")), "`app` is not an app id"),
        (app(json!("ttd/hemmelig/x")), "`app` is not an app id"),
        (app(json!("../hemmelig")), "`app` is not an app id"),
        (instance("hemmelig"), "`instance` is not an instance id"),
        (
            instance("https://hemmelig.example.no/1"),
            "`instance` is not an instance id",
        ),
        (
            instance(&format!("{INSTANCE}/hemmelig")),
            "`instance` is not an instance id",
        ),
        (
            instance(&format!("{INSTANCE}\n")),
            "`instance` is not an instance id",
        ),
    ];
    for (body, says) in cases {
        let shown: String = body.chars().take(60).collect();
        let reply = system.call(system.trigger(body)).await;
        let detail = reply.problem(400, "malformed-body");
        assert!(detail.contains(says), "{shown}: {detail}");
        assert!(!reply.text.contains("hemmelig"), "{}", reply.text);
    }
    let form = system
        .trigger(permit())
        .header("content-type", "text/plain");
    let detail = system.call(form).await.problem(400, "malformed-body");
    assert!(
        detail.contains("Content-Type: application/json"),
        "{detail}"
    );
    assert_eq!(system.sends(), 0);
}

#[tokio::test]
async fn an_oversized_body_is_refused_however_it_is_encoded() {
    let system = System::start().await;
    let body = format!("{}{}", permit(), " ".repeat(65_536));
    let plain = system.trigger(&body);
    for call in [plain.clone(), plain.in_base64()] {
        let detail = system.call(call).await.problem(413, "body-too-large");
        assert!(detail.contains("64 KiB"), "{detail}");
    }
    assert_eq!(system.sends(), 0);
}

#[tokio::test]
async fn a_compressed_body_is_not_unpacked() {
    let system = System::start().await;
    // A good trigger, and one that would be far too large.
    for body in [
        permit().to_string(),
        format!("{}{}", permit(), " ".repeat(20_000_000)),
    ] {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(body.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        assert!(packed.len() < 65_536);
        for encoding in ["gzip", "x-gzip", "br", "identity"] {
            let call = system
                .trigger("")
                .header("content-encoding", encoding)
                .bytes(&packed);
            let detail = system.call(call).await.problem(400, "malformed-body");
            assert!(detail.contains("not JSON"), "{detail}");
        }
    }
    assert_eq!(system.sends(), 0);
}

#[tokio::test]
async fn as_many_headers_as_api_gateway_lets_through_change_nothing() {
    let system = System::start().await;
    // 10,240 bytes in all (Amazon API Gateway Developer Guide, "Quotas for … an HTTP API").
    let many = (0..600).fold(system.trigger(permit()), |call, number| {
        call.header(&format!("x-{number}"), "x")
    });
    let long = system.trigger(permit()).header("x-long", "x".repeat(9_000));
    for call in [many, long] {
        assert_eq!(system.call(call).await.status, 202);
        system.queued(2).await;
    }
    let sent = system.sends();
    let token = system.issuer.token(Timestamp::now());
    for authorization in [
        // As API Gateway joins a header that comes twice.
        format!("Bearer {token},Bearer {token}"),
        format!("Bearer x,Bearer {token}"),
        format!("Bearer {token} {token}"),
        format!("Bearer {}", "x".repeat(9_000)),
        format!("Bearer {}.{}.x", "e30".repeat(1_500), "e30".repeat(1_500)),
        format!("Bearer\t{token}"),
        token.clone(),
    ] {
        let call = system
            .trigger(permit())
            .header("authorization", authorization);
        assert_eq!(system.call(call).await.status, 401);
    }
    assert_eq!(system.sends(), sent);
    assert!(system.issuer.keys_read() <= 1);
}

#[tokio::test]
async fn an_app_without_a_route_is_not_found() {
    let system = System::start().await;
    let call = system.trigger(json!({ "app": "ttd/hemmelig", "instance": INSTANCE }));
    let reply = system.call(call).await;
    let detail = reply.problem(404, "no-route");
    assert!(
        detail.contains("No route") && !reply.text.contains("hemmelig"),
        "{detail}"
    );
    assert_eq!(system.sends(), 0);
}

#[tokio::test]
async fn a_caller_is_asked_to_try_again_while_the_queue_is_down() {
    let system = System::start().await;
    let down = CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE);
    for action in [Action::Answer(down), Action::ResetBefore] {
        system.wire.faults().clear();
        system.wire.faults().add(On::any(), action);
        let reply = system.call(system.trigger(permit())).await;
        let detail = reply.problem(503, "queue-unavailable");
        assert!(detail.contains("send the same call again"), "{detail}");
        assert_eq!(reply.header("retry-after"), Some("10"));
    }
    let calls = system.wire.journal().all();
    assert!(
        calls.iter().all(|call| !call.forwarded),
        "nothing got through: {calls:?}"
    );

    system.wire.faults().clear();
    let again = system.call(system.trigger(permit())).await;
    assert_eq!(again.status, 202, "{}", again.text);
    system.queued(2).await;
}

#[tokio::test]
async fn the_caller_does_not_notice_a_single_failure_of_the_queue() {
    let system = System::start().await;
    system
        .wire
        .faults()
        .add(On::any().next(1), Action::ResetBefore);
    let reply = system.call(system.trigger(permit())).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    assert_eq!(system.queued(2).await.len(), 2);
}

#[tokio::test]
async fn a_batch_that_the_queue_accepts_in_part_counts_as_refused() {
    let system = System::start().await;
    let partly = CannedResponse::status(StatusCode::OK)
        .header(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-amz-json-1.0"),
        )
        .body(
            json!({
                "Successful": [{ "Id": "0", "MessageId": "m", "MD5OfMessageBody": "d" }],
                "Failed": [{ "Id": "1", "SenderFault": false, "Code": "InternalError" }],
            })
            .to_string(),
        );
    system.wire.faults().add(On::any(), Action::Answer(partly));
    let reply = system.call(system.trigger(permit())).await;
    reply.problem(503, "queue-unavailable");
    assert!(reply.header("retry-after").is_some());
}

#[tokio::test]
async fn a_caller_is_asked_to_try_again_while_the_issuer_is_down() {
    let system = System::start().await;
    system.issuer.answers_keys(IssuerReply::Status(500));
    let reply = system.call(system.trigger(permit())).await;
    let detail = reply.problem(503, "issuer-unavailable");
    assert!(detail.contains("send the same call again"), "{detail}");
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert_eq!(reply.header("www-authenticate"), None);
    assert_eq!(system.sends(), 0);
}
