//! How the steps of one relay are found, from whoever told of it to B: by the trace.

use local_altinn::Stage;
use local_aws::lambda::Function;
use serde_json::{Value, json};
use tests::{DEADLINE, ROUTE, Story, binaries, permit_alone};

/// The built functions, which log what a deployed one does.
async fn story() -> Story {
    let plan = permit_alone();
    let mut plan = plan.setting("STAFETT_RECONCILE_GRACE_SECONDS", "0");
    plan.code = binaries().code();
    Story::begin(plan).await
}

/// The line of a function's log that `wanted` picks, written already or to come.
async fn logged(function: &Function, wanted: impl Fn(&Value) -> bool) -> Value {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let processes = function.processes().expect("it runs in processes");
    let line = processes.logged(DEADLINE, |line| wanted(&read(&line.text)));
    read(&line.await.expect("it is logged").text)
}

/// A field of a line, or of one of the spans around it.
fn field<'a>(line: &'a Value, name: &str) -> &'a Value {
    let spans = line["spans"].as_array().into_iter().flatten();
    let found = std::iter::once(line)
        .chain(spans)
        .find_map(|it| it.get(name));
    found.unwrap_or(&Value::Null)
}

/// The line that says what became of an A instance's relay.
async fn relayed(story: &Story, a: &str) -> Value {
    let concludes = |line: &Value| line["outcome"] == "done" && field(line, "instance") == a;
    logged(&story.instantiate, concludes).await
}

fn assert_is_a_trace(trace: &Value) {
    let trace = trace.as_str().unwrap_or_default();
    assert!(
        trace.starts_with("Root=1-") && trace.contains(";Parent="),
        "{trace}"
    );
}

#[tokio::test]
async fn what_app_a_or_an_event_began_is_one_trace_through_the_queue_up_to_b() {
    let story = story().await;
    let event = |a: &str| {
        json!({
            "id": "e-1", "specversion": "1.0", "type": "app.instance.process.completed", "source": "urn:x",
            "resource": "urn:altinn:resource:app_ttd_permit", "resourceinstance": a,
        })
    };
    let [told, heard] = [story.fill_in(Stage::Ended), story.fill_in(Stage::Ended)];
    story.trigger(&told).await;
    let http = reqwest::Client::new();
    let sent = http
        .post(story.events_url())
        .json(&event(&heard))
        .send()
        .await;
    assert_eq!(sent.expect("the API answers").status(), 200);
    let mut traces = Vec::new();
    for a in [&told, &heard] {
        let received = logged(&story.receive, |line| line["instance"] == a.as_str()).await;
        let concluded = relayed(&story, a).await;
        assert_is_a_trace(&received["trace"]);
        assert_eq!(field(&concluded, "trace"), &received["trace"]);
        assert_eq!(field(&concluded, "route"), ROUTE);
        traces.push(received["trace"].clone());
    }
    assert_ne!(traces[0], traces[1], "each call is a trace of its own");
    story.end().await;
}

#[tokio::test]
async fn what_reconcile_found_goes_on_in_the_trace_of_its_run() {
    let story = story().await;
    let a = story.fill_in(Stage::Ended);
    let found = story.reconcile.invoke(&json!({})).await;
    let found = found.expect("it answers");
    assert_eq!(found["routes"][0]["missing"], 1, "{found}");
    let run = logged(&story.reconcile, |line| field(line, "route") == ROUTE).await;
    let concluded = relayed(&story, &a).await;
    assert_is_a_trace(field(&run, "xrayTraceId"));
    assert_eq!(field(&concluded, "trace"), field(&run, "xrayTraceId"));
    assert_eq!(field(&concluded, "cause"), "reconcile");
    story.end().await;
}
