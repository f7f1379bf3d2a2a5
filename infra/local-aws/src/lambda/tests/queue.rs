//! Functions that are fed from a queue.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use tokio::sync::Semaphore;

use super::*;
use crate::{EventSourceSettings, LocalAws, Stack};

struct Fed {
    aws: LocalAws,
    sqs: aws_sdk_sqs::Client,
}

impl Fed {
    async fn start(change: impl FnOnce(&mut Stack)) -> Self {
        let mut stack = Stack::stafett().unwrap();
        change(&mut stack);
        let aws = LocalAws::start(&stack).await.unwrap();
        let sqs = aws_sdk_sqs::Client::new(&aws.endpoints().sdk_config());
        Self { aws, sqs }
    }

    async fn send(&self, bodies: impl IntoIterator<Item = String>) {
        let url = &self.aws.resources().queue.url;
        for body in bodies {
            self.sqs
                .send_message()
                .queue_url(url)
                .message_body(body)
                .send()
                .await
                .unwrap();
        }
    }

    fn feed(&self, settings: EventSourceSettings, function: Function) -> EventSourceMapping {
        let queue = &self.aws.resources().queue;
        EventSourceMapping::start(self.sqs.clone(), queue, settings, function)
    }

    /// Messages in the queue, visible or not.
    async fn in_queue(&self) -> u32 {
        use aws_sdk_sqs::types::QueueAttributeName::{
            All, ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible,
        };
        let url = &self.aws.resources().queue.url;
        let asked = self
            .sqs
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(All);
        let attributes = asked.send().await.unwrap().attributes.unwrap();
        [
            ApproximateNumberOfMessages,
            ApproximateNumberOfMessagesNotVisible,
        ]
        .iter()
        .map(|name| attributes[name].parse::<u32>().unwrap())
        .sum()
    }
}

fn mapping() -> EventSourceSettings {
    EventSourceSettings {
        batch_size: 10,
        maximum_batching_window: Duration::ZERO,
        maximum_concurrency: Some(2),
        report_batch_item_failures: true,
    }
}

/// A function that notes the messages it gets, and reports those that `fails` says.
fn noting(
    seen: &Arc<Mutex<Vec<String>>>,
    fails: impl Fn(&str, u32) -> bool + Clone + Send + 'static,
) -> Function {
    let seen = Arc::clone(seen);
    let handler = move |event: LambdaEvent<SqsEvent>| {
        let mut response = SqsBatchResponse::default();
        for record in event.payload.records {
            let (body, id) = (record.body.unwrap(), record.message_id.unwrap());
            let receives = record.attributes["ApproximateReceiveCount"]
                .parse()
                .unwrap();
            if fails(&body, receives) {
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = id;
                response.batch_item_failures.push(failure);
            }
            seen.lock().unwrap().push(format!("{body} {receives}"));
        }
        async move { Ok::<_, Error>(response) }
    };
    Function::in_process(settings(DEADLINE), service_fn(handler))
}

#[tokio::test]
async fn messages_that_did_well_are_deleted_and_the_others_come_back() {
    let fed = Fed::start(|stack| stack.queue.visibility_timeout = Duration::from_secs(2)).await;
    let seen = Arc::default();
    let function = noting(&seen, |body, receives| body == "bad" && receives < 3);
    fed.send(["good", "bad", "fine"].map(String::from)).await;
    let mapping = fed.feed(mapping(), function);
    mapping
        .wait_until(DEADLINE, |it| it.deleted == 3)
        .await
        .unwrap();
    mapping.stop().await;
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    assert_eq!(seen, ["bad 1", "bad 2", "bad 3", "fine 1", "good 1"]);
    assert_eq!(fed.in_queue().await, 0);
}

#[tokio::test]
async fn a_function_error_leaves_the_whole_batch_in_the_queue() {
    let fed = Fed::start(|_| {}).await;
    fed.send((0..3).map(|n| n.to_string())).await;
    let failing = Function::in_process(
        settings(DEADLINE),
        service_fn(|_: LambdaEvent<Value>| async { Err::<(), _>(Error::from("no luck")) }),
    );
    let mapping = fed.feed(mapping(), failing);
    let delivered = mapping
        .wait_until(DEADLINE, |it| it.left == 3)
        .await
        .unwrap();
    assert_eq!(
        (delivered.deleted, delivered.errors),
        (0, delivered.invocations)
    );
    mapping.stop().await;
    assert_eq!(fed.in_queue().await, 3);
}

#[tokio::test]
async fn without_reported_failures_an_answer_deletes_the_whole_batch() {
    let fed = Fed::start(|_| {}).await;
    fed.send(["bad".to_owned()]).await;
    let seen = Arc::default();
    let settings = EventSourceSettings {
        report_batch_item_failures: false,
        ..mapping()
    };
    let mapping = fed.feed(settings, noting(&seen, |_, _| true));
    mapping
        .wait_until(DEADLINE, |it| it.deleted == 1)
        .await
        .unwrap();
    mapping.stop().await;
    assert_eq!(fed.in_queue().await, 0);
}

#[tokio::test]
async fn no_more_invocations_run_at_the_same_time_than_the_mapping_allows() {
    let fed = Fed::start(|_| {}).await;
    fed.send((0..12).map(|n| n.to_string())).await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let release = Arc::new(Semaphore::new(0));
    let function = {
        let (now, most, release) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&release));
        service_fn(move |_: LambdaEvent<Value>| {
            let (now, most, release) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&release));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                release.acquire().await?.forget();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Error>(())
            }
        })
    };
    let settings = EventSourceSettings {
        batch_size: 2,
        maximum_concurrency: Some(3),
        ..mapping()
    };
    let mapping = fed.feed(
        settings,
        Function::in_process(super::settings(DEADLINE), function),
    );
    eventually(|| now.load(Ordering::SeqCst) == 3).await;
    release.add_permits(12);
    mapping
        .wait_until(DEADLINE, |it| it.deleted == 12)
        .await
        .unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert!(
        mapping.delivered().invocations >= 6,
        "two messages a batch at most"
    );
}

#[tokio::test]
async fn a_batching_window_waits_for_more_messages() {
    let fed = Fed::start(|_| {}).await;
    let settings = EventSourceSettings {
        batch_size: 3,
        maximum_batching_window: DEADLINE,
        ..mapping()
    };
    let seen = Arc::default();
    let mapping = fed.feed(settings, noting(&seen, |_, _| false));
    for n in 0..3 {
        assert!(
            seen.lock().unwrap().is_empty(),
            "not before the batch is full"
        );
        fed.send([n.to_string()]).await;
    }
    let delivered = mapping
        .wait_until(DEADLINE, |it| it.deleted == 3)
        .await
        .unwrap();
    assert_eq!(delivered.invocations, 1);
}

#[tokio::test]
async fn stopping_deals_with_what_has_been_received_and_takes_nothing_more() {
    let fed = Fed::start(|_| {}).await;
    let (started, release) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let function = {
        let (started, release) = (Arc::clone(&started), Arc::clone(&release));
        service_fn(move |_: LambdaEvent<Value>| {
            let (started, release) = (Arc::clone(&started), Arc::clone(&release));
            async move {
                started.add_permits(1);
                release.acquire().await?.forget();
                Ok::<_, Error>(())
            }
        })
    };
    fed.send(["one".to_owned()]).await;
    let mapping = fed.feed(
        mapping(),
        Function::in_process(settings(DEADLINE), function),
    );
    started.acquire().await.unwrap().forget();
    let stopping = tokio::spawn(mapping.stop());
    release.add_permits(10);
    stopping.await.unwrap();
    fed.send(["late".to_owned()]).await;
    assert_eq!(fed.in_queue().await, 1);
}
