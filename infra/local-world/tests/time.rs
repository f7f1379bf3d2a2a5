//! Time that passes without anybody waiting for it.

use std::time::Duration;

use jiff::SignedDuration;
use local_aws::lambda::Program;
use local_world::deployment::{Code, Deployment, PassError, Plan};
use serde_json::json;

/// A message that will be put back again and again: its route is not deployed.
fn message() -> String {
    json!({
        "v": 1, "route": "a-route-to-come", "instance": "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77",
        "cause": "app", "id": "a-test", "at": "2026-11-22T10:00:00Z",
    })
    .to_string()
}

fn received(deployment: &Deployment) -> usize {
    let delivered = deployment.mapping.delivered();
    delivered.deleted + delivered.left
}

#[tokio::test]
async fn a_message_that_was_put_back_returns_when_its_moment_has_come_and_no_sooner() {
    let deployment = Deployment::start(Plan::samples().unwrap()).await.unwrap();
    let queue = &deployment.aws.resources().queue;
    let sqs = deployment.sqs();
    let send = sqs.send_message().queue_url(&queue.url);
    send.message_body(message()).send().await.unwrap();
    // Until it waits for minutes: what takes seconds would be over by itself on a slow machine.
    deployment.pass(Duration::from_secs(200)).await.unwrap();
    let before = received(&deployment);
    assert!(before > 2, "{before}");
    let [hidden] = &deployment.aws.hidden(queue).await[..] else {
        panic!("one message is hidden")
    };
    let left = hidden.until.duration_since(deployment.altinn.clock().now());
    assert!(left > SignedDuration::from_secs(30), "{left}");
    let nearly = left - SignedDuration::from_secs(20);
    deployment.pass(nearly.try_into().unwrap()).await.unwrap();
    assert_eq!(received(&deployment), before);
    deployment.pass(Duration::from_secs(21)).await.unwrap();
    assert_eq!(received(&deployment), before + 1);
    deployment.stop().await;
}

#[tokio::test]
async fn the_schedule_runs_as_often_as_its_moment_comes() {
    let mut plan = Plan::samples().unwrap();
    plan.schedule = true;
    let deployment = Deployment::start(plan).await.unwrap();
    let schedule = deployment.schedule.as_ref().unwrap();
    let first = schedule.next();
    let before = deployment.altinn_wire.journal().all().len();
    deployment.pass(Duration::from_secs(16 * 60)).await.unwrap();
    assert_eq!(schedule.next(), first + SignedDuration::from_mins(15));
    assert!(
        deployment.altinn_wire.journal().all().len() > before,
        "reconcile asks Altinn"
    );
    deployment.stop().await;
}

#[tokio::test]
async fn time_does_not_pass_for_functions_in_processes_of_their_own() {
    let mut plan = Plan::samples().unwrap();
    let nobody = || Program::new("/nonexistent");
    plan.code = Code::Programs {
        receive: nobody(),
        instantiate: nobody(),
        reconcile: nobody(),
        redrive: nobody(),
    };
    let deployment = Deployment::start(plan).await.unwrap();
    let passed = deployment.pass(Duration::from_secs(60)).await;
    assert!(matches!(passed, Err(PassError::Programs)), "{passed:?}");
}
