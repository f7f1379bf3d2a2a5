use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use local_altinn::{Fault, Stage};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Altinn, Reply, SCOPES, TTD, read};

const SUBSCRIPTIONS: &str = "/events/api/v1/subscriptions";
const COMPLETED: &str = "app.instance.process.completed";
const PERMIT: &str = "urn:altinn:resource:app_ttd_permit";

/// A webhook that records the events it gets, and responds with the given statuses.
#[derive(Clone)]
struct Webhook {
    url: String,
    seen: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Webhook {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let hook = Self {
            url,
            seen: Arc::default(),
            answers: Arc::default(),
        };
        let kept = hook.clone();
        let router = Router::new().route(
            "/hook",
            post(
                move |headers: axum::http::HeaderMap, body: String| async move {
                    assert_eq!(headers["content-type"], "application/json; charset=utf-8");
                    kept.seen
                        .lock()
                        .unwrap()
                        .push(serde_json::from_str(&body).unwrap());
                    let mut answers = kept.answers.lock().unwrap();
                    let answer = if answers.is_empty() {
                        204
                    } else {
                        answers.remove(0)
                    };
                    StatusCode::from_u16(answer).unwrap()
                },
            ),
        );
        tokio::spawn(async move { axum::serve(listener, router).await });
        hook
    }

    fn answer(&self, statuses: &[u16]) {
        *self.answers.lock().unwrap() = statuses.to_vec();
    }

    fn events(&self) -> Vec<Value> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|event| event["type"] != "platform.events.validatesubscription")
            .cloned()
            .collect()
    }

    fn validations(&self) -> usize {
        let others = self.events().len();
        self.seen.lock().unwrap().len() - others
    }

    async fn wait_for(&self, count: usize) -> Vec<Value> {
        until(|| self.events().len() >= count).await;
        self.events()
    }
}

async fn until(condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "it never came about"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn start(cache: Duration) -> Altinn {
    Altinn::with(|config| config.events.subscription_cache = cache).await
}

async fn subscribe(altinn: &Altinn, hook: &Webhook, filters: Value) -> Reply {
    let mut body = json!({ "endPoint": hook.url });
    for (name, value) in filters.as_object().unwrap() {
        body[name] = value.clone();
    }
    altinn.send(Method::POST, SUBSCRIPTIONS, &body).await
}

async fn subscribe_and_wait(altinn: &Altinn, hook: &Webhook, filters: Value) -> i64 {
    let id = subscribe(altinn, hook, filters).await.expect(201).json()["id"]
        .as_i64()
        .unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while altinn
        .get(&format!("{SUBSCRIPTIONS}/{id}"))
        .await
        .expect(200)
        .json()["validated"]
        != true
    {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    id
}

#[tokio::test]
async fn a_subscription_is_validated_before_it_gets_events() {
    let altinn = start(Duration::ZERO).await;
    let hook = Webhook::start().await;
    let reply = subscribe(
        &altinn,
        &hook,
        json!({"resourceFilter": PERMIT, "typeFilter": COMPLETED}),
    )
    .await
    .expect(201);
    let created = reply.json();
    assert_eq!(
        reply.header("location").unwrap(),
        format!("/events/api/v1/subscription/{}", created["id"])
    );
    assert_eq!(
        (&created["consumer"], &created["validated"]),
        (&json!("/org/ttd"), &json!(false))
    );
    assert_eq!(created.get("subjectFilter"), None);
    until(|| hook.validations() == 1).await;
    let validation = hook.seen.lock().unwrap()[0].clone();
    assert_eq!(
        validation["source"],
        format!("{}{SUBSCRIPTIONS}/{}", altinn.local.url(), created["id"])
    );
    assert_eq!(
        (
            validation.get("time"),
            validation.get("subject"),
            validation.get("resource")
        ),
        (None, None, None)
    );
    subscribe_and_wait(
        &altinn,
        &hook,
        json!({"resourceFilter": PERMIT, "typeFilter": COMPLETED}),
    )
    .await;

    let id = altinn.application(Stage::Ended);
    let events = hook.wait_for(1).await;
    let event = &events[0];
    assert_eq!(event["type"], COMPLETED);
    assert_eq!(event["resourceinstance"], *id);
    assert_eq!(
        event["source"],
        format!("https://ttd.apps.local.altinn.cloud/ttd/permit/instances/{id}")
    );
    assert_eq!(
        (&event["subject"], &event["alternativesubject"]),
        (&json!("/party/51001234"), &json!("/person/12837832290"))
    );
    assert_eq!(
        (&event["resource"], &event["specversion"]),
        (&json!(PERMIT), &json!("1.0"))
    );
    assert!(event["id"].is_string() && event["time"].is_string() && event.get("data").is_none());
    let instance = altinn.app_instance("ttd/permit", &id).await;
    assert!(
        event["time"].as_str() >= instance["process"]["ended"].as_str(),
        "published after the state is saved"
    );
}

#[tokio::test]
async fn a_repeated_subscription_is_the_same_and_validated_again() {
    let altinn = start(Duration::ZERO).await;
    let hook = Webhook::start().await;
    altinn.local.clock().stand_at(altinn.local.clock().now());
    hook.answer(&[500; 8]);
    let first = subscribe(&altinn, &hook, json!({"resourceFilter": PERMIT}))
        .await
        .expect(201)
        .json();
    for (index, seconds) in [1, 5, 10, 30, 60, 120, 300].into_iter().enumerate() {
        until(|| altinn.local.next_delivery().is_some()).await;
        assert_eq!(hook.validations(), index + 1);
        let due = altinn.local.next_delivery().unwrap();
        let pause = due.duration_since(altinn.local.clock().now());
        assert_eq!(pause.as_secs(), seconds);
        altinn
            .local
            .clock()
            .shift(jiff::SignedDuration::from_secs(seconds));
        until(|| hook.validations() == index + 2).await;
        until(|| altinn.local.next_delivery() != Some(due)).await;
    }
    assert_eq!(altinn.local.next_delivery(), None, "given up");
    assert_eq!(
        altinn
            .get(&format!("{SUBSCRIPTIONS}/{}", first["id"]))
            .await
            .json()["validated"],
        false
    );
    altinn.application(Stage::Ended);
    let again = subscribe_and_wait(&altinn, &hook, json!({"resourceFilter": PERMIT})).await;
    assert_eq!(first["id"], again);
    assert_eq!(altinn.get(SUBSCRIPTIONS).await.json()["count"], 1);
    let other = subscribe_and_wait(
        &altinn,
        &hook,
        json!({"resourceFilter": PERMIT, "typeFilter": COMPLETED}),
    )
    .await;
    assert_ne!(other, again);
    assert!(
        hook.events().is_empty(),
        "what happened before the validation is not delivered"
    );
}

#[tokio::test]
async fn invalid_subscriptions_are_refused() {
    let mut altinn = start(Duration::ZERO).await;
    let hook = Webhook::start().await;
    let source = "https://ttd.apps.local.altinn.cloud/ttd/permit";
    for (filters, status) in [
        (
            json!({"resourceFilter": PERMIT, "endPoint": "http://example.no/hook"}),
            400,
        ),
        (
            json!({"resourceFilter": PERMIT, "endPoint": "http://localhost:1/hook"}),
            400,
        ),
        (json!({"resourceFilter": PERMIT, "endPoint": "hook"}), 400),
        (json!({}), 400),
        (json!({"resourceFilter": "ttd/permit"}), 400),
        (
            json!({"sourceFilter": "https://ttd.apps.local.altinn.cloud/ttd/other"}),
            403,
        ),
        (
            json!({"sourceFilter": "https://ttd.apps.local.altinn.cloud/ttd"}),
            400,
        ),
        (
            json!({"sourceFilter": source, "resourceFilter": "urn:altinn:resource:app_ttd_casework"}),
            400,
        ),
        (
            json!({"resourceFilter": PERMIT, "subjectFilter": "/org/310075728"}),
            400,
        ),
        (
            json!({"resourceFilter": PERMIT, "alternativeSubjectFilter": "/org/999999999"}),
            400,
        ),
        (
            json!({"resourceFilter": "urn:altinn:resource:app_ttd_unknown"}),
            403,
        ),
        (
            json!({"resourceFilter": "urn:altinn:resource:something"}),
            403,
        ),
        (json!({"sourceFilter": source}), 201),
        (
            json!({"resourceFilter": PERMIT, "endPoint": "https://example.invalid/hook"}),
            201,
        ),
    ] {
        assert_eq!(
            subscribe(&altinn, &hook, filters.clone()).await.status,
            status,
            "{filters}"
        );
    }
    let derived = subscribe(&altinn, &hook, json!({"sourceFilter": source}))
        .await
        .json();
    assert_eq!(derived["resourceFilter"], PERMIT);
    let by_org = subscribe(
        &altinn,
        &hook,
        json!({"resourceFilter": PERMIT, "alternativeSubjectFilter": "/org/310075728"}),
    )
    .await
    .json();
    assert_eq!(by_org["subjectFilter"], "/party/50085321");
    let id = &derived["id"];
    altinn.token = altinn.token_of("312456788", SCOPES).await;
    subscribe(&altinn, &hook, json!({"resourceFilter": PERMIT}))
        .await
        .expect(403);
    altinn
        .get(&format!("{SUBSCRIPTIONS}/{id}"))
        .await
        .expect(403);
    read(altinn.request(Method::DELETE, &format!("{SUBSCRIPTIONS}/{id}")))
        .await
        .expect(403);
    altinn
        .get(&format!("{SUBSCRIPTIONS}/9999"))
        .await
        .expect(404);
    altinn.token = altinn.token_of(TTD, "altinn:instances.read").await;
    subscribe(&altinn, &hook, json!({"resourceFilter": PERMIT}))
        .await
        .expect(400);

    let strict = Altinn::with(|config| config.events.allow_local_http = false).await;
    subscribe(&strict, &hook, json!({"resourceFilter": PERMIT}))
        .await
        .expect(400);
}

#[tokio::test]
async fn filters_are_exact() {
    let altinn = start(Duration::ZERO).await;
    let hook = Webhook::start().await;
    subscribe_and_wait(
        &altinn,
        &hook,
        json!({"resourceFilter": PERMIT, "typeFilter": "app.instance.process.movedTo.Task_2"}),
    )
    .await;
    let other = Webhook::start().await;
    subscribe_and_wait(
        &altinn,
        &other,
        json!({"resourceFilter": PERMIT, "subjectFilter": "/party/51001235"}),
    )
    .await;
    let all = Webhook::start().await;
    subscribe_and_wait(&altinn, &all, json!({"resourceFilter": PERMIT})).await;
    altinn.application(Stage::Ended);
    all.wait_for(3).await;
    let got = hook.wait_for(1).await;
    assert_eq!(
        got.iter()
            .map(|event| event["type"].clone())
            .collect::<Vec<_>>(),
        ["app.instance.process.movedTo.Task_2"]
    );
    assert!(other.events().is_empty());
}

#[tokio::test]
async fn failed_deliveries_are_retried_on_schedule_for_a_day_and_a_half() {
    let altinn = start(Duration::ZERO).await;
    let hook = Webhook::start().await;
    subscribe_and_wait(
        &altinn,
        &hook,
        json!({"resourceFilter": PERMIT, "typeFilter": COMPLETED}),
    )
    .await;
    altinn.local.clock().stand_at(altinn.local.clock().now());
    hook.answer(&[500; 40]);
    altinn.application(Stage::Ended);
    for (index, seconds) in [
        10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 43_200,
    ]
    .into_iter()
    .enumerate()
    {
        until(|| altinn.local.next_delivery().is_some()).await;
        assert_eq!(hook.events().len(), index + 1);
        let due = altinn.local.next_delivery().unwrap();
        assert_eq!(
            due.duration_since(altinn.local.clock().now()).as_secs(),
            seconds
        );
        altinn
            .local
            .clock()
            .advance(Duration::from_secs(seconds as u64));
        hook.wait_for(index + 2).await;
        until(|| altinn.local.next_delivery() != Some(due)).await;
    }
    assert_eq!(altinn.local.next_delivery(), None, "given up");
    assert_eq!(hook.events().len(), 12);
    let ids: BTreeSet<_> = hook
        .events()
        .iter()
        .map(|event| event["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "always the same event");
}

#[tokio::test]
async fn a_scaled_schedule_delivers_soon_and_any_2xx_will_do() {
    let altinn = Altinn::with(|config| {
        config.events.subscription_cache = Duration::ZERO;
        config.events.retry_scale = 0.001;
    })
    .await;
    let hook = Webhook::start().await;
    subscribe_and_wait(
        &altinn,
        &hook,
        json!({"resourceFilter": PERMIT, "typeFilter": COMPLETED}),
    )
    .await;
    hook.answer(&[500, 404, 299]);
    altinn.application(Stage::Ended);
    hook.wait_for(3).await;
    altinn.application(Stage::Ended);
    assert_eq!(hook.wait_for(4).await.len(), 4, "299 ended the first");
}

#[tokio::test]
async fn deliveries_can_be_lost_duplicated_and_out_of_order() {
    let altinn = start(Duration::ZERO).await;
    let hook = Webhook::start().await;
    subscribe_and_wait(&altinn, &hook, json!({"resourceFilter": PERMIT})).await;
    altinn.local.faults().next(2, None, Fault::DeliveryLost);
    altinn.application(Stage::Ended);
    assert_eq!(
        hook.wait_for(1).await[0]["type"],
        COMPLETED,
        "the first two were lost"
    );
    altinn
        .local
        .faults()
        .next(1, None, Fault::DeliveryDuplicated);
    altinn.application(Stage::Task("Task_1".to_owned()));
    let seen = hook.wait_for(3).await;
    assert_eq!(seen[1]["id"], seen[2]["id"]);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let before = hook.events().len();
        altinn.application(Stage::Ended);
        let seen = hook.wait_for(before + 3).await;
        let times: Vec<&str> = seen[before..]
            .iter()
            .map(|event| event["time"].as_str().unwrap())
            .collect();
        if !times.is_sorted() {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "always in order");
    }
}

#[tokio::test]
async fn subscription_lookups_are_cached_for_an_hour() {
    let mut altinn = start(Duration::from_secs(3600)).await;
    let (early, late) = (Webhook::start().await, Webhook::start().await);
    let id = subscribe_and_wait(
        &altinn,
        &early,
        json!({"resourceFilter": PERMIT, "typeFilter": COMPLETED}),
    )
    .await;
    altinn.application(Stage::Ended);
    early.wait_for(1).await;
    read(altinn.request(Method::DELETE, &format!("{SUBSCRIPTIONS}/{id}")))
        .await
        .expect(200);
    altinn
        .get(&format!("{SUBSCRIPTIONS}/{id}"))
        .await
        .expect(404);
    subscribe_and_wait(
        &altinn,
        &late,
        json!({"resourceFilter": PERMIT, "typeFilter": COMPLETED}),
    )
    .await;
    altinn.application(Stage::Ended);
    early.wait_for(2).await;
    assert!(
        late.events().is_empty(),
        "the deleted one still gets events, the new one none"
    );
    altinn.local.clock().advance(Duration::from_secs(3600));
    altinn.token = altinn.token_of(TTD, SCOPES).await;
    altinn.application(Stage::Ended);
    late.wait_for(1).await;
    assert_eq!(early.events().len(), 2);
}

#[tokio::test]
async fn a_subscriber_without_read_access_gets_no_events() {
    let altinn = start(Duration::ZERO).await;
    let hook = Webhook::start().await;
    subscribe_and_wait(
        &altinn,
        &hook,
        json!({"resourceFilter": PERMIT, "typeFilter": COMPLETED}),
    )
    .await;
    altinn.local.app("ttd/permit").unwrap().forbid("read");
    altinn.application(Stage::Ended);
    altinn.local.app("ttd/permit").unwrap().permit("read");
    let second = altinn.application(Stage::Ended);
    assert_eq!(hook.wait_for(1).await[0]["resourceinstance"], *second);
}
