use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderValue, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);

/// What the upstream has really done.
#[derive(Clone)]
struct Effects {
    posts: Arc<AtomicUsize>,
    may_finish: Arc<Semaphore>,
}

impl Effects {
    fn posts(&self) -> usize {
        self.posts.load(Ordering::SeqCst)
    }

    /// Polls until the upstream has seen `count` posts.
    async fn reach(&self, count: usize) {
        let started = Instant::now();
        while self.posts() < count {
            assert!(
                started.elapsed() < DEADLINE,
                "the upstream saw {} posts",
                self.posts()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn make(State(effects): State<Effects>, body: Bytes) -> Response {
    effects.posts.fetch_add(1, Ordering::SeqCst);
    (StatusCode::CREATED, [("x-from", "upstream")], body).into_response()
}

/// Counts its effect only when the test lets it finish.
async fn slow(State(effects): State<Effects>) -> StatusCode {
    if let Ok(permit) = effects.may_finish.acquire().await {
        permit.forget();
    }
    effects.posts.fetch_add(1, Ordering::SeqCst);
    StatusCode::CREATED
}

/// Passes its request's body through as its answer's body, byte by byte as it comes.
async fn echo(body: Body) -> Body {
    body
}

async fn told(headers: HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default();
    format!("host={host} hop={}", headers.contains_key("x-hop"))
}

async fn wired() -> (Wire, Effects) {
    let effects = Effects {
        posts: Arc::default(),
        may_finish: Arc::new(Semaphore::new(0)),
    };
    let router = axum::Router::new()
        .route("/make", post(make))
        .route("/slow", post(slow))
        .route("/echo", any(echo))
        .route("/told", get(told))
        .route("/text", get(|| async { "0123456789" }))
        .with_state(effects.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (Wire::start(&upstream).await.unwrap(), effects)
}

async fn post_to(wire: &Wire, path: &str) -> reqwest::Result<reqwest::Response> {
    reqwest::Client::new()
        .post(format!("{}{path}", wire.url()))
        .body("body")
        .send()
        .await
}

/// Sends `request` as it stands and returns every byte of the answer, and how the connection ended.
async fn raw(wire: &Wire, request: &str) -> (String, std::io::Result<()>) {
    let address = wire.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let ended = tokio::time::timeout(DEADLINE, async {
        let mut buffer = [0; 1024];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => return Ok(()),
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) => return Err(error),
            }
        }
    });
    let ended = ended.await.expect("the connection ends");
    (String::from_utf8(bytes).unwrap(), ended)
}

const RAW_POST: &str = "POST /make HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody";

#[tokio::test]
async fn without_rules_requests_and_responses_are_not_changed() {
    let (wire, effects) = wired().await;
    let answer = post_to(&wire, "/make?x=1").await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["x-from"], "upstream");
    assert_eq!(answer.headers()["content-length"], "4");
    assert_eq!(answer.text().await.unwrap(), "body");
    assert_eq!(effects.posts(), 1);

    let on = On::request(Method::POST, "^/make");
    let entry = wire
        .journal()
        .ended(&on, 1, DEADLINE)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(entry.path(), "/make?x=1");
    assert_eq!((entry.request_bytes, entry.response_bytes), (4, 4));
    assert_eq!(entry.status, Some(StatusCode::CREATED));
    assert!(entry.forwarded && entry.fault.is_none() && entry.took().is_some());
}

#[tokio::test]
async fn the_upstream_gets_the_clients_host_but_no_hop_by_hop_headers() {
    let (wire, _) = wired().await;
    let request = "GET /told HTTP/1.1\r\nhost: apps.example\r\nconnection: close, x-hop\r\n\
                   x-hop: 1\r\n\r\n";
    let (answer, ended) = raw(&wire, request).await;
    ended.unwrap();
    assert!(answer.ends_with("host=apps.example hop=false"), "{answer}");
}

#[tokio::test]
async fn bodies_are_streamed_in_both_directions() {
    let (wire, _) = wired().await;
    let (send, receive) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(1);
    let body = futures_util::stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|chunk| (chunk, receive))
    });
    let answering = reqwest::Client::new()
        .post(format!("{}/echo", wire.url()))
        .body(reqwest::Body::wrap_stream(body))
        .send();
    send.send(Ok(Bytes::from_static(b"one"))).await.unwrap();
    let answer = tokio::time::timeout(DEADLINE, answering)
        .await
        .expect("an early answer")
        .unwrap();
    let mut answer = answer.bytes_stream();
    for chunk in ["one", "two", "three"] {
        if chunk != "one" {
            send.send(Ok(Bytes::from(chunk))).await.unwrap();
        }
        let got = tokio::time::timeout(DEADLINE, answer.next())
            .await
            .expect("the chunk at once");
        assert_eq!(got.unwrap().unwrap(), chunk);
    }
    drop(send);
    assert!(answer.next().await.is_none());
}

#[tokio::test]
async fn a_reset_before_forwarding_has_no_effect() {
    let (wire, effects) = wired().await;
    wire.faults().add(
        On::request(Method::POST, "/make").nth(1),
        Action::ResetBefore,
    );
    let (answer, ended) = raw(&wire, RAW_POST).await;
    assert_eq!(answer, "");
    assert_eq!(
        ended.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    assert_eq!(effects.posts(), 0);
    assert_eq!(post_to(&wire, "/make").await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_reset_after_forwarding_loses_only_the_response() {
    let (wire, effects) = wired().await;
    wire.faults().add(On::any(), Action::ResetAfter);
    let (answer, ended) = raw(&wire, RAW_POST).await;
    assert_eq!(answer, "");
    assert_eq!(
        ended.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    assert_eq!(effects.posts(), 1);
    let entry = wire
        .journal()
        .ended(&On::any(), 1, DEADLINE)
        .await
        .unwrap()
        .remove(0);
    assert_eq!((entry.forwarded, entry.fault), (true, Some("reset-after")));
}

#[tokio::test]
async fn a_canned_response_replaces_the_request_or_only_its_response() {
    let (wire, effects) = wired().await;
    let answer = CannedResponse::status(StatusCode::TOO_MANY_REQUESTS)
        .header(header::RETRY_AFTER, HeaderValue::from_static("7"))
        .body("slow down");
    wire.faults()
        .add(On::any().nth(1), Action::Answer(answer.clone()));
    wire.faults()
        .add(On::any().nth(2), Action::AnswerAfter(answer));
    for effects_then in [0, 1] {
        let answer = post_to(&wire, "/make").await.unwrap();
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers()["retry-after"], "7");
        assert_eq!(answer.text().await.unwrap(), "slow down");
        assert_eq!(effects.posts(), effects_then);
    }
    assert_eq!(post_to(&wire, "/make").await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_canned_response_is_sent_after_a_large_request_was_read() {
    let (wire, _) = wired().await;
    let unavailable = CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE);
    wire.faults().add(On::any(), Action::Answer(unavailable));
    let size = 8 << 20;
    let url = format!("{}/make", wire.url());
    let answer = reqwest::Client::new()
        .post(url)
        .body(vec![0; size])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    let entry = wire
        .journal()
        .ended(&On::any(), 1, DEADLINE)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(entry.request_bytes, size as u64);
    assert!(!entry.forwarded);
}

#[tokio::test]
async fn a_truncated_response_has_its_whole_head_and_the_first_bytes_of_its_body() {
    let (wire, _) = wired().await;
    wire.faults().add(On::any().nth(1), Action::Truncate(4));
    let (answer, _) = raw(&wire, "GET /text HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 10"), "{head}");
    assert_eq!(body, "0123");
}

#[tokio::test]
async fn latencies_add_up_and_combine_with_another_action() {
    let (wire, effects) = wired().await;
    let step = Duration::from_millis(60);
    wire.faults().add(On::any(), Action::Latency(step));
    wire.faults().add(On::any(), Action::Latency(step));
    wire.faults().add(
        On::any(),
        Action::Answer(CannedResponse::status(StatusCode::CONFLICT)),
    );
    let started = Instant::now();
    assert_eq!(post_to(&wire, "/make").await.unwrap().status(), 409);
    assert!(started.elapsed() >= 2 * step);
    assert_eq!(effects.posts(), 0);
}

#[tokio::test]
async fn a_gate_holds_a_request_until_it_opens() {
    let (wire, effects) = wired().await;
    let (before, after) = (Gate::default(), Gate::default());
    wire.faults()
        .add(On::any().nth(1), Action::HoldBefore(before.clone()));
    wire.faults()
        .add(On::any().nth(2), Action::HoldAfter(after.clone()));
    let wire = Arc::new(wire);
    let request = |wire: &Arc<Wire>| {
        let wire = Arc::clone(wire);
        tokio::spawn(async move { post_to(&wire, "/make").await.unwrap().status() })
    };
    let first = request(&wire);
    before.arrived(1, DEADLINE).await.unwrap();
    let second = request(&wire);
    after.arrived(1, DEADLINE).await.unwrap();
    assert_eq!(
        effects.posts(),
        1,
        "only the one that is held after its effect"
    );
    assert!(!first.is_finished() && !second.is_finished());
    before.open();
    after.open();
    assert_eq!(
        (first.await.unwrap(), second.await.unwrap()),
        (StatusCode::CREATED, StatusCode::CREATED)
    );
    assert_eq!(effects.posts(), 2);
    assert_eq!(
        before
            .arrived(2, Duration::from_millis(1))
            .await
            .unwrap_err()
            .deadline,
        Duration::from_millis(1)
    );
}

#[tokio::test]
async fn a_hook_runs_before_or_after_forwarding_and_decides_how_to_continue() {
    let (wire, effects) = wired().await;
    let moments = Arc::new(std::sync::Mutex::new(Vec::new()));
    let hook = |then| {
        let (moments, effects) = (Arc::clone(&moments), effects.clone());
        move |seen: RequestHead| {
            moments
                .lock()
                .unwrap()
                .push((seen.sequence, effects.posts()));
            async move { then }
        }
    };
    wire.faults()
        .add(On::any().nth(1), Action::before(hook(HookOutcome::Reset)));
    wire.faults().add(
        On::any().nth(2),
        Action::before(hook(HookOutcome::Continue)),
    );
    wire.faults()
        .add(On::any().nth(3), Action::after(hook(HookOutcome::Reset)));
    wire.faults()
        .add(On::any().nth(4), Action::after(hook(HookOutcome::Continue)));
    assert!(post_to(&wire, "/make").await.is_err());
    assert_eq!(post_to(&wire, "/make").await.unwrap().status(), 201);
    assert!(post_to(&wire, "/make").await.is_err());
    assert_eq!(post_to(&wire, "/make").await.unwrap().status(), 201);
    assert_eq!(*moments.lock().unwrap(), [(1, 0), (2, 0), (3, 2), (4, 3)]);
}

#[tokio::test]
async fn the_upstream_completes_a_request_after_the_client_disconnected() {
    let (wire, effects) = wired().await;
    let gate = Gate::default();
    wire.faults()
        .add(On::any().nth(1), Action::HoldBefore(gate.clone()));
    let address = wire.url().trim_start_matches("http://").to_owned();
    // One client leaves before its request is passed on, one while the upstream works on it.
    let mut first = TcpStream::connect(&address).await.unwrap();
    first.write_all(RAW_POST.as_bytes()).await.unwrap();
    gate.arrived(1, DEADLINE).await.unwrap();
    drop(first);
    let mut second = TcpStream::connect(&address).await.unwrap();
    second
        .write_all(RAW_POST.replace("/make", "/slow").as_bytes())
        .await
        .unwrap();
    let taken = |it: &[Exchange]| {
        it.iter()
            .any(|it| it.path() == "/slow" && it.request_bytes == 4)
    };
    wire.journal().wait_until(DEADLINE, taken).await.unwrap();
    drop(second);
    assert_eq!(effects.posts(), 0);
    gate.open();
    effects.reach(1).await;
    effects.may_finish.add_permits(1);
    effects.reach(2).await;
    let ended = wire.journal().ended(&On::any(), 2, DEADLINE).await.unwrap();
    assert!(
        ended
            .iter()
            .all(|it| it.status == Some(StatusCode::CREATED)),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_gateway_responds_while_the_app_is_still_working() {
    for code in [400, 403, 408, 499, 502, 503, 504] {
        let status = StatusCode::from_u16(code).unwrap();
        let (wire, effects) = wired().await;
        let lost_patience = Action::AnswerMeanwhile(CannedResponse::gateway(status));
        wire.faults().add(On::any(), lost_patience);
        let answer = post_to(&wire, "/slow").await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["content-type"], "text/html");
        assert!(
            answer
                .text()
                .await
                .unwrap()
                .contains(&format!("<h1>{code}"))
        );
        assert_eq!(effects.posts(), 0, "the app is still at work");
        effects.may_finish.add_permits(1);
        effects.reach(1).await;
        let ended = wire.journal().ended(&On::any(), 1, DEADLINE).await.unwrap();
        assert!(
            ended
                .iter()
                .all(|it| it.forwarded && it.status == Some(status))
        );
    }
}

#[tokio::test]
async fn rules_choose_by_method_path_operation_predicate_and_turn() {
    let (wire, _) = wired().await;
    let faults = wire.faults();
    let teapot = || Action::Answer(CannedResponse::status(StatusCode::IM_A_TEAPOT));
    let client = reqwest::Client::new();
    let call = async |method: Method, path: &str, target: Option<&str>| {
        let mut request = client.request(method, format!("{}{path}", wire.url()));
        if let Some(target) = target {
            request = request.header("X-Amz-Target", target);
        }
        request.send().await.unwrap().status() == StatusCode::IM_A_TEAPOT
    };
    let update = Some("DynamoDB_20120810.UpdateItem");

    let rule = faults.add(On::request(Method::POST, "^/make\\?x=\\d$"), teapot());
    assert!(call(Method::POST, "/make?x=1", None).await);
    assert!(!call(Method::POST, "/make?x=ab", None).await);
    assert!(!call(Method::PUT, "/make?x=1", None).await);
    assert_eq!(faults.applied(rule), 1);
    faults.remove(rule);
    assert!(!call(Method::POST, "/make?x=1", None).await);

    faults.add(On::operation("UpdateItem").next(2), teapot());
    assert!(!call(Method::POST, "/make", Some("DynamoDB_20120810.GetItem")).await);
    assert!(!call(Method::POST, "/make", None).await);
    let mut hits = Vec::new();
    for _ in 0..3 {
        hits.push(call(Method::POST, "/make", update).await);
    }
    assert_eq!(hits, [true, true, false]);
    faults.clear();

    faults.add(
        On::any().when(|seen| seen.path.len() > 5).every(3),
        teapot(),
    );
    hits.clear();
    for _ in 0..7 {
        assert!(!call(Method::POST, "/make", None).await);
        hits.push(call(Method::POST, "/make?", None).await);
    }
    assert_eq!(hits, [false, false, true, false, false, true, false]);
}

#[tokio::test]
async fn a_rule_for_the_next_match_waits_while_another_rule_is_applied() {
    let (wire, _) = wired().await;
    let answer = |status| Action::Answer(CannedResponse::status(status));
    let faults = wire.faults();
    let first = faults.add(On::any(), answer(StatusCode::SERVICE_UNAVAILABLE));
    let next = faults.add(On::any().next(1), answer(StatusCode::IM_A_TEAPOT));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        if statuses.len() == 2 {
            assert_eq!((faults.applied(first), faults.applied(next)), (2, 0));
            faults.remove(first);
        }
        statuses.push(post_to(&wire, "/make").await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [503, 503, 418, 201]);
    assert_eq!(faults.applied(next), 1);
}

#[tokio::test]
async fn an_unreachable_upstream_is_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let wire = Wire::start(&upstream).await.unwrap();
    assert!(post_to(&wire, "/make").await.unwrap_err().is_request());
    let entry = wire
        .journal()
        .ended(&On::any(), 1, DEADLINE)
        .await
        .unwrap()
        .remove(0);
    assert_eq!((entry.forwarded, entry.status), (false, None));
}

#[tokio::test]
async fn debug_output_has_no_path_and_no_header() {
    let (wire, _) = wired().await;
    let request = reqwest::Client::new().get(format!("{}/told?secret=hush", wire.url()));
    request
        .header("authorization", "Bearer hush")
        .send()
        .await
        .unwrap();
    let all = wire.journal().ended(&On::any(), 1, DEADLINE).await.unwrap();
    let printed = format!("{all:?} {:?}", all[0].head());
    assert!(
        !printed.contains("hush") && !printed.contains("told"),
        "{printed}"
    );
    assert!(printed.contains("#1 GET -> 200, forwarded"), "{printed}");
}

#[tokio::test]
async fn a_journal_keeps_the_newest_requests_and_those_under_way() {
    let (wire, _) = wired().await;
    let gate = Gate::default();
    wire.faults()
        .add(On::any().next(1), Action::HoldBefore(gate.clone()));
    let held = post_to(&wire, "/held");
    let rest = async {
        let begun = |all: &[Exchange]| !all.is_empty();
        wire.journal().wait_until(DEADLINE, begun).await.unwrap();
        for _ in 0..4 {
            post_to(&wire, "/make").await.unwrap();
        }
        wire.journal().ended(&On::any(), 4, DEADLINE).await.unwrap();
        wire.journal().keep(2);
        let kept: Vec<_> = wire
            .journal()
            .all()
            .iter()
            .map(Exchange::sequence)
            .collect();
        assert_eq!(kept, [1, 4, 5]);
        gate.open();
    };
    let (held, ()) = tokio::join!(held, rest);
    held.unwrap();
    let ended = wire.journal().ended(&On::any(), 3, DEADLINE).await.unwrap();
    assert_eq!(ended[0].sequence(), 1, "what was kept goes on");
}

#[tokio::test]
async fn an_upstream_must_be_a_plain_address() {
    for upstream in ["127.0.0.1:1", "https://127.0.0.1:1", "http://"] {
        let error = Wire::start(upstream).await.unwrap_err().to_string();
        assert!(error.contains(upstream), "{error}");
    }
}
