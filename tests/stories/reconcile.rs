//! Reconcile finds the instances for which no trigger came.

mod doubles;
mod drift;
mod found;
mod positions;
mod reopened;
mod standing_still;
mod trouble;

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use local_aws::Endpoints;
use reconcile::{CLOSING, Reconcile};
use serde_json::{Value, json};
use stafett_runtime::{clock::Clock, invocation::Invocation, settings::Environment};
use testbed::wire::On;
use tests::{Folder, PERMIT, ROUTE, Story, permit_alone, permit_route, routes};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// A trigger that has not come within this time is no longer on its way.
const GRACE: Duration = Duration::from_secs(11 * 60);
/// Enough time for a run of any size in these stories.
const PLENTY: Duration = Duration::from_secs(120);

async fn story_with(route: String) -> (Story, Folder) {
    let folder = routes([(ROUTE, route)]);
    (Story::on(&folder).await, folder)
}

/// The sample route, with `size` instances on a page of Storage's lists.
async fn story_of_pages(size: usize) -> Story {
    Story::begin(permit_alone().setting("STAFETT_RECONCILE_PAGE", size.to_string())).await
}

/// The sample route with one text replaced by another.
fn route_with(one: &str, other: &str) -> String {
    let route = permit_route();
    assert!(route.contains(one), "the sample route has {one}");
    route.replace(one, other)
}

/// Runs the deployed function; returns its report on the one route.
async fn run(story: &Story) -> Value {
    let answer = story.reconcile.invoke(&json!({})).await;
    let mut answer = answer.expect("the function answers");
    assert_eq!(answer["routes"].as_array().map(Vec::len), Some(1));
    let report = answer["routes"][0].take();
    assert_eq!(report["trouble"], Value::Null, "{report}");
    report
}

/// The requests that list instances.
fn lists() -> On {
    On::request(Method::GET, r"^/storage/api/v1/instances\?")
}

/// `reconcile` with a queue of its own that nothing consumes, so that a story can see what it enqueues.
struct Observed<'s> {
    story: &'s Story,
    function: Reconcile,
    queue: String,
}

impl<'s> Observed<'s> {
    async fn new(story: &'s Story) -> Self {
        let queue = story.sqs().create_queue().queue_name("observed").send();
        let queue = queue.await.expect("SQS answers").queue_url;
        let queue = queue.expect("a queue has a URL");
        let settings = &story.reconcile.settings().environment;
        let source = Environment::new(|name| match name {
            "STAFETT_QUEUE_URL" => Some(queue.clone()),
            _ => settings.get(name).cloned(),
        });
        let wired = Endpoints {
            dynamodb: story.dynamodb_wire.url().to_owned(),
            sqs: story.sqs_wire.url().to_owned(),
        };
        let clock = story.altinn.clock().clone();
        let clock = Clock::reading(move || clock.now());
        let function = Reconcile::new(&source, &wired.sdk_config(), clock)
            .await
            .expect("the function starts");
        drop(source);
        Self {
            story,
            function,
            queue,
        }
    }

    /// One run with this much time for reading pages; returns its reports.
    async fn runs_for(&self, time: Duration, event: Value) -> Vec<Value> {
        let answer = self
            .function
            .handle(event, &Invocation::lasting(CLOSING + time))
            .await;
        let answer = serde_json::to_value(answer.expect("the event is a request"));
        match answer.expect("an answer is JSON")["routes"].take() {
            Value::Array(reports) => reports,
            other => panic!("{other} is no list of reports"),
        }
    }

    /// One run with enough time; returns its report on the one route.
    async fn run(&self) -> Value {
        let mut reports = self.runs_for(PLENTY, json!({})).await;
        assert_eq!(reports.len(), 1);
        reports.remove(0)
    }

    /// Sends a message to the queue.
    async fn send(&self, body: String) {
        let send = self.story.sqs().send_message();
        let sent = send.queue_url(&self.queue).message_body(body).send().await;
        sent.expect("SQS answers");
    }

    /// How many messages wait in the queue.
    async fn depth(&self) -> usize {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let sqs = self.story.sqs();
        let request = sqs.get_queue_attributes().queue_url(&self.queue);
        let answer = request.attribute_names(name.clone()).send().await;
        let found = answer.expect("SQS answers").attributes.unwrap_or_default();
        let depth = found.get(&name).and_then(|depth| depth.parse().ok());
        depth.expect("a number of messages")
    }

    /// The A instances that were enqueued, repeats included; empties the queue.
    async fn enqueued(&self) -> Vec<String> {
        let bodies = self.received().await;
        assert!(bodies.iter().all(|body| body["cause"] == "reconcile"));
        bodies.iter().map(|body| text(&body["instance"])).collect()
    }

    /// The bodies of all messages; empties the queue.
    async fn received(&self) -> Vec<Value> {
        let sqs = self.story.sqs();
        let mut bodies = Vec::new();
        loop {
            let received = sqs
                .receive_message()
                .queue_url(&self.queue)
                .max_number_of_messages(10)
                .visibility_timeout(3600);
            let messages = received.send().await.expect("SQS answers").messages;
            let Some(messages) = messages.filter(|it| !it.is_empty()) else {
                return bodies;
            };
            bodies.extend(messages.iter().map(|message| {
                let body = message.body.as_deref().unwrap_or_default();
                serde_json::from_str::<Value>(body).expect("a message is JSON")
            }));
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A permit without data that was submitted at this time. `change` may edit the instance.
fn old_permit(story: &Story, ended: Timestamp, change: impl FnOnce(&mut Value)) -> String {
    let mut instance = json!({
        "instanceOwner": {"personNumber": "12837832290"}, "appId": PERMIT,
        "process": {"started": ended, "ended": ended}, "created": ended, "lastChanged": ended,
        "data": [],
    });
    change(&mut instance);
    let folder = Folder::empty().with("instance.json", instance.to_string());
    story.import_from(folder.path())
}

/// The time so long ago by Altinn's clock.
fn ago(story: &Story, span: Duration) -> Timestamp {
    let now = story.altinn.clock().now();
    now - SignedDuration::try_from(span).expect("a span of time")
}

fn key(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// The stored position of a list.
async fn position(story: &Story, name: &str) -> Option<Value> {
    let item = story
        .dynamodb()
        .get_item()
        .table_name(&story.aws.resources().table)
        .key("pk", key("reconcile"))
        .key("sk", key(name))
        .send();
    let item = item.await.expect("DynamoDB answers").item?;
    let note = item.get("note")?.as_s().ok()?;
    Some(serde_json::from_str(note).expect("a position is JSON"))
}

/// Overwrites a position, as another writer or another version would.
async fn keep(story: &Story, name: &str, note: &str) {
    let put = story
        .dynamodb()
        .put_item()
        .table_name(&story.aws.resources().table)
        .item("pk", key("reconcile"))
        .item("sk", key(name))
        .item("note", key(note));
    put.send().await.expect("DynamoDB answers");
}
