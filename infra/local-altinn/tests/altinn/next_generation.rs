//! Apps of the next generation, in which a workflow engine runs the processes.

use std::time::Duration;

use local_altinn::{CallFault, CreationStep, Fault, Library};
use reqwest::Method;
use serde_json::{Value, json};

use super::again::{self, assert_answers, assert_left, assert_like, case};
use super::support::{Altinn, Reply, element, read};
use crate::recorded::Conversation;

const CASEWORK: &str = "ttd/casework";
/// Longer than an app waits for the engine.
const LATE: Duration = Duration::from_secs(24 * 3600);

/// The apps of the recordings. `casework` is of the next generation.
async fn next_generation(may_delete: bool) -> Altinn {
    let altinn = again::altinn().await;
    let casework = altinn.local.app(CASEWORK).unwrap();
    casework.run_on(Library::NEXT);
    if may_delete {
        casework.permit("delete");
    }
    altinn
}

/// Replays a recorded creation with `fault`, and compares the response and the remaining instance with the recording.
async fn creation(name: &str, may_delete: bool, fault: Option<Fault>) -> (Altinn, Conversation) {
    let altinn = next_generation(may_delete).await;
    let mut case = case(&format!("v9/{name}"));
    if let Some(fault) = fault {
        altinn.local.faults().next(1, Some(CASEWORK), fault);
    }
    let reply = altinn.replay(&case, &[]).await;
    // The contract test compares successful responses and .NET's own texts.
    if case.answer.status == Some(201) {
        reply.expect(201);
    } else if let Some(body) = &mut case.answer.body
        && body["title"] == "Failed to deserialize XML"
    {
        let here = reply.json();
        assert_eq!(
            (&here["title"], &here["status"]),
            (&body["title"], &json!(400))
        );
    } else {
        assert_answers(&case, &reply, &[]);
    }
    assert_left(&altinn, CASEWORK, &case);
    (altinn, case)
}

fn id(altinn: &Altinn) -> String {
    let cases = altinn.local.instances(CASEWORK);
    assert_eq!(cases.len(), 1);
    cases[0]["id"].as_str().unwrap().to_owned()
}

async fn process(altinn: &Altinn) -> Value {
    let path = format!("/{CASEWORK}/instances/{}/process", id(altinn));
    altinn.get(&path).await.expect(200).json()
}

async fn call(altinn: &Altinn, method: Method, what: &str) -> Reply {
    let path = format!("/{CASEWORK}/instances/{}/process/{what}", id(altinn));
    read(altinn.request(method, &path)).await
}

/// Advances the clock until the engine has finished.
async fn until_started(altinn: &Altinn) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while altinn.local.history(&id(altinn)).len() < 2 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the process never started"
        );
        altinn.local.clock().advance(LATE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_creation_is_started_by_the_engine() {
    let (altinn, _) = creation("v9-create", false, None).await;
    assert_eq!(altinn.local.history(&id(&altinn)).len(), 2);
    assert_eq!(
        process(&altinn).await["workflow"],
        json!({"status": "idle"})
    );
    call(&altinn, Method::PUT, "next").await.expect(200);
}

#[tokio::test]
async fn a_refused_form_leaves_the_same_instance_as_in_version_8() {
    creation("v9-create-orphan", false, None).await;
    creation("v9-create-bad-form", true, None).await;
}

#[tokio::test]
async fn a_workflow_that_was_not_accepted_never_starts() {
    let refused = Fault::at(CreationStep::Submission, CallFault::Refused(503));
    creation("v9-create-not-accepted", true, Some(refused.clone())).await;
    let (altinn, _) = creation("v9-create-not-accepted-no-delete", false, Some(refused)).await;
    assert!(altinn.local.history(&id(&altinn)).is_empty());
    assert_eq!(process(&altinn).await["workflow"]["status"], "idle");
    call(&altinn, Method::POST, "resume").await.expect(409);
    call(&altinn, Method::POST, "start").await.expect(409);
}

#[tokio::test]
async fn unknown_acceptance_may_or_may_not_start_a_workflow() {
    let name = "v9-create-acceptance-unknown";
    let unreachable = Fault::at(CreationStep::Submission, CallFault::Unreachable);
    let (altinn, _) = creation(name, true, Some(unreachable)).await;
    assert!(altinn.local.history(&id(&altinn)).is_empty());
    let lost = Fault::at(CreationStep::Submission, CallFault::AnswerLost);
    let (altinn, _) = creation(name, true, Some(lost)).await;
    until_started(&altinn).await;
}

#[tokio::test]
async fn a_failed_poll_is_not_a_failed_workflow() {
    let failed = Fault::at(CreationStep::Poll, CallFault::Refused(502));
    for (name, may_delete) in [
        ("v9-create-poll-failed", false),
        ("v9-create-poll-failed-deleted", true),
    ] {
        let (altinn, _) = creation(name, may_delete, Some(failed.clone())).await;
        until_started(&altinn).await;
    }
}

#[tokio::test]
async fn a_failed_step_is_resumed_by_the_service_owner() {
    let failed = Fault::at(CreationStep::Process, CallFault::Refused(400));
    let (altinn, case) = creation("v9-create-step-failed", false, Some(failed)).await;
    let then = case.then.unwrap();
    let workflow = process(&altinn).await["workflow"].clone();
    assert_like(
        "workflow",
        &then["GET /process"]["body"]["workflow"],
        &workflow,
    );
    let next = call(&altinn, Method::PUT, "next").await.expect(409).json();
    assert_like("next", &then["PUT /process/next"]["body"], &next);
    assert!(altinn.local.history(&id(&altinn)).is_empty());
    let resumed = call(&altinn, Method::POST, "resume")
        .await
        .expect(200)
        .json();
    assert_eq!(
        resumed["workflow"],
        then["POST /process/resume"]["body"]["workflow"]
    );
    assert_eq!(altinn.local.history(&id(&altinn)).len(), 2);
    assert_eq!(process(&altinn).await["workflow"]["status"], "idle");
    call(&altinn, Method::PUT, "next").await.expect(200);
}

#[tokio::test]
async fn the_app_times_out_after_a_hundred_seconds_but_the_engine_continues() {
    let altinn = next_generation(true).await;
    let slow = Fault::at(CreationStep::Process, CallFault::Delayed(LATE));
    altinn.local.faults().next(1, Some(CASEWORK), slow);
    let case = case("v9/v9-create");
    let mut reply = std::pin::pin!(altinn.replay(&case, &[]));
    let reply = loop {
        let patience = tokio::time::timeout(Duration::from_millis(500), &mut reply);
        if let Ok(reply) = patience.await {
            break reply.expect(500).json();
        }
        // If the app does not wait yet, the clock is advanced again.
        altinn.local.clock().advance(Duration::from_secs(101));
    };
    assert_eq!(reply["workflowFailure"], json!({"kind": "timeout"}));
    assert_eq!(reply["initializationState"], "workflowFailed");
    assert_eq!(
        altinn.local.instances(CASEWORK)[0]["status"]["isHardDeleted"],
        false
    );
    assert_eq!(process(&altinn).await["workflow"]["status"], "processing");
    let next = call(&altinn, Method::PUT, "next").await.expect(409).json();
    assert_eq!(next["processNextState"], "retrying");
    until_started(&altinn).await;
}

#[tokio::test]
async fn the_engine_retries_temporary_failures() {
    for trouble in [
        CallFault::Refused(503),
        CallFault::AnswerLost,
        CallFault::Unreachable,
    ] {
        for step in [CreationStep::FurtherForms, CreationStep::Process] {
            let altinn = next_generation(false).await;
            altinn
                .local
                .faults()
                .next(1, Some(CASEWORK), Fault::at(step, trouble));
            let body = json!({"instanceOwner": {"organisationNumber": "897069650"}});
            let path = format!("/{CASEWORK}/instances/create");
            altinn.send(Method::POST, &path, &body).await.expect(201);
            let case = &altinn.local.instances(CASEWORK)[0];
            assert_eq!(case["data"].as_array().unwrap().len(), 1, "{step:?}");
            assert_eq!(altinn.local.history(&id(&altinn)).len(), 2, "{step:?}");
        }
    }
}

#[tokio::test]
async fn instances_create_writes_form_and_prefill_after_the_response_if_the_engine_is_late() {
    let altinn = next_generation(false).await;
    let late = Fault::at(CreationStep::FurtherForms, CallFault::Delayed(LATE));
    let fault = late.and(CreationStep::Poll, CallFault::Refused(502));
    altinn.local.faults().next(1, Some(CASEWORK), fault);
    let body = json!({
        "instanceOwner": {"organisationNumber": "897069650"}, "prefill": {"soknad.tittel": "Forhånd"},
    });
    let path = format!("/{CASEWORK}/instances/create");
    altinn.send(Method::POST, &path, &body).await.expect(500);
    assert_eq!(altinn.local.instances(CASEWORK)[0]["data"], json!([]));
    until_started(&altinn).await;
    let case = altinn.local.instances(CASEWORK).remove(0);
    assert_eq!(case["presentationTexts"]["title"], "Forhånd");
    assert_eq!(element(&case, "model")["contentType"], "application/xml");
}
